"""The Redis server of a ledger. A call to it ends within a bounded time in all cases."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

from namepool.actors.backoff import Backoff
from namepool.actors.bare import raises_bare
from namepool.actors.never_copied import NeverCopied
from namepool.core.names import one_line
from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers.engine import SessionLost
from namepool.ledgers.faults import is_told, refusal
from namepool.ledgers.rows import BadRow, read_count, read_list
from namepool.ledgers.scan import Scan
from namepool.ledgers.timed import in_time, timed_pool

T = TypeVar("T")

_TRIES = 3
"""The tries that share the time for a call, if the server does not answer."""

_BACKOFF = Backoff(first=0.02, longest=0.5)
"""The pauses between tries, if the server refuses the connection."""

_VALKEY: re.Pattern[str] = re.compile("^valkey(?=s?:)", re.IGNORECASE)
"""redis-py knows no such scheme."""

_INFO: re.Pattern[str] = re.compile(
    r"^(redis_version|maxmemory|maxmemory_policy):([^\r\n]{0,60})", re.MULTILINE
)
"""The lines of an INFO that count."""

_OF_REDIS_PY = (
    *("db", "username", "password", "client_name", "socket_keepalive", "health_check_interval"),
    *("max_connections", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"),
    *("ssl_password", "ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version", "ssl_ciphers"),
    *("ssl_include_verify_flags", "ssl_exclude_verify_flags"),
)
"""Options of redis-py that a URL may have. Other options cannot be given as a text, or would
replace the ledger's own: redis-py prefers an option of the URL to an option of the client."""


class Server(NeverCopied):
    """A client of the server at ``url``, made when it is needed.

    Raises:
        InvalidOption: the URL is no URL of redis-py, has an unknown option, or has a password that
            redis-py would read as a host, path or options. The message repeats no part of the URL
            except the name of an unknown option
        LedgerError: redis-py is missing
    """

    _instead = "open the ledger there"

    @raises_bare(InvalidOption, LedgerError, TypeError)
    def __init__(self, url: str, timeout: float, *, cluster: bool) -> None:
        try:
            import redis
        except ImportError:
            raise LedgerError(
                "a Redis ledger needs redis-py: install namepool with the extra 'redis'"
            ) from None
        self._redis = redis
        self._timeout = timeout
        self._cluster = cluster
        self._client: Any = None
        self._is_checked = False
        try:
            self.shown: str = _shown(url)
            """The URL without user, password and options."""
            self._url = _VALKEY.sub("redis", url)
            timed_pool().from_url(self._url).make_connection()  # this does not connect
        except InvalidOption:
            raise
        except Exception:
            raise InvalidOption(
                "ledger must be a URL such as 'redis://host:6379/0', its options as in redis-py"
            ) from None

    @property
    def client(self) -> Any:
        """The client of redis-py. Threads share it, so nobody closes it while one may use it."""
        client = self._client
        if client is None:
            client = self._client = self._made()
        return client

    def _made(self) -> Any:
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        seconds, pool = self._timeout / _TRIES, timed_pool()
        options = {
            "decode_responses": True,
            "encoding_errors": "backslashreplace",  # in the texts of other programs
            "protocol": 2,  # some proxies do not speak protocol 3
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": Retry(NoBackoff(), 0),  # ``reach`` tries again, and knows when to stop
        }
        if self._cluster:
            of_cluster = self._redis.cluster.RedisCluster
            return of_cluster.from_url(self._url, connection_pool_class=pool, **options)
        return self._redis.Redis(connection_pool=pool.from_url(self._url, **options))

    def in_time(self) -> AbstractContextManager[float]:
        """Let the calls in a block share the time of one call."""
        return in_time(self._timeout)

    @raises_bare(LedgerError, SessionLost)
    def reach(self, work: Callable[[], T]) -> T:
        """Do ``work``; while the server cannot be reached, try again up to the timeout.

        Raises:
            LedgerError: the server cannot be reached, or it refuses
        """
        failures = 0
        before: Exception | None = None
        with self.in_time() as deadline:
            while True:
                client = None
                try:
                    client = self.client
                    self._check()
                    return work()
                except (LedgerError, SessionLost):
                    raise
                except Exception as error:
                    text = refusal(error)
                    # The last try may have had no time. Then the error before it tells more.
                    is_late = text is None and isinstance(error, self._redis.TimeoutError)
                    cause = before if before is not None and is_late else error
                    if text is None:
                        self._leave(client)
                        failures += 1
                        pause = _BACKOFF.pause(failures, jitter=lambda: 1.0)
                        if time.monotonic() + pause >= deadline:
                            text = f"cannot be reached: {one_line(cause)}"
                    if text is not None:
                        raise LedgerError(f"{self} {text}") from (cause if is_told(cause) else None)
                    before = cause.with_traceback(None)
                finally:
                    if client is not self._client:  # another thread has closed it
                        self._close_idle(client)
                time.sleep(pause)

    def run(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | int], replicas: int = 0
    ) -> Any:
        """Run a script; return its answer when at least ``replicas`` replicas have its writes.

        Raises:
            LedgerError: fewer replicas have the writes in time
        """
        digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            return self._run("EVALSHA", digest, keys, arguments, replicas)
        except self._redis.exceptions.NoScriptError:  # the server is new, or its cache was flushed
            return self._run("EVAL", script, keys, arguments, replicas)

    def _run(
        self,
        command: str,
        script: str,
        keys: Sequence[str],
        arguments: Sequence[Any],
        replicas: int,
    ) -> Any:
        client = self.client
        if not replicas:
            run = client.evalsha if command == "EVALSHA" else client.eval
            return run(script, len(keys), *keys, *arguments)
        if self._cluster:  # a pipeline of a cluster runs no scripts
            client = client.get_redis_connection(client.get_node_from_key(keys[0]))
        with client.pipeline(transaction=False) as pipe:  # WAIT needs the same connection
            getattr(pipe, command.lower())(script, len(keys), *keys, *arguments)
            pipe.execute_command("WAIT", replicas, int(self._timeout / _TRIES * 500))
            answer, acknowledged = pipe.execute()
        if read_count(acknowledged) < replicas:
            raise LedgerError(
                f"{self}: {acknowledged} replicas have the claim, and {replicas} must have it"
            )
        return answer

    def keys(self, pattern: str) -> list[str]:
        """Return the keys that match, or none if this user may not ask."""
        found: list[str] = []
        client = self.client
        try:
            for node in self._nodes(client):
                scan: Scan | None = Scan()
                while scan is not None:
                    command = ("SCAN", scan.cursor, "MATCH", pattern, "COUNT", 1000)
                    cursor, keys = read_list(self._plain(node, *command), 2)
                    found += filter(scan.is_new, read_list(keys))
                    scan = scan.next(cursor)
        except self._redis.exceptions.NoPermissionError:
            return []
        return found

    def close(self) -> None:
        """Close the connections that no thread uses. The others are closed when they are free."""
        client, self._client, self._is_checked = self._client, None, False
        self._close_idle(client)

    def forked(self) -> None:
        """Leave the connections to the parent process."""
        self._client, self._is_checked = None, False

    def _leave(self, client: Any) -> None:
        """Let the next try look up the server again."""
        self._is_checked = False
        if self._cluster and self._client is client:
            self._client = None  # the next one asks the node of the URL for the others
        self._close_idle(client)

    def _close_idle(self, client: Any) -> None:
        if client is None:
            return
        with suppress(Exception):  # a client that is half made, or another thread's error
            for node in self._nodes(client):
                node.connection_pool.disconnect(inuse_connections=False)

    def _nodes(self, client: Any) -> Iterable[Any]:
        """Return a client for each server that may hold keys."""
        if not self._cluster:
            return [client]
        return map(client.get_redis_connection, client.get_primaries())

    def _plain(self, node: Any, *command: str | int) -> Any:
        """Return the answer to a command as it is: redis-py reads some without a deadline."""
        node.set_response_callback(command[0], lambda answer, **_: answer)
        return node.execute_command(*command)

    def __str__(self) -> str:
        return f"the ledger at {self.shown}"

    def _check(self) -> None:
        """Refuse a server that may throw claims away or is too old."""
        if self._is_checked:
            return
        client = self.client
        try:
            answers = [self._plain(node, "INFO") for node in self._nodes(client)]
        except self._redis.exceptions.NoPermissionError:
            answers = []  # the user may not ask, so the server is trusted
        for answer in answers:
            if not isinstance(answer, str):
                raise BadRow(f"{type(answer).__name__} is no answer to INFO")
            found = dict(_INFO.findall(answer))
            policy = one_line(found.get("maxmemory_policy", ""), 40)
            if policy.startswith("allkeys") and found.get("maxmemory", "0") != "0":
                raise LedgerError(
                    f"{self} may throw claims away (maxmemory-policy {policy}): "
                    "set it to noeviction, or give the ledger a server of its own"
                )
            version = one_line(found.get("redis_version", "7.0"), 40)
            numbers = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", version)
            if numbers is not None and (int(numbers[1]), int(numbers[2])) < (6, 2):
                raise LedgerError(f"{self} is Redis {version}, and 6.2 is needed")
        self._is_checked = True


def check_url(url: SplitResult) -> None:
    """Refuse a URL that Python may have split in the middle of the password.

    A raw "/", "?" or "#" ends the part of a URL that has the password. So the rest of the password
    would count as a path or as options, and a message could show it.

    Raises:
        InvalidOption: the URL has a "#", or it has an "@" behind the host. Or its database is not a
            number, so redis-py would use database 0. Or the URL of a socket has a host, or lacks a
            path. The message repeats no part of the URL
    """
    if url.fragment or "@" in url.path + url.query:
        raise InvalidOption(
            "in a ledger's URL write '#' as %23 and '@' as %40, and in a user or password also "
            "'/' as %2F and '?' as %3F"
        )
    if url.scheme == "unix" and (url.netloc.rpartition("@")[2] or not url.path.strip("/")):
        raise InvalidOption("a socket's URL has three slashes: 'unix:///run/redis.sock'")
    if url.scheme != "unix" and not re.fullmatch("/?|/[0-9]+/?", url.path):
        raise InvalidOption(
            "the path of a Redis ledger's URL must be the number of a database, as in "
            "'redis://host:6379/0'"
        )


def check_options(names: Iterable[str], own: Sequence[str] = ()) -> None:
    """Refuse an option of a URL that is neither a known option of redis-py nor one of ``own``.

    ``own`` are the options of the ledger itself.

    Raises:
        InvalidOption: an option is unknown. The message repeats the option only if it has at most
            40 characters, all of them small letters or "_"
    """
    known = (*own, *_OF_REDIS_PY)
    for name in names:
        if name not in known:
            named = name if re.fullmatch("[a-z_]{1,40}", name) else "something"
            raise InvalidOption(
                f"{named} is not an option of a Redis URL: there are {', '.join(known)}"
            )


def _shown(url: str) -> str:
    parts = urlsplit(url)
    check_url(parts)
    check_options(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = f":{parts.port}" if parts.port else ""
    is_shown = parts.scheme == "unix" or re.fullmatch(r"/\d+", parts.path)
    return one_line(f"{parts.scheme}://{host}{port}{parts.path if is_shown else ''}")
