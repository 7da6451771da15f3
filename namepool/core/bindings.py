"""Who speaks under which name: an index of the leases, and the scopes that are open.

An owner speaks under the latest of its names that it still holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from namepool.core.leases import LeaseRecord


class Speaking(NamedTuple):
    """A scope: an owner speaks under a name, and spoke under another ``before``."""

    owner: str
    name: str
    before: str | None
    scope: int


class Bindings:
    """Owner → its names, the latest last."""

    def __init__(self) -> None:
        self.latest: dict[str, str] = {}
        self.several: dict[str, dict[str, None]] = {}
        """All names of the owners that have more than one, the latest last."""
        self.view: Mapping[str, str] = MappingProxyType(self.latest)
        """Owner → the name it speaks under: read-only, always current, readable by any thread."""
        # (owner, name) → their scopes, each with whether it, or one before it, bound the two
        self._scopes: dict[tuple[str, str], dict[int, bool]] = {}

    def names_of(self, owner: str) -> tuple[str, ...]:
        """Return the names that ``owner`` is bound to, the latest last."""
        latest = self.latest.get(owner)
        return () if latest is None else tuple(self.several.get(owner, (latest,)))

    def bind(self, owner: str, name: str) -> None:
        """Make ``name`` the latest of ``owner``."""
        latest = self.latest.get(owner)
        if latest is not None and latest != name:
            names = self.several.setdefault(owner, {latest: None})
            names.pop(name, None)
            names[name] = None
        self.latest[owner] = name

    def unbind(self, owner: str, name: str) -> None:
        """Take ``name`` from ``owner``, which is bound to it."""
        names = self.several.get(owner)
        if names is None:
            del self.latest[owner]
            return
        if name == self.latest[owner]:
            names.popitem()  # unlike del, this keeps the next look at the end short
            self.latest[owner] = next(reversed(names))
        else:
            del names[name]
        if len(names) == 1:
            del self.several[owner]

    # -- scopes -----------------------------------------------------------------------------

    def begin_scope(self, speaking: Speaking, *, is_bound: bool) -> None:
        """Open a scope of an owner that ``is_bound`` to its name already, or not."""
        owner, name, _, scope = speaking
        scopes = self._scopes.setdefault((owner, name), {})
        scopes[scope] = not is_bound or any(scopes.values())

    def end_scope(self, speaking: Speaking) -> bool | None:
        """Close a scope; return whether its binding ends with it, ``None`` if it is closed."""
        owner, name, _, scope = speaking
        scopes = self._scopes.get((owner, name), {})
        if scope not in scopes:
            return None
        binds = scopes.pop(scope)
        if not scopes:
            del self._scopes[owner, name]
        return binds and not any(scopes.values())

    def clear_scopes(self) -> None:
        """Forget every scope: ending one does nothing now."""
        self._scopes.clear()

    # -- after a crash ----------------------------------------------------------------------

    def rebuild(self, leases: Mapping[str, LeaseRecord]) -> None:
        """Index the leases anew, whatever was left half done."""
        begun = [(at, o, n) for n, record in leases.items() for o, at in record[1].items()]
        bound: dict[str, dict[str, None]] = {}
        for _, owner, name in sorted(begun):
            bound.setdefault(owner, {})[name] = None
        self.several.clear()
        self.several.update({owner: names for owner, names in bound.items() if len(names) > 1})
        # In place and never empty in between: other threads are reading it.
        self.latest.update({owner: next(reversed(names)) for owner, names in bound.items()})
        for owner in [o for o in self.latest if o not in bound]:
            del self.latest[owner]
