"""``NamedActor``: a Pykka actor that works under a name of its own for the length of its life."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import pykka

from namepool.core.names import DEFAULT_NAME
from namepool.core.options import invalid
from namepool.pool.handle import PoolHandle

if TYPE_CHECKING:
    from namepool.pool.access import Askable


class NamedActor(pykka.Actor):
    """Mix it in before an actor's class: the actor speaks under a name from its start to its end.

    ``class Agent(NamedActor, pykka.ThreadingActor)``, started with ``Agent.start(pool=pool)``; a
    class attribute ``pool`` serves all agents of a class. The name is there before ``on_start``
    runs, speaks in every hook and handler, whichever thread runs it, and is given back behind
    ``on_stop`` or ``on_failure``, however the actor ends. No hook has to call ``super()``. An actor
    that gets no name ends as one whose ``on_start`` has failed. It takes its name on its own
    thread: ``start`` does not wait for it.

    Args:
        pool: what a ``PoolHandle`` may be made of, or one

    Raises:
        InvalidOption: no pool is given, or it is none
    """

    pool: PoolHandle
    """Where the name comes from."""
    agent_name: str = DEFAULT_NAME
    """The name it speaks under; the default name before it has started."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in cls.__mro__[: cls.__mro__.index(NamedActor)]:
            foreign = issubclass(base, pykka.Actor) and not issubclass(base, NamedActor)
            if foreign and "_actor_loop" in vars(base):
                raise TypeError(
                    f"class {cls.__name__}: NamedActor must stand before its actor class"
                )

    def __init__(self, *args: Any, pool: PoolHandle | Askable | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given: Any = getattr(self, "pool", None) if pool is None else pool
        if given is None:
            raise invalid("pool", given, f"a pool's handle: {type(self).__name__}.start(pool=...)")
        self.pool = given if isinstance(given, PoolHandle) else PoolHandle(given)
        self._name_held = ExitStack()

    def name_scope(self) -> AbstractContextManager[str]:
        """Hook: return the scope that the actor lives in; runs on its own thread.

        Override it for a time-out of one's own, or for a name from before:
        ``return self.pool.speaking_as(self.saved_name)``.
        """
        return self.pool.named()

    # -- Pykka's steps of an actor's life ---------------------------------------------------

    def _actor_loop(self) -> None:
        try:
            super()._actor_loop()
        finally:
            self._name_held.close()  # whatever it died of; twice does no harm

    def _actor_loop_setup(self) -> None:
        try:
            self.agent_name = self._name_held.enter_context(self.name_scope())
        except BaseException:
            self._handle_failure(*sys.exc_info())  # as Pykka does when ``on_start`` has failed
        else:
            super()._actor_loop_setup()

    def _stop(self) -> None:
        try:
            super()._stop()
        finally:
            self._name_held.close()  # before whoever stops it is told that it has stopped

    def _finish(self) -> None:
        """Of a ``ServiceActor``: its death is reported here, and the name is home by then."""
        try:
            self._name_held.close()
        finally:
            super()._finish()  # type: ignore[misc]
