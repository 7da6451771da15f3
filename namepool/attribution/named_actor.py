"""``NamedActor``: a Pykka actor that speaks under a name of its own for all of its life."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import pykka

from namepool.core.names import DEFAULT_NAME
from namepool.core.options import CHECKS
from namepool.pool.handle import PoolHandle

if TYPE_CHECKING:
    from namepool.pool.access import Askable


class NamedActor(pykka.Actor):
    """A mixin that gives each actor a name from its start to its end.

    Write the mixin before the actor class in the list of base classes. Start an actor with
    ``Agent.start(pool=pool)``. A class attribute ``pool`` serves all actors of the class. The actor
    takes its name on its own thread, before ``on_start`` runs, and ``start`` does not wait for
    that. The actor speaks under the name in every hook and handler, on every thread that runs them.
    After ``on_stop`` or ``on_failure`` the name is checked in, however the actor ends. No hook has
    to call ``super()``. An actor that gets no name ends as if its ``on_start`` had failed.

    Args:
        pool: a ``PoolHandle``, a pool's ref, or a supervisor's handle of a pool

    Raises:
        InvalidOption: ``pool`` is missing, or is no pool

    Examples:
        >>> import pykka
        >>> class Agent(namepool.NamedActor, pykka.ThreadingActor):
        ...     def on_receive(self, message):
        ...         return f"{self.agent_name}: {message}"
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> Agent.start(pool=pool).ask("at work")
        'NPC #1: at work'
    """

    pool: PoolHandle
    """The pool that gives the name."""
    agent_name: str = DEFAULT_NAME
    """The name that the actor speaks under; the default name until the actor has its name."""

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
            raise CHECKS.invalid(
                "pool", given, f"a pool's handle: {type(self).__name__}.start(pool=...)"
            )
        self.pool = given if isinstance(given, PoolHandle) else PoolHandle(given)
        self._name_held = ExitStack()

    def name_scope(self) -> AbstractContextManager[str]:
        """Return the block in which the actor lives; a hook that runs on the actor's own thread.

        Override it for another timeout, or for a saved name.

        Examples:
            >>> class Reviewer(Agent):
            ...     def name_scope(self):
            ...         return self.pool.speaking_as("Ada the Reviewer")
            >>> Reviewer.start(pool=pool).ask("at work")
            'Ada the Reviewer: at work'
        """
        return self.pool.named()

    # -- Pykka's steps of an actor's life ---------------------------------------------------

    def _actor_loop(self) -> None:
        try:
            super()._actor_loop()
        finally:
            self._name_held.close()  # after every death; a second close does no harm

    def _actor_loop_setup(self) -> None:
        try:
            self.agent_name = self._name_held.enter_context(self.name_scope())
        except BaseException:
            self._handle_failure(*sys.exc_info())  # as Pykka does after a failed ``on_start``
        else:
            super()._actor_loop_setup()

    def _stop(self) -> None:
        try:
            super()._stop()
        finally:
            self._name_held.close()  # before the caller of ``stop`` gets its answer

    def _finish(self) -> None:
        """Check the name in before a ``ServiceActor`` reports its death."""
        try:
            self._name_held.close()
        finally:
            super()._finish()  # type: ignore[misc]
