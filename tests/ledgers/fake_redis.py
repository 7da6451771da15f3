"""A server that speaks as Redis does, and answers as a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

INFO = "redis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n"

Answer = Any
"""``bytes`` are sent as they are, an iterator of bytes is sent bit by bit, and another value as
``encoded`` writes it."""


def encoded(value: Any) -> bytes:
    """Return a value in the protocol of Redis."""
    if isinstance(value, bytes):
        return value
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, Exception):
        return b"-%s\r\n" % str(value).encode()
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogateescape")
        return b"$%d\r\n%s\r\n" % (len(raw), raw)
    return b"*%d\r\n%s" % (len(value), b"".join(map(encoded, value)))


class FakeRedis:
    """A server at a free port. ``answer`` gets each script, scan or info, and may return ``None``
    for the plain answer."""

    def __init__(
        self,
        answer: Callable[[Sequence[str]], Answer],
        context: ssl.SSLContext | None = None,
        path: str | None = None,
    ) -> None:
        self._answer = answer
        self._context = context
        self.is_over: threading.Event = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            scheme = "redis" if context is None else "rediss"
            self.url: str = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            self._listener.listen()
            self.url = f"unix://{path}"
        self._start(self._accept)

    def close(self) -> None:
        """Cut all lines."""
        self.is_over.set()
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # it wakes the thread that waits for the socket
        for thread in list(self._threads):
            thread.join()
        for one in (self._listener, *self._sockets):
            one.close()

    def slowly(self, piece: bytes, seconds: float = 0.02) -> Iterator[bytes]:
        """Yield a piece again and again until the server is closed."""
        while not self.is_over.wait(seconds):
            yield piece

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._context is not None:
                client = self._context.wrap_socket(client, server_side=True)
                self._sockets.append(client)
            lines = client.makefile("rb")
            while head := lines.readline():
                command = []
                for _ in range(int(head[1:])):
                    size = int(lines.readline()[1:])
                    command.append(lines.read(size + 2)[:-2].decode())
                self._send(client, command)

    def _send(self, client: socket.socket, command: Sequence[str]) -> None:
        answer = self._answer(command)
        if answer is None:
            answer = INFO if command[0] == "INFO" else b"+OK\r\n"
        for piece in answer if isinstance(answer, Iterator) else [encoded(answer)]:
            client.sendall(piece)
