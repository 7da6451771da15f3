"""Connections that can be watched: what urllib3 does not tell, and does not do, of its own.

Each thread says whose work it does (``working_for``); the connections it makes or takes up tell
that worker their socket, so that somebody else can shut it down, and whether a kept connection had
ended before it could answer.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from traceback import walk_tb
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from namepool.core.names import one_line

MOST_KEPT = 1000
"""Connections kept for the next request: as many as anybody has fetchers, or urllib3 warns."""

MOST_HINTS = 20
"""Interim answers read before the answer."""


class Worker(Protocol):
    """Who wants to know about connections."""

    def holds(self, connection: Any, *, own: bool = False) -> None:
        """Note the socket in use; one's ``own`` is to be closed when the work is done."""
        ...

    def is_left(self) -> bool:
        """Tell whether nobody waits for the work any more."""
        ...

    def found_dead(self) -> None:
        """Note that a kept connection ended before it answered."""
        ...


_here = threading.local()


@contextmanager
def working_for(worker: Worker) -> Iterator[None]:
    """Tell ``worker`` about the connections that this thread uses in the block."""
    _here.worker = worker
    try:
        yield
    finally:
        del _here.worker


def _worker() -> Worker | None:
    return getattr(_here, "worker", None)


def shut_down(connection: Any) -> None:
    """Wake whoever reads from the socket; closing it would not."""
    try:
        # Of the plain socket: an SSLSocket's own shutdown drops what its reader is using.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except (OSError, TypeError, ValueError):
        pass  # closed already, or none


def proxy_of(session: object, url: str) -> str | None:
    """Return the URL of the proxy that requests to ``url`` go through, ``None`` if there is none.

    It is without user and password: empty where these cannot be told from the rest.
    """
    if not isinstance(session, requests.Session):
        return None
    settings = session.merge_environment_settings(url, {}, None, None, None)
    proxy = requests.utils.select_proxy(url, settings["proxies"])
    if not proxy:
        return None
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host or "@" in parts.path + parts.query + parts.fragment:  # a password with a raw "/"
        return ""
    host = f"[{host}]" if ":" in host else host
    return one_line(f"{parts.scheme}://{host}{f':{port}' if port else ''}")


class _Answer(http.client.HTTPResponse):
    """Reads on after interim answers, such as 103 Early Hints."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MOST_HINTS):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 < line[1] < 200 or line[1] == 101:
                return line
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("too many interim answers")


class _Watched(http.client.HTTPConnection):
    response_class = _Answer
    _answered = False  # since it was opened: it is a kept one

    def _new_conn(self) -> socket.socket:
        raw: socket.socket = super()._new_conn()  # type: ignore[misc]
        self._answered = False
        if worker := _worker():
            # A double: TLS takes the original away, and a tunnel or a handshake may never end.
            worker.holds(raw.dup(), own=True)
        return raw

    def _tunnel(self) -> None:
        super()._tunnel()  # type: ignore[misc]
        worker = _worker()
        if worker is not None and worker.is_left():  # it only seems to have ended well
            self.close()
            raise ConnectionAbortedError("left behind")

    def send(self, data: Any) -> None:
        try:
            super().send(data)
        except ConnectionError:
            self._failed()
            raise

    def getresponse(self, *args: Any, **options: Any) -> Any:
        if worker := _worker():
            worker.holds(self.sock)
        try:
            response = super().getresponse(*args, **options)
        except ConnectionError:
            self._failed()
            raise
        self._answered = True
        return response

    def _failed(self) -> None:
        worker = _worker()
        if self._answered and worker is not None:
            worker.found_dead()


class _HTTP(_Watched, HTTPConnection):
    pass


class _HTTPS(_Watched, HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        finally:
            error = sys.exc_info()[1]
            if error is not None:
                _close_unfinished(error)


def _close_unfinished(error: BaseException) -> None:
    """Close the TLS socket in whose making ``error`` was raised.

    One that is reset before its handshake is closed by nobody, and only its frame knows it.
    """
    for frame, _ in walk_tb(error.__traceback__):
        made = frame.f_locals.get("self")
        if isinstance(made, ssl.SSLSocket):
            made.close()


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):  # those have pools of their own kind
            _watch(manager)
        return manager

    def close(self) -> None:
        """Close what is kept, at once: urllib3 leaves that to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118  it is no dict
                if pool := manager.pools.get(key):
                    pool.close()
        super().close()


def _watch(manager: Any) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def new_session() -> requests.Session:
    """Return a session of watched connections that keeps no cookies."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_maxsize=MOST_KEPT))
    return session
