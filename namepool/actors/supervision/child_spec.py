"""The spec of a child: its class, its restart rule and its time to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pykka

from namepool.actors.checks import Checks

Restart = Literal["permanent", "transient", "temporary"]
Kind = Literal["worker", "supervisor"]
Shutdown = float | Literal["default"] | None

WORKER_SHUTDOWN = 5.0
"""The seconds that a worker may take to stop, as in OTP. A supervisor may take for ever."""


class InvalidChildSpec(ValueError):
    """A field of a child spec is wrong.

    The message names the field, its value and the allowed values.
    """


_CHECKS = Checks(InvalidChildSpec)


@dataclass(frozen=True)
class ChildSpec:
    """A recipe by which a supervisor starts and restarts one child.

    Args:
        id: a name that is unique among the supervisor's children
        actor_class: any Pykka actor class
        args, kwargs: the arguments of the actor's constructor. The constructor runs on the
            supervisor's thread, so it must be quick. Slow work belongs into ``on_start``. If the
            child is a supervisor, the spec copies its ``children`` into a tuple once, because they
            may be an iterator
        restart: ``permanent``: the child is always restarted; ``transient``: only after an abnormal
            end; ``temporary``: never
        shutdown: the seconds to wait for the child's end before the child is abandoned, because a
            thread cannot be killed. ``None``: for ever; 0: not at all
        kind: ``worker`` or ``supervisor``. The default of ``shutdown`` is 5 seconds for a worker
            and ``None`` for a supervisor
        significant: whether the child's own end may shut down the supervisor (``auto_shutdown``)
        on_abandon: a function that is called when this spec cannot be started again. Then the spec
            was deleted, or its supervisor has ended for good. The function runs on the supervisor's
            thread and must not block. An exception of the function is logged

    Raises:
        InvalidChildSpec: a field is wrong; the message names the field, its value and the allowed
            values

    Examples:
        >>> from namepool.actors import ChildSpec, ServiceActor, Supervisor
        >>> spec = ChildSpec("cook", ServiceActor, restart="transient")
        >>> spec.shutdown
        5.0
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
        check = _CHECKS.that
        check("id", self.id, _is_id(self.id), "a printable string, not empty")
        check("actor_class", self.actor_class, _is_actor(self.actor_class), "a pykka.Actor class")
        check("args", self.args, isinstance(self.args, tuple), "a tuple")
        check("kwargs", self.kwargs, _is_kwargs(self.kwargs), "a mapping with string keys")
        children = self.kwargs.get("children")
        if getattr(self.actor_class, "supervises", False) and isinstance(children, Iterable):
            # ``children`` may be an iterator, and every incarnation must get the same children.
            object.__setattr__(self, "kwargs", {**self.kwargs, "children": tuple(children)})
        _CHECKS.one_of("restart", self.restart, get_args(Restart))
        _CHECKS.one_of("kind", self.kind, get_args(Kind))
        if self.shutdown == "default":
            shutdown = None if self.kind == "supervisor" else WORKER_SHUTDOWN
            object.__setattr__(self, "shutdown", shutdown)
        _CHECKS.seconds("shutdown", self.shutdown, none=True)
        _CHECKS.flag("significant", self.significant)
        if self.significant and self.restart == "permanent":
            expected = "False for a permanent child, which is always restarted"
            raise _CHECKS.invalid("significant", True, expected)
        callback = self.on_abandon is None or callable(self.on_abandon)
        check("on_abandon", self.on_abandon, callback, "a callable, or None")

    def within(self) -> list[ChildSpec]:
        """Return the specs of the children that this spec passes to its supervisor.

        These children can be started again as long as this spec can. If the spec is not of a
        supervisor, the list is empty.

        Examples:
            >>> kitchen = Supervisor.child_spec("kitchen", children=[spec])
            >>> kitchen.within() == [spec]
            True
        """
        children = self.kwargs.get("children")
        specs = children if isinstance(children, tuple) else ()
        return [spec for spec in specs if isinstance(spec, ChildSpec)]


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _is_actor(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, pykka.Actor)


def _is_kwargs(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
