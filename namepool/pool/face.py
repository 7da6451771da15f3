"""What both handles of a pool have in common: under which name the caller speaks, and blocks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import Lock

from namepool.actors.never_copied import NeverCopied
from namepool.core.names import DEFAULT_NAME
from namepool.core.options import DEFAULT_TIMEOUT
from namepool.core.speakers import Speaking
from namepool.pool import blocks
from namepool.pool.access import Access
from namepool.pool.ref import ANOTHER
from namepool.pool.warnings import warn
from namepool.speaking import name_of_caller, unnamed


class Face(NeverCopied):
    """What needs no answer, so that it is the same on threads and on tasks."""

    _instead = ANOTHER

    def __init__(self, access: Access, untold: Lock) -> None:
        self._access = access
        self._state = access.state
        self._untold = untold

    def default_name(self) -> str:
        """Return the name of an agent that has none."""
        return DEFAULT_NAME

    # -- speaking ---------------------------------------------------------------------------

    @property
    def speaking(self) -> Speaking:
        """Owner → name: read-only, always current, free to read from anywhere."""
        return self._state.speaking

    def speaker(self) -> str:
        """Return the name that the caller speaks under, or the default name.

        Its own name, or that of the agent that started it. No message, no lock; safe inside any
        handler, finaliser or log filter.
        """
        return name_of_caller(self._state) or DEFAULT_NAME

    def named(
        self,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        theme: str | None = None,
        default: bool | str = False,
        name: str | None = None,
        identity: str | None = None,
    ) -> blocks.Block:
        """Speak under a name of one's own, of a ``theme`` or any, for the length of the block.

        Nests: the inner block's name ends with it, and the outer name speaks again. The end of the
        block ends this very checkout, never a later one of the same name. Raises as
        ``checkout_name`` does.

        With ``default`` it raises neither ``NamesUnavailable`` nor ``CheckoutTimeout``: the block,
        and what it starts, speaks under the default name (``True``) or under the one given, which
        is unknown to the pool and shared by all who get it. A caller that holds another name keeps
        that. A warning says so, the first time.

        With ``name`` it is this very name, perhaps from an earlier run. With ``identity`` the
        ledger keeps the name for who has it: in another process, once this one has ended, that
        identity gets it back by its ``name``.

        Raises:
            NameHeld: another session has the name, or another agent of this pool; it says which
            LedgerError: the ledger cannot be reached
        """
        tell = self._tell_of_default
        return blocks.named(self._access, timeout, theme, default, name, identity, tell)

    def _tell_of_default(self, name: str, error: Exception) -> None:
        if self._untold.acquire(blocking=False):
            warn("no name to be had, so an agent works as %a (this is said once): %s", name, error)

    def speaking_as(self, name: str, exclusive: bool = False) -> blocks.Block:
        """Speak under a given name, a parent's or a saved one, for the length of the block.

        A name that was checked out before stays so; one that was not goes home at the end of the
        last block that speaks under it. A caller that spoke under it before the block still does.
        Blocks under one name may overlap. Raises as ``associate_name`` does.
        """
        return blocks.speaking_as(self._access, name, exclusive)

    def unnamed(self) -> AbstractContextManager[None]:
        """Be nobody for the length of the block; what is started in it inherits no name.

        For workers that many agents share: ``with pool.unnamed(): scheduler.start()``.
        """
        return unnamed(self._state)
