"""Log calls that cannot raise: what a program's own filters and handlers do costs no actor."""

from __future__ import annotations

import ast
import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pykka
import pytest

import namepool
from namepool import AssociateName, NumberedNames
from namepool.actors import ChildSpec, ServiceActor, StartChild, Supervisor
from namepool.actors.logs import Logger
from tests.support import PATIENCE, on_thread, wait_until

PACKAGE = Path(namepool.__file__).parent


class Raising(logging.Handler):
    """Raises for every record, at any level."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error
        self.count = 0

    def handle(self, record: logging.LogRecord) -> bool:
        self.count += 1
        raise self.error


@pytest.fixture
def raising(request: pytest.FixtureRequest) -> Iterator[Raising]:
    """A handler of the root that raises for each record of any level."""
    handler, root = Raising(getattr(request, "param", LookupError("no request id"))), logging.root
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


EACH_ERROR = pytest.mark.parametrize(
    "raising",
    [LookupError("no request id"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
    indirect=True,
)


@EACH_ERROR
def test_a_pool_that_crashes_is_restarted_where_every_log_call_raises(raising: Raising) -> None:
    def use() -> None:
        pool = namepool.open_pool(source=NumberedNames())
        handle: Any = pool._target
        kept = pool.checkout_name()
        handle.current.tell(AssociateName(7))  # type: ignore[arg-type]
        wait_until(lambda: handle.generation > 1, handle)
        assert pool.get_name_by_owner() == kept
        pool.checkin_name(kept)
        assert pool.checkin_name(kept) is False  # with a warning
        pool.close()

    on_thread(use)
    assert raising.count


class Worker(ServiceActor):
    def on_receive(self, message: Any) -> Any:
        if message == "fail":
            raise ValueError("as told")
        return super().on_receive(message)


class StockWorker(pykka.ThreadingActor):
    def on_receive(self, message: Any) -> Any:
        raise ValueError("as told")


@EACH_ERROR
def test_an_actor_survives_the_log_line_of_an_unknown_message_and_of_a_failed_request(
    raising: Raising,
) -> None:
    def use() -> None:
        ref = Worker.start()
        ref.tell("unknown")
        with pytest.raises(ValueError, match="as told"):
            ref.ask("fail", timeout=PATIENCE)
        assert ref.is_alive()
        ref.stop()

    on_thread(use)
    assert raising.count


@pytest.mark.parametrize("worker", [Worker, StockWorker])
def test_an_actor_that_dies_where_every_log_call_raises_is_dead_for_everybody(
    worker: type[pykka.Actor], raising: Raising
) -> None:
    logging.root.setLevel(logging.DEBUG)  # so Pykka says that it registers an actor
    root = Supervisor.start()
    ref = root.ask(StartChild(ChildSpec("worker", worker, restart="temporary")))

    ref.tell("fail")

    assert vars(ref)["lifecycle"].is_gone.wait(PATIENCE)
    assert not ref.is_alive()
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is None
    assert root.is_alive()


def test_what_a_handler_raises_goes_to_stderr(
    raising: Raising, capsys: pytest.CaptureFixture[str]
) -> None:
    Logger("namepool.somewhere").warning("a line")

    assert "LookupError: no request id" in capsys.readouterr().err


def test_nothing_goes_to_stderr_where_the_program_wants_none_of_it(
    raising: Raising, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    Logger("namepool.somewhere").warning("a line")

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("raising", [KeyboardInterrupt()], indirect=True)
def test_an_interrupt_of_the_main_thread_passes(raising: Raising) -> None:
    with pytest.raises(KeyboardInterrupt):
        Logger("namepool.somewhere").warning("a line")


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_a_record_tells_the_line_that_logs_and_the_exception(
    level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    log: Callable[..., None] = getattr(Logger("namepool.somewhere"), level)
    try:
        raise ValueError("as told")
    except ValueError:
        log("%s is %d", "one", 1, exc_info=True)

    (record,) = caplog.records
    assert (record.levelname, record.name) == (level.upper(), "namepool.somewhere")
    assert record.getMessage() == "one is 1"
    assert (record.filename, record.funcName) == (
        "test_logs.py",
        "test_a_record_tells_the_line_that_logs_and_the_exception",
    )
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


# -- every log call goes the one way ----------------------------------------------------------

MAY_IMPORT_LOGGING = {
    "actors/logs.py": "is the one way",
    "attribution/logging.py": "gives records their agent",
    "attribution/rich.py": "is a handler",
    **dict.fromkeys(("cli/board.py", "cli/demo.py", "cli/page.py"), "shows the demo's log lines"),
    "cli/ledger.py": "shows the warnings of a ledger",
    "sources/llm/logs.py": "filters the lines of others",
}
OF_PYKKA = {"register", "unregister", "stop_all", "broadcast", "_handle_failure", "on_receive"}
"""Pykka's functions that log: the package hands them to ``quietly``."""


def unsafe(source: str) -> list[str]:
    """Return what in a text may log, and so may raise what a program's handlers raise."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name in ("logging", "warnings")]
        elif isinstance(node, ast.ImportFrom) and node.module in ("logging", "warnings"):
            found.append(node.module)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = ast.unparse(node.func.value)
            if node.func.attr in OF_PYKKA and (of == "super()" or "egistry" in of):
                found.append(f"{of}.{node.func.attr}")
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import logging\nlogging.warning('x')", ["logging"]),
        ("def f():\n    from logging import getLogger as g", ["logging"]),
        ("import warnings", ["warnings"]),
        ("import pykka\npykka.ActorRegistry.unregister(ref)", ["pykka.ActorRegistry.unregister"]),
        ("super()._handle_failure(*exc_info)", ["super()._handle_failure"]),
        ("quietly(super()._handle_failure, *exc_info)", []),
        ("from namepool.actors.logs import Logger\nlogger = Logger('x')\nlogger.error('x')", []),
    ],
)
def test_an_unsafe_log_call_is_found(source: str, found: list[str]) -> None:
    assert unsafe(source) == found


def test_every_log_call_of_the_package_is_one_that_cannot_raise() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): unsafe(path.read_text(encoding="utf-8"))
        for path in PACKAGE.rglob("*.py")
    }

    assert {name for name, calls in found.items() if calls} == MAY_IMPORT_LOGGING.keys()
    assert {call for calls in found.values() for call in calls} == {"logging"}
