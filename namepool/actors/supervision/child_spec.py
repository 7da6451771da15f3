"""What to start, when to restart, how long to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import pykka

Restart = Literal["permanent", "transient", "temporary"]
Kind = Literal["worker", "supervisor"]
Shutdown = float | Literal["default"] | None

WORKER_SHUTDOWN = 5.0
"""Seconds that a worker may take to stop (OTP's default); a supervisor may take for ever."""


def is_seconds(value: object, *, zero: bool = False) -> bool:
    """Tell whether ``value`` is a time to wait; ``zero`` says whether that may be none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= cast("float", value) <= 1e8 and (zero or value != 0)


class InvalidChildSpec(ValueError):
    """A field of a child spec that is wrong; the message names field, value and expectation."""


@dataclass(frozen=True)
class ChildSpec:
    """How a supervisor starts one child, ``actor_class.start(*args, **kwargs)``, and keeps it.

    ```python
    ChildSpec("crew", Crew, kwargs={"size": 8}, restart="transient", shutdown=10.0)
    ```

    Args:
        id: unique among the supervisor's children
        actor_class: any Pykka actor class
        args, kwargs: what its constructor takes; it runs on the supervisor's thread, so it must be
            quick: what takes long belongs into ``on_start``. A supervisor's ``children`` are read
            here, once
        restart: ``permanent``: always; ``transient``: after an abnormal end; ``temporary``: never
        shutdown: seconds to wait for it to stop before it is abandoned (threads cannot be killed);
            ``None``: for ever; 0: not at all
        kind: ``worker`` or ``supervisor``; the latter's ``shutdown`` is ``None`` by default
        significant: its own end may shut down the supervisor (``auto_shutdown``)
        on_abandon: called when this spec cannot be started again: it was deleted, or the supervisor
            that keeps it has ended for good. It runs on the supervisor's thread and must not block;
            an exception is logged

    Raises:
        InvalidChildSpec: naming the field, the value and what is expected
    """

    id: str
    actor_class: type[pykka.Actor]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    restart: Restart = "permanent"
    shutdown: Shutdown = "default"
    kind: Kind = "worker"
    significant: bool = False
    on_abandon: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        _check("id", self.id, _is_id(self.id), "a printable string, not empty")
        _check("actor_class", self.actor_class, _is_actor(self.actor_class), "a pykka.Actor class")
        _check("args", self.args, isinstance(self.args, tuple), "a tuple")
        _check("kwargs", self.kwargs, _is_kwargs(self.kwargs), "a mapping with string keys")
        children = self.kwargs.get("children")
        if getattr(self.actor_class, "supervises", False) and isinstance(children, Iterable):
            # All incarnations have the same, also those of an iterator.
            object.__setattr__(self, "kwargs", {**self.kwargs, "children": tuple(children)})
        _check_one_of("restart", self.restart, get_args(Restart))
        _check_one_of("kind", self.kind, get_args(Kind))
        if self.shutdown == "default":
            shutdown = None if self.kind == "supervisor" else WORKER_SHUTDOWN
            object.__setattr__(self, "shutdown", shutdown)
        expected = "seconds, at least 0 and at most 1e8, or None"
        is_right = self.shutdown is None or is_seconds(self.shutdown, zero=True)
        _check("shutdown", self.shutdown, is_right, expected)
        _check("significant", self.significant, isinstance(self.significant, bool), "True or False")
        if self.significant and self.restart == "permanent":
            _check("significant", True, False, "False for a permanent child: it never just ends")
        callback = self.on_abandon is None or callable(self.on_abandon)
        _check("on_abandon", self.on_abandon, callback, "a callable, or None")

    def within(self) -> list[ChildSpec]:
        """Return the specs of the children that this one's actor is started with.

        They can be started again as long as this one can.
        """
        children = self.kwargs.get("children")
        specs = children if isinstance(children, tuple) else ()
        return [spec for spec in specs if isinstance(spec, ChildSpec)]


def _check(name: str, value: object, is_right: bool, expected: str) -> None:
    if not is_right:
        raise InvalidChildSpec(f"{name} must be {expected}, not {ascii(value)[:100]}")


def _check_one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    _check(name, value, isinstance(value, str) and value in allowed, f"one of {allowed}")


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _is_actor(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, pykka.Actor)


def _is_kwargs(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
