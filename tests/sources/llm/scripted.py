"""Endpoints for the tests: HTTP on loopback that answers, or misbehaves, as the test says."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import PATIENCE


class Seen(NamedTuple):
    """A request as it came; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: Any
    peer: tuple[str, int] = ("", 0)

    @property
    def prompt(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])

    @property
    def wanted(self) -> int:
        """How many names were asked for."""
        match = re.search("Invent ([0-9]+) new name", self.prompt)
        assert match is not None
        return int(match[1])

    @property
    def form(self) -> str | None:
        kind = self.body.get("response_format")
        if kind is None:
            return None
        return f"{kind['type']} with schema" if "schema" in kind else str(kind["type"])


class Told(NamedTuple):
    """An answer to give."""

    status: int = 200
    body: bytes | str = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)


def completion(content: Any, **message: Any) -> Told:
    """Return a chat completion with this content."""
    choice = {"message": {"role": "assistant", "content": content, **message}}
    return Told(body=json.dumps({"choices": [choice]}))


def named(*names: str) -> Told:
    """Return a chat completion with these names."""
    return completion(json.dumps({"names": names}))


class Names:
    """New names for whoever asks."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self, seen: Seen) -> Told:
        return named(*(f"Agent {next(self._numbers)}" for _ in range(seen.wanted)))


class _Server(ThreadingHTTPServer):
    request_queue_size = 100  # those for whom there is no room try again after a second


class Endpoint:
    """Gives its answers one after another, the last one for ever; remembers what was asked."""

    def __init__(
        self,
        *answers: Told | Callable[[Seen], Told],
        port: int = 0,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.seen: list[Seen] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Semaphore(0)
        self.most_at_once = self._at_once = 0
        self._answers = list(answers) or [Names()]
        self._lock = threading.Lock()
        self._kept: list[socket.socket] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            timeout = PATIENCE

            def setup(self) -> None:
                super().setup()
                endpoint._kept.append(self.connection)

            def do_POST(self) -> None:
                endpoint._serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", port), Handler)
        self._handler = Handler
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = self._server.server_address[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}/v1"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            # The handshake belongs on the request's thread, not on the one that accepts.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.002,))
        self._thread.start()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        seen = Seen(handler.path, headers, body, handler.client_address)
        with self._lock:
            self.seen.append(seen)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self.asked.release()
        assert self.gate.wait(PATIENCE), "the test never opened the gate"
        told = answer if isinstance(answer, Told) else answer(seen)
        with self._lock:
            self._at_once -= 1
        content = told.body.encode() if isinstance(told.body, str) else told.body
        handler.send_response(told.status)
        for name, value in told.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def keep_alive(self) -> None:
        """Keep connections, as most servers do."""
        self._handler.protocol_version = "HTTP/1.1"

    def wait_asked(self) -> None:
        assert self.asked.acquire(timeout=PATIENCE), "the endpoint was not asked"

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        for connection in self._kept:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Connection:
    """The server's end of a connection on which the request has been read."""

    def __init__(self, raw: socket.socket, over: threading.Event) -> None:
        self._raw, self.over = raw, over
        self.sent = 0
        self.gone = threading.Event()

    def send(self, data: bytes) -> bool:
        """Return ``False`` when the other side has gone."""
        try:
            self._raw.sendall(data)
        except OSError:
            self.gone.set()
            return False
        self.sent += len(data)
        return True

    def drip(self, data: bytes, every: float) -> None:
        """Send ``data`` again and again, a little at a time, until somebody has had enough."""
        while self.send(data) and not self.over.wait(every):
            pass

    def drip_nothing(self) -> None:
        """Say nothing until the other side has gone."""
        self._raw.settimeout(0.02)
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                if not self._raw.recv(65536):
                    self.gone.set()
                    return

    def answer(self, data: bytes) -> None:
        """Send all of it, and end."""
        self.send(data)

    def read_request(self) -> bytes:
        """Wait for another request on the same connection; ``b""`` if that ends instead."""
        self._raw.settimeout(PATIENCE)
        return self._raw.recv(65536)

    def reset(self) -> None:
        """Close with a reset rather than an end."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._raw.close()


@contextlib.contextmanager
def raw_endpoint(
    serve: Callable[[Connection], None], *, reads: bool = True
) -> Iterator[tuple[str, list[Connection]]]:
    """Serve each connection once it has sent a request; yield the base URL and those so far."""
    over = threading.Event()
    connections: list[Connection] = []
    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def one(raw: socket.socket) -> None:
        with raw, contextlib.suppress(OSError):
            data = b"" if reads else b"\r\n\r\n"
            while b"\r\n\r\n" not in data:
                data += raw.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *([0-9]+)", head)
            while length and len(body) < int(length[1]):
                body += raw.recv(65536)
            connection = Connection(raw, over)
            connections.append(connection)
            serve(connection)

    def accept() -> None:
        while True:
            raw, _ = listener.accept()
            if over.is_set():
                raw.close()
                return
            threads.append(threading.Thread(target=one, args=(raw,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", connections
    finally:
        over.set()
        socket.create_connection(listener.getsockname()).close()
        acceptor.join()
        for thread in threads:
            thread.join(PATIENCE)
        listener.close()
