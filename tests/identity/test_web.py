"""FastAPI on a real uvicorn: each request speaks as its agent, and other requests never do.

Where a framework runs the steps of a generator in contexts that it throws away, the name that was
taken there is gone with the first of them. Then a request may be nobody, and no other agent either.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
    nullcontext,
)
from functools import partial
from http.client import HTTPConnection
from typing import Annotated, Any

import pytest

pytest.importorskip("fastapi", reason="NOT TESTED: names in FastAPI, install 'namepool[test]'")
pytest.importorskip("uvicorn", reason="NOT TESTED: names in FastAPI, install 'namepool[test]'")

import anyio.to_thread
import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import StreamingResponse

from namepool import DEFAULT_NAME
from tests.identity.scene import PARTIES, STRANGER, Meeting, Scene, broken_by_failure, each_round
from tests.support import PATIENCE, run_together

STEPS = 3


class Site:
    """An application whose requests meet, and are heard while they are all there.

    ``id``, of a request, tells whose it is. An agent's takes a name, a stranger's does not.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.pool = scene.pool
        self.hear = scene.ears.hear
        self.names: dict[str, str] = {}
        """The name of each request that has one."""
        self.barrier = threading.Barrier(len(PARTIES))
        self.meeting = Meeting()
        self.app = FastAPI()

    def meet(self) -> None:
        self.barrier.wait(PATIENCE)

    def is_agent(self, id: str) -> bool:  # noqa: A002
        return not id.startswith(STRANGER)

    @contextmanager
    def block(self, id: str) -> Iterator[str]:  # noqa: A002
        """Have a name for the length of the block, if it is an agent's request."""
        mine: AbstractContextManager[str] = nullcontext(DEFAULT_NAME)
        with self.pool.named() if self.is_agent(id) else mine as name:
            self.names[id] = name
            yield name

    def named(self, id: str) -> str:  # noqa: A002
        """A dependency: the name that the request has from elsewhere."""
        return self.names[id]

    # -- what handlers do --------------------------------------------------------------------

    def work(self, name: str, *, sure: bool = True) -> None:
        """Be heard on a worker, before and after all the others are there."""
        self.hear(name, or_nobody=not sure)
        self.meet()
        self.hear(name, or_nobody=not sure)

    async def work_async(self, name: str, *, sure: bool = True) -> None:
        """As ``work``, on the loop."""
        self.hear(name, or_nobody=not sure)
        await self.meeting()
        await self.hear_perhaps_async(name, sure=sure)

    def hear_perhaps(self, name: str, *, sure: bool) -> None:
        """Be heard; if it is not sure, that may be as nobody."""
        self.hear(name, or_nobody=not sure)

    async def hear_perhaps_async(self, name: str, *, sure: bool) -> None:
        """As ``hear_perhaps``, on the loop and on a worker."""
        self.hear(name, or_nobody=not sure)
        await anyio.to_thread.run_sync(partial(self.hear, name, or_nobody=not sure))

    def steps(self, name: str, *, first: bool = True, rest: bool = True) -> Iterator[str]:
        """A stream; tell of which steps it is sure that they speak under the name."""
        for number in range(STEPS):
            self.work(name, sure=rest if number else first)
            yield name

    async def steps_async(self, name: str) -> AsyncIterator[str]:
        """As ``steps``, on the loop."""
        for _ in range(STEPS):
            await self.work_async(name)
            yield name


# The kinds of applications: each has one endpoint, at "/"


def sync_agent(site: Site) -> Callable[[str], Iterator[str]]:
    """Return a sync dependency with ``yield``, whose name is lost with its context."""

    def agent(id: str) -> Iterator[str]:  # noqa: A002
        with site.block(id) as name:
            site.hear(name)
            yield name
            site.hear(name, or_nobody=True)

    return agent


def async_agent(site: Site) -> Callable[[str], AsyncIterator[str]]:
    """Return an async dependency with ``yield``."""

    async def agent(id: str) -> AsyncIterator[str]:  # noqa: A002
        with site.block(id) as name:
            site.hear(name)
            yield name
            site.hear(name)

    return agent


def add_sync_endpoint(
    site: Site, agent: Callable[..., Any], *, sure: bool = True, later: bool = True
) -> None:
    """Add one with tasks in the background; tell whether it is sure of them, too."""

    @site.app.get("/")
    def endpoint(name: Annotated[str, Depends(agent)], tasks: BackgroundTasks) -> str:
        site.work(name, sure=sure)
        for task in (site.hear_perhaps, site.hear_perhaps_async):
            tasks.add_task(task, name, sure=sure and later)
        return name


def add_async_endpoint(site: Site, agent: Callable[..., Any], *, sure: bool = True) -> None:
    @site.app.get("/")
    async def endpoint(name: Annotated[str, Depends(agent)]) -> str:
        await site.work_async(name, sure=sure)
        return name


def add_stream(
    site: Site, agent: Callable[..., Any], steps: Callable[[str], Any], *, sure: bool = True
) -> None:
    @site.app.get("/")
    def endpoint(name: Annotated[str, Depends(agent)]) -> StreamingResponse:
        site.hear(name, or_nobody=not sure)
        return StreamingResponse(steps(name))


def sync_dependency_sync_endpoint(site: Site) -> None:
    add_sync_endpoint(site, sync_agent(site), sure=False)


def sync_dependency_async_endpoint(site: Site) -> None:
    add_async_endpoint(site, sync_agent(site), sure=False)


def async_dependency_sync_endpoint(site: Site) -> None:
    add_sync_endpoint(site, async_agent(site))


def async_dependency_async_endpoint(site: Site) -> None:
    add_async_endpoint(site, async_agent(site))


def async_dependency_sync_stream(site: Site) -> None:
    add_stream(site, async_agent(site), site.steps)


def async_dependency_async_stream(site: Site) -> None:
    add_stream(site, async_agent(site), site.steps_async)


def decorated_sync_dependency(site: Site) -> None:
    """It has the name in its own steps, and the endpoint, which is a consumer, has none."""

    @site.pool.named()
    def agent(id: str) -> Iterator[str]:  # noqa: A002
        name = site.names[id] = site.pool.speaker()
        site.hear(name)
        yield name
        site.hear(name)

    @site.app.get("/")
    def endpoint(_: Annotated[str, Depends(agent)]) -> None:
        site.work(DEFAULT_NAME)

    @site.app.get("/nobody")
    def endpoint_of_strangers() -> None:
        site.work(DEFAULT_NAME)


def decorated_async_dependency(site: Site) -> None:
    """As ``decorated_sync_dependency``."""

    @site.pool.named()
    async def agent(id: str) -> AsyncIterator[str]:  # noqa: A002
        name = site.names[id] = site.pool.speaker()
        site.hear(name)
        yield name
        site.hear(name)

    @site.app.get("/")
    async def endpoint(_: Annotated[str, Depends(agent)]) -> None:
        await site.work_async(DEFAULT_NAME)

    @site.app.get("/nobody")
    async def endpoint_of_strangers() -> None:
        await site.work_async(DEFAULT_NAME)


def sync_endpoint(site: Site) -> None:
    @site.app.get("/")
    def endpoint(id: str) -> str:  # noqa: A002
        with site.block(id) as name:
            site.work(name)
        site.hear()
        return name


def async_endpoint(site: Site) -> None:
    @site.app.get("/")
    async def endpoint(id: str) -> str:  # noqa: A002
        with site.block(id) as name:
            await site.work_async(name)
        site.hear()
        return name


def decorated_endpoints(site: Site) -> None:
    async def agent(id: str) -> str:  # noqa: A002
        name = site.names[id] = site.pool.speaker()
        await site.work_async(name)
        return name

    decorated, app = site.pool.named()(agent), site.app

    @app.get("/")
    async def endpoint(id: str) -> str:  # noqa: A002
        return await (decorated if site.is_agent(id) else agent)(id)


def sync_stream_with_a_bare_block(site: Site) -> None:
    def steps(id: str) -> Iterator[str]:  # noqa: A002
        with site.block(id) as name:
            yield from site.steps(name, rest=False)

    @site.app.get("/")
    def endpoint(id: str) -> StreamingResponse:  # noqa: A002
        return StreamingResponse(steps(id))


def async_stream_with_a_bare_block(site: Site) -> None:
    async def steps(id: str) -> AsyncIterator[str]:  # noqa: A002
        with site.block(id) as name:
            async for step in site.steps_async(name):
                yield step

    @site.app.get("/")
    def endpoint(id: str) -> StreamingResponse:  # noqa: A002
        return StreamingResponse(steps(id))


def decorated_sync_stream(site: Site) -> None:
    def steps(id: str) -> Iterator[str]:  # noqa: A002
        name = site.names[id] = site.pool.speaker()
        yield from site.steps(name)

    decorated = site.pool.named()(steps)

    @site.app.get("/")
    def endpoint(id: str) -> StreamingResponse:  # noqa: A002
        return StreamingResponse((decorated if site.is_agent(id) else steps)(id))

    hear_whoever_sends(site)


def decorated_async_stream(site: Site) -> None:
    async def steps(id: str) -> AsyncIterator[str]:  # noqa: A002
        name = site.names[id] = site.pool.speaker()
        async for step in site.steps_async(name):
            yield step

    decorated = site.pool.named()(steps)

    @site.app.get("/")
    async def endpoint(id: str) -> StreamingResponse:  # noqa: A002
        return StreamingResponse((decorated if site.is_agent(id) else steps)(id))

    hear_whoever_sends(site)


def hear_whoever_sends(site: Site) -> None:
    """Hear that the consumer of a stream is nobody."""

    class Listening:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def heard(message: MutableMapping[str, Any]) -> None:
                site.hear()
                await send(message)

            await self.app(scope, receive, heard if scope["type"] == "http" else send)

    site.app.add_middleware(Listening)


def add_agent_as_middleware(site: Site) -> None:
    """Have each request of an agent's named by a middleware, before all else."""

    class Agent:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(
            self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]
        ) -> None:
            if scope["type"] != "http":
                await self.app(scope, receive, send)
                return
            with site.block(scope["query_string"].decode().removeprefix("id=")) as name:
                await self.app(scope, receive, send)
                site.hear(name)

    site.app.add_middleware(Agent)


def middleware_sync_endpoint(site: Site) -> None:
    add_agent_as_middleware(site)
    add_sync_endpoint(site, site.named)


def middleware_async_endpoint(site: Site) -> None:
    add_agent_as_middleware(site)
    add_async_endpoint(site, site.named)


def middleware_sync_stream(site: Site) -> None:
    add_agent_as_middleware(site)
    add_stream(site, site.named, site.steps)


def middleware_async_stream(site: Site) -> None:
    add_agent_as_middleware(site)
    add_stream(site, site.named, site.steps_async)


def middleware_for_http(site: Site) -> None:
    """Of Starlette's kind, which is done when a response begins: before tasks in its background."""

    @site.app.middleware("http")
    async def agent(request: Request, call_next: Callable[[Request], Any]) -> Any:
        with site.block(request.query_params["id"]) as name:
            response = await call_next(request)
            site.hear(name)
            return response

    add_sync_endpoint(site, site.named, later=False)


Kind = Callable[[Site], None]
KINDS: list[Kind] = [
    *(sync_dependency_sync_endpoint, sync_dependency_async_endpoint),
    *(async_dependency_sync_endpoint, async_dependency_async_endpoint),
    *(async_dependency_sync_stream, async_dependency_async_stream),
    *(decorated_sync_dependency, decorated_async_dependency),
    *(sync_endpoint, async_endpoint, decorated_endpoints),
    *(sync_stream_with_a_bare_block, async_stream_with_a_bare_block),
    *(decorated_sync_stream, decorated_async_stream),
    *(middleware_sync_endpoint, middleware_async_endpoint),
    *(middleware_sync_stream, middleware_async_stream, middleware_for_http),
]


# The server


class Street:
    """Several applications, served as one: the path begins with the name of one of them."""

    def __init__(self, scene: Scene, kinds: list[Kind]) -> None:
        self.scene = scene
        self.sites: dict[str, Site] = {}
        for kind in kinds:
            site = self.sites[kind.__name__] = Site(scene)
            kind(site)
        self.host = FastAPI(lifespan=self.life)

    @asynccontextmanager
    async def life(self, _: FastAPI) -> AsyncIterator[None]:
        """There are few workers, and a name that no request has."""
        # Two kinds may overlap: tasks go on in the background of a request that is answered.
        anyio.to_thread.current_default_thread_limiter().total_tokens = 2 * len(PARTIES)
        async with self.scene.async_pool.named() as name:
            yield
            self.scene.ears.hear(name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.host(scope, receive, send)
        else:
            _, kind, path = scope["path"].split("/")
            await self.sites[kind].app(scope | {"path": "/" + path}, receive, send)

    def visit(self, address: tuple[str, int], rounds: int) -> None:
        """Have the three ask each application, again and again, each on a connection of its own."""

        def party(who: str) -> None:
            with closing(HTTPConnection(*address, timeout=PATIENCE)) as connection:
                for kind, site in self.sites.items():
                    path = "nobody" if who == STRANGER and "nobody" in paths(site) else ""
                    with broken_by_failure(site.barrier):
                        for number in range(rounds):
                            connection.request("GET", f"/{kind}/{path}?id={who}{number}")
                            answer = connection.getresponse()
                            text = answer.read()
                            assert answer.status == 200, text

        run_together([lambda who=who: party(who) for who in PARTIES])  # type: ignore[misc]


def paths(site: Site) -> set[str]:
    return {str(getattr(route, "path", ""))[1:] for route in site.app.routes}


class AccessLog(logging.Handler):
    """Hears under which name each line of the access log is written."""

    def __init__(self, street: Street) -> None:
        super().__init__()
        self.street = street
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        assert isinstance(record.args, tuple)
        path, _, id = str(record.args[2]).partition("?id=")  # noqa: A001
        site = self.street.sites[path.split("/")[1]]
        site.hear(site.names.get(id, DEFAULT_NAME), or_nobody=True)
        self.count += 1


@contextmanager
def reading_access_log(street: Street) -> Iterator[AccessLog]:
    logger, log = logging.getLogger("uvicorn.access"), AccessLog(street)
    level = logger.level
    logger.addHandler(log)
    try:
        yield log
    finally:
        logger.removeHandler(log)
        logger.setLevel(level)


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[tuple[str, int]]:
    """Have a uvicorn serve ``app`` on a thread of its own; yield its address."""
    kind = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP  # asyncio delays TCP if not told
    with socket.socket(*kind) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # who connects before it is served has to wait, and no more
        options = {"log_config": None, "log_level": "info", "ws": "none"} | options
        server = uvicorn.Server(uvicorn.Config(app, **options))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
        assert not thread.is_alive()


LOOPS = ("asyncio", "uvloop")


def each_kind() -> Iterator[Any]:
    """Yield all kinds with each loop, and then each kind, at length, with one of the two."""
    for loop in LOOPS:
        yield pytest.param(KINDS, 2, loop, id=f"all-{loop}")
    for number, kind in enumerate(KINDS):
        loop, name = LOOPS[number % 2], kind.__name__
        yield pytest.param([kind], 1000, loop, id=f"{name}-{loop}", marks=pytest.mark.proof)


@pytest.mark.parametrize(("kinds", "rounds", "loop"), [*each_kind()])
def test_no_request_speaks_as_another(
    kinds: list[Kind], rounds: int, loop: str, scene: Scene
) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="NOT TESTED: names on uvloop, install 'namepool[dev]'")
    street = Street(scene, kinds)
    with (
        reading_access_log(street) as log,
        serving(street, lifespan="on", loop=loop) as address,
    ):
        street.visit(address, rounds)

    asked = 3 * rounds * len(kinds)
    scene.ears.check(at_least=2 * asked)
    assert log.count == asked


@each_round
@pytest.mark.parametrize("remedy", ["the option of uvicorn", "an unnamed block"])
def test_a_request_speaks_as_none_before_it_on_its_connection_where_each_begins_as_nobody(
    remedy: str, rounds: int, scene: Scene
) -> None:
    """A server may begin a request in the context of the one before, whose agent still works."""
    site, was_heard = Site(scene), asyncio.Event()

    async def work(name: str) -> None:
        await was_heard.wait()
        was_heard.clear()
        site.hear(name)

    @site.app.get("/agent")
    async def agent(
        name: Annotated[str, Depends(async_agent(site))], tasks: BackgroundTasks
    ) -> None:
        tasks.add_task(work, name)

    @site.app.get("/stranger")
    async def stranger() -> None:
        site.hear()
        was_heard.set()

    async def as_nobody(scope: Any, receive: Any, send: Any) -> None:
        with site.pool.unnamed():
            await site.app(scope, receive, send)

    app, options = (as_nobody, {}) if "block" in remedy else (site.app, {"reset_contextvars": True})
    with (
        serving(app, http="h11", **options) as address,
        socket.create_connection(address) as client,
    ):
        client.settimeout(PATIENCE)
        with client.makefile("rb") as answers:
            for _ in range(rounds):
                client.sendall(b"".join(request(path) for path in ("agent?id=Ann", "stranger")))
                for _answer in range(2):
                    assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                    while answers.readline() != b"\r\n":
                        pass
                    assert answers.read(4) == b"null"
    scene.ears.check(at_least=rounds * 4)


def request(path: str) -> bytes:
    return f"GET /{path} HTTP/1.1\r\nHost: here\r\n\r\n".encode()
