"""Connections that tell a ``Worker`` about their sockets, and that close at once.

The connections of urllib3 do neither. Each thread sets its worker with ``working_for``. A
connection that the thread opens, or takes from the kept ones, calls two methods of this worker.
``holds`` gets the socket of the connection, so that another thread can shut the socket down.
``found_dead`` reports that a kept connection had ended before it answered.
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
"""The most connections that are kept open for later requests.

The number is high, because urllib3 logs warnings if more connections are in use than it may keep.
"""

MOST_HINTS = 20
"""The most interim answers that are skipped before the answer."""


class Worker(Protocol):
    """The owner of a request, which is told about its connections."""

    def holds(self, connection: Any, *, own: bool = False) -> None:
        """Note the socket in use. The worker closes an ``own`` socket after its work."""
        ...

    def is_left(self) -> bool:
        """Return whether nobody waits for the work any more."""
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
    """Wake the thread that reads from the socket. To close the socket would not wake it."""
    try:
        # The plain socket's shutdown, because an SSLSocket's own one drops its reader's TLS object.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except (OSError, TypeError, ValueError):
        pass  # the socket is closed already, or there is none


def proxy_of(session: object, url: str) -> str | None:
    """Return the URL of the proxy for requests to ``url``, or ``None`` if there is none.

    The result has no user and no password. It is empty if these cannot be separated from the rest.
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
    if not host or "@" in parts.path + parts.query + parts.fragment:  # a password holds a raw "/"
        return ""
    host = f"[{host}]" if ":" in host else host
    return one_line(f"{parts.scheme}://{host}{f':{port}' if port else ''}")


class _Answer(http.client.HTTPResponse):
    """A response that skips interim answers, such as 103 Early Hints."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MOST_HINTS):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 < line[1] < 200 or line[1] == 101:
                return line
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("too many interim answers")


class _Watched(http.client.HTTPConnection):
    response_class = _Answer
    _answered = False  # true after its first answer: from then on it is a kept one

    def _new_conn(self) -> socket.socket:
        raw: socket.socket = super()._new_conn()  # type: ignore[misc]
        self._answered = False
        if worker := _worker():
            # A duplicate, because TLS detaches the original, and a handshake may never end.
            worker.holds(raw.dup(), own=True)
        return raw

    def _tunnel(self) -> None:
        super()._tunnel()  # type: ignore[misc]
        worker = _worker()
        if worker is not None and worker.is_left():  # its shutdown looks like success
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
    """Close the TLS socket whose creation raised ``error``.

    If the server resets a connection before the handshake, nobody else closes the socket. Only the
    frame of its creation still refers to it.
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
        if not proxy.lower().startswith("socks"):  # SOCKS managers have other pools
            _watch(manager)
        return manager

    def close(self) -> None:
        """Close the kept connections at once. urllib3 leaves them to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118  pools is no dict
                if pool := manager.pools.get(key):
                    pool.close()
        super().close()


def _watch(manager: Any) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def new_session() -> requests.Session:
    """Return a session with watched connections. It keeps no cookies."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_maxsize=MOST_KEPT))
    return session
