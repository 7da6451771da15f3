"""Connections that end at the deadline of their call, or when another thread ends the call."""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, nullcontext, suppress
from functools import partial
from traceback import walk_tb
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import is_ipaddress
from urllib3.util.wait import wait_for_write

from namepool.actors.never_copied import NeverCopied

MOST_HINTS = 20
"""The most interim answers that are skipped before the answer."""

PROXY = re.compile(r"(?:(\w+)://)?(?:[^/?#]*@)?([\w.-]+|\[[\w.:%]+\])(:\d+)?(?:[/?#][^@]*)?")
"""Finds the scheme, the host and the port of a proxy. No URL with a raw "/" in its login fits."""

PENDING = (errno.EINPROGRESS, errno.EWOULDBLOCK)

T = TypeVar("T")


class Call(NeverCopied):
    """The time and the sockets of one request. Any thread may end it."""

    def __init__(self, seconds: float) -> None:
        self.seconds: float = seconds
        self.connected: bool = False
        self.closing: ExitStack = ExitStack()
        """Closes the sockets. Only the thread that makes the request uses it."""
        self._deadline, self._ended = time.monotonic() + seconds, False
        self._doubles: list[socket.socket] = []
        self._elsewhere: Future[Any] = Future()

    def is_late(self) -> bool:
        """Return whether the time is over. A wait may end a moment before its time."""
        return time.monotonic() > self._deadline - 0.01

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: the time is over
            ConnectionAbortedError: the call was ended
        """
        if self._ended:
            raise ConnectionAbortedError("the call was ended")
        if (left := self._deadline - time.monotonic()) <= 0:
            raise TimeoutError("the time is over")
        return left

    def end(self) -> None:
        """Shut down the sockets. That wakes the thread that makes the request."""
        self._ended = True
        self._elsewhere.cancel()
        with suppress(IndexError):  # not "while self._doubles", because two threads may end it
            while True:
                with self._doubles.pop() as double, suppress(OSError):
                    double.shutdown(socket.SHUT_RDWR)

    def elsewhere(self, function: Callable[[], T]) -> T:
        """Return the result of a function that nothing can interrupt.

        The function runs on a thread of its own, which is left behind when the call ends. It is a
        daemon, because a name server without an answer must not keep the program from ending.
        """
        future = self._elsewhere = Future[T]()

        def run() -> None:
            with suppress(InvalidStateError):  # it was cancelled
                try:
                    future.set_result(function())
                except BaseException as error:
                    future.set_exception(error)

        threading.Thread(target=run, name="namepool-waits", daemon=True).start()
        return future.result(self.left())

    def reach(self, host: str, port: int) -> Any:
        """Return a socket that is connected to the host. Its addresses share the time."""
        family, kind = allowed_gai_family(), socket.SOCK_STREAM
        look_up = partial(socket.getaddrinfo, host.strip("[]"), port, family, kind)
        found = look_up() if is_ipaddress(host) else self.elsewhere(look_up)
        for rest in range(len(found), 0, -1):
            *kinds, _, address = found[-rest]
            with suppress(OSError) if rest > 1 else nullcontext():  # the last error is told
                sock = self.opens(_Socket(*kinds))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setblocking(False)
                code = sock.connect_ex(address)
                # Now ``left`` tells if the call was ended before there was something to shut down.
                if code in PENDING and wait_for_write(sock, self.left() / rest):
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
                return sock
        raise OSError("the host has no address")

    def opens(self, sock: Any) -> Any:
        """Return a new socket. ``end`` can shut it down, even behind TLS."""
        self._doubles.append(sock.dup())  # TLS detaches the original
        return self.takes(sock)

    def takes(self, sock: Any) -> Any:
        """Return the socket. From now on no use of it outlasts the call, and the call closes it."""
        self.closing.callback(sock.close)
        sock.recv_into = partial(self._in_time, sock, sock.recv_into)
        sock.sendall = partial(self._in_time, sock, sock.sendall)
        sock.gettimeout = self.left  # TLS copies it, for its whole handshake
        return sock

    def _in_time(self, sock: Any, function: Callable[..., T], *args: Any) -> T:
        sock.settimeout(self.left())
        return function(*args)


class _Socket(socket.socket):
    """A socket that takes attributes, unlike its base class."""


class _Answer(http.client.HTTPResponse):
    """A response that skips interim answers, such as 103 Early Hints."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MOST_HINTS):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 < line[1] < 200 or line[1] == 101:
                return line
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("too many interim answers")


class _Connection(HTTPConnection):
    """The first base of a connection. The second one is the class that urllib3 would use."""

    call: Call
    response_class = _Answer

    def connect(self) -> None:
        try:
            super().connect()
        except BaseException as error:
            # Only the frame of a failed handshake refers to its socket.
            for frame, _ in walk_tb(error.__traceback__):
                if isinstance(made := frame.f_locals.get("self"), ssl.SSLSocket):
                    made.close()
            raise
        self.call.takes(self.sock)

    def _new_conn(self) -> Any:
        if hasattr(self, "_socks_options"):
            sock = self.call.opens(self.call.elsewhere(super()._new_conn))
        else:
            sock = self.call.reach(self._dns_host, self.port)
        self.call.connected = True
        return sock

    def _connect_tls_proxy(self, *args: Any) -> Any:
        return self.call.takes(super()._connect_tls_proxy(*args))  # type: ignore[misc]


def new_session(call: Call) -> requests.Session:
    """Return a session for the one request of a call."""

    class Adapter(HTTPAdapter):
        def cert_verify(self, conn: Any, *args: Any) -> None:
            # Each version of requests calls this method with the pool of the request.
            super().cert_verify(conn, *args)  # type: ignore[no-untyped-call]
            kind = conn.ConnectionCls
            conn.ConnectionCls = type(kind.__name__, (_Connection, kind), {"call": call})

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())
    return session


def proxy_of(session: object, url: str) -> str | None:
    """Return the URL of the proxy for requests to ``url``, or ``None`` if there is none.

    The result has no user and no password. It is empty if these cannot be separated from the rest.
    """
    if not isinstance(session, requests.Session):
        return None
    settings = session.merge_environment_settings(url, {}, None, None, None)
    proxy = requests.utils.select_proxy(url, settings["proxies"])
    parts = PROXY.fullmatch(proxy or "")
    if parts is None:
        return "" if proxy else None
    return f"{parts[1] or 'http'}://{parts[2]}{parts[3] or ''}"
