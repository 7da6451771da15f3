"""The Redis server of a ledger. A call to it ends within a bounded time in all cases."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

from namepool.actors.backoff import Backoff
from namepool.core.names import one_line
from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers.session import SessionLost

T = TypeVar("T")

_TRIES = 3
"""The tries that share the time for a call, if the server does not answer."""

_BACKOFF = Backoff(first=0.02, longest=0.5)
"""The pauses between tries, if the server refuses the connection."""

_OF_REDIS_PY = (
    *("db", "username", "password", "client_name", "socket_keepalive", "health_check_interval"),
    *("max_connections", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"),
    *("ssl_password", "ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version", "ssl_ciphers"),
    *("ssl_include_verify_flags", "ssl_exclude_verify_flags"),
)
"""Options of redis-py that a URL may have. Other options cannot be given as a text, or would
replace the ledger's own: redis-py prefers an option of the URL to an option of the client."""


class Server:
    """A client of the server at ``url``, made when it is needed.

    Raises:
        InvalidOption: the URL is no URL of redis-py, has an unknown option, or has a password that
            redis-py would read as a host, path or options. The message repeats no part of the URL
            except the name of an unknown option
        LedgerError: redis-py is missing
    """

    def __init__(self, url: str, timeout: float, *, cluster: bool) -> None:
        try:
            import redis
        except ImportError:
            raise LedgerError(
                "a Redis ledger needs redis-py: install namepool with the extra 'redis'"
            ) from None
        self._redis = redis
        self._url = url
        self._timeout = timeout
        self._cluster = cluster
        self._client: Any = None
        self._is_checked = False
        try:
            self.shown: str = _shown(url)
            """The URL without user, password and options."""
            redis.ConnectionPool.from_url(url).make_connection()  # this does not connect
        except InvalidOption:
            raise
        except Exception:
            raise InvalidOption(
                "ledger must be a URL such as 'redis://host:6379/0', its options as in redis-py"
            ) from None

    @property
    def client(self) -> Any:
        """The client of redis-py."""
        client = self._client
        if client is None:
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            kind: Any = self._redis.cluster.RedisCluster if self._cluster else self._redis.Redis
            seconds = self._timeout / _TRIES
            client = self._client = kind.from_url(
                self._url,
                decode_responses=True,
                encoding_errors="backslashreplace",  # in the texts of other programs
                protocol=2,  # some proxies do not speak protocol 3
                socket_timeout=seconds,
                socket_connect_timeout=seconds,
                retry=Retry(NoBackoff(), 0),  # ``reach`` tries again, and knows when to stop
            )
        return client

    def reach(self, work: Callable[[], T]) -> T:
        """Do ``work``; while the server cannot be reached, try again up to the timeout.

        Raises:
            LedgerError: the server cannot be reached, or it refuses
        """
        deadline, failures = time.monotonic() + self._timeout, 0
        while True:
            try:
                self._check()
                return work()
            except (LedgerError, SessionLost):
                raise
            except Exception as error:
                if not self._is_known(error):  # its text may repeat a value of the URL
                    raise LedgerError(
                        f"{self} cannot be used: redis-py fails with {type(error).__name__}; "
                        "are the options of its URL right?"
                    ) from None
                what = self._refusal(error)
                if what is not None:
                    raise self._failed(what, error) from error
                failures += 1
                pause = _BACKOFF.pause(failures, jitter=lambda: 1.0)
                if self._is_elsewhere(error) or time.monotonic() + pause >= deadline:
                    self.close()  # the next try looks up the server again
                if time.monotonic() + pause >= deadline:
                    raise self._failed("cannot be reached", error) from error
            time.sleep(pause)

    def _is_known(self, error: Exception) -> bool:
        """Tell whether the error is one of a server, or of the connection to it."""
        errors = self._redis.exceptions
        if isinstance(error, ValueError):
            return "closed file" in str(error)  # another thread has closed the connection
        return isinstance(error, (errors.RedisError, errors.RedisClusterException))

    def _refusal(self, error: Exception) -> str | None:
        """Return a text for the refusal, or ``None`` if a later try may succeed."""
        errors, text = self._redis.exceptions, str(error)
        if isinstance(error, errors.AuthenticationError):
            return "does not let this user in"
        # Up to Redis 7.0 the errors of scripts have no class of their own.
        if isinstance(error, errors.OutOfMemoryError) or "OOM " in text:
            return "is out of memory and takes no writes"
        again = (errors.ConnectionError, errors.TimeoutError)
        cluster = (errors.TryAgainError, errors.ClusterDownError, errors.RedisClusterException)
        may_pass = isinstance(error, (*again, *cluster, ValueError)) or self._is_elsewhere(error)
        return None if may_pass else "refuses"

    def _is_elsewhere(self, error: Exception) -> bool:
        """Tell whether the server is a replica, because another server is the primary now."""
        return isinstance(error, self._redis.exceptions.ReadOnlyError) or "READONLY" in str(error)

    def run(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | int], replicas: int = 0
    ) -> list[Any]:
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
    ) -> list[Any]:
        run = self.client.evalsha if command == "EVALSHA" else self.client.eval
        if not replicas:
            answer: list[Any] = run(script, len(keys), *keys, *arguments)
            return answer
        with self.client.pipeline(transaction=False) as pipe:  # WAIT needs the same connection
            getattr(pipe, command.lower())(script, len(keys), *keys, *arguments)
            pipe.execute_command("WAIT", replicas, int(self._timeout / _TRIES * 500))
            answer, acknowledged = pipe.execute()
        if int(acknowledged) < replicas:
            raise LedgerError(
                f"{self}: {acknowledged} replicas have the claim, and {replicas} must have it"
            )
        return answer

    def now(self) -> float:
        """Return the server's time, in seconds of the Unix clock."""
        seconds, microseconds = self.client.time()
        return float(seconds) + float(microseconds) / 1e6

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        client, self._client, self._is_checked = self._client, None, False
        if client is not None:
            client.close()

    def forked(self) -> None:
        """Leave the connections to the parent process."""
        self._client, self._is_checked = None, False

    def __str__(self) -> str:
        return f"the ledger at {self.shown}"

    def _failed(self, what: str, error: Exception) -> LedgerError:
        return LedgerError(f"{self} {what}: {one_line(error)}")

    def _check(self) -> None:
        """Refuse a server that may throw claims away or is too old."""
        if self._is_checked:
            return
        try:
            found = self.client.info()
        except self._redis.exceptions.NoPermissionError:
            found = {}  # the user may not ask, so the server is trusted
        nodes = all(isinstance(info, dict) for info in found.values())  # a cluster answers by node
        for info in found.values() if nodes else [found]:
            policy = one_line(info.get("maxmemory_policy", ""), 40)
            if policy.startswith("allkeys") and info.get("maxmemory"):
                raise LedgerError(
                    f"{self} may throw claims away (maxmemory-policy {policy}): "
                    "set it to noeviction, or give the ledger a server of its own"
                )
            version = one_line(info.get("redis_version", "7.0"), 40)
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
