"""Connections of redis-py that end each call in time, also if the server is slow or hostile.

The timeout of a socket is one for each byte that comes. So a server that sends a byte now and then
would hold a call for ever. The sockets here know when the call of their thread must end. They also
refuse an answer that fills the memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

from namepool.ledgers.rows import BadRow

_LARGEST = 64 * 2**20
"""The most bytes of an answer to a script. A page of a thousand claims, all as long as can be, has
24 MB."""

_SMALL = 4 * 2**20
"""The same for other commands, because redis-py goes through their answers without a deadline. The
slots of a cluster need most: some MB, if each slot has other nodes than the slots beside it."""

_SCRIPTS = ("EVAL", "EVALSHA", "")
"""The commands with long answers. A pipeline has no name."""

_SLOTS = 16384
_NODES = 1000
"""The nodes of a cluster, at most. Redis advises no more than these."""


class _Call(threading.local):
    deadline: float | None = None


_call: _Call = _Call()


@contextmanager
def in_time(seconds: float) -> Iterator[float]:
    """Let all that this thread waits for in the block end in time; yield the moment of the end.

    A block inside of another one ends with the other.
    """
    outer = _call.deadline
    end = time.monotonic() + seconds if outer is None else outer
    _call.deadline = end
    try:
        yield end
    finally:
        _call.deadline = outer


def _left(longest: Any) -> Any:
    """Return the seconds that this thread may wait now."""
    if _call.deadline is None:
        return longest
    left = _call.deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time of the call is over")
    return left if longest is None else min(left, longest)


class TimedSocket:
    """A socket with all methods of another one, of which some wait no longer than the call may."""

    def __init__(self, sock: Any, seconds: float) -> None:
        self._sock = sock
        self._seconds = seconds
        self._waits = True
        self._received = 0
        self.asked: str = ""
        """The command that the server answers; none while one is sent, and for a pipeline."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, seconds: float | None) -> None:
        self._waits = seconds != 0  # redis-py looks this way whether there is an answer
        self._sock.settimeout(seconds)

    def sendall(self, data: Any) -> None:
        self._received, self.asked = 0, ""
        rest = memoryview(data)
        while rest:  # the sendall of a TLS socket has no deadline
            self._begin()
            rest = rest[self._sock.send(rest) :]

    def recv(self, *arguments: Any) -> bytes:
        self._begin()
        data: bytes = self._sock.recv(*arguments)
        self._note(len(data))
        return data

    def recv_into(self, *arguments: Any) -> int:
        self._begin()
        size: int = self._sock.recv_into(*arguments)
        self._note(size)
        return size

    def _begin(self) -> None:
        if self._waits:
            self._sock.settimeout(_left(self._seconds))

    def _note(self, size: int) -> None:
        self._received += size
        most = _LARGEST if self.asked in _SCRIPTS else _SMALL
        if self._received > most:
            raise BadRow(f"its answer has more than {most >> 20} MB")


class _Timed:
    """The part of a connection that makes its socket, and looks at what comes."""

    _sock: TimedSocket

    _socket_timeout: float
    _socket_connect_timeout: float

    def _connect(self) -> Any:
        sock = cast("Any", super())._connect()  # noqa: SLF001 - of redis-py
        return TimedSocket(sock, self._socket_timeout)

    def send_command(self, *command: Any, **options: Any) -> None:
        cast("Any", super()).send_command(*command, **options)
        self._sock.asked = command[0]  # afterwards, because redis-py may connect first

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        asked = getattr(self._sock, "asked", "")
        answer = cast("Any", super()).read_response(*arguments, **options)
        if asked == "CLUSTER SLOTS":
            _check_slots(answer)
        return answer

    @property
    def socket_timeout(self) -> Any:
        return _left(self._socket_timeout)

    @socket_timeout.setter
    def socket_timeout(self, seconds: float) -> None:
        self._socket_timeout = seconds

    @property
    def socket_connect_timeout(self) -> Any:  # redis-py asks for it before each address of a host
        return _left(self._socket_connect_timeout)

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, seconds: float) -> None:
        self._socket_connect_timeout = seconds


def _check_slots(answer: Any) -> None:
    """Refuse slots of a cluster that are none. redis-py counts from the first one to the last.

    Raises:
        BadRow: a slot does not exist or comes twice, or there are too many nodes
    """
    count, nodes = 0, set()
    try:
        for first, last, primary, *replicas in answer:
            exist = 0 <= first <= last < _SLOTS
            count += last - first + 1 if exist else _SLOTS + 1
            for host, port, *_ in (primary, *replicas):
                nodes.add((host, range(2**16).index(port)))
    except (TypeError, ValueError):
        raise BadRow("its slots of a cluster have a wrong form") from None
    if count > _SLOTS or len(nodes) > _NODES:
        raise BadRow(f"a cluster has {_SLOTS} slots and at most {_NODES} nodes, and it has others")


@cache
def timed_pool() -> Any:
    """Return the class of a pool of such connections."""
    from redis import connection as of_redis

    plain = (
        of_redis.Connection,
        of_redis.SSLConnection,
        of_redis.UnixDomainSocketConnection,
    )
    timed = {kind: type(kind.__name__, (_Timed, kind), {}) for kind in plain}

    class TimedPool(of_redis.ConnectionPool):
        def __init__(self, connection_class: Any = of_redis.Connection, **options: Any) -> None:
            super().__init__(timed.get(connection_class, connection_class), **options)

    return TimedPool
