"""Objects that a program shares and never copies: a twin would have no thread and no locks."""

from __future__ import annotations

from typing import ClassVar, NoReturn, Self


class NeverCopied:
    """Mixed in: ``copy`` and ``deepcopy`` return the object itself, and ``pickle`` is refused.

    Frameworks copy the state of their agents, and so the objects that the agents hold.
    """

    __slots__ = ()

    _instead: ClassVar[str] = "make another there"
    """What to do in another process, for the error."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    # Not __reduce_ex__, which would hide the __reduce__ of a subclass.
    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"this {type(self).__name__} cannot be pickled, as it cannot leave its process: "
            f"{self._instead}"
        )
