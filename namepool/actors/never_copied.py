"""Objects that a program shares and never copies, because a copy would lack thread and locks."""

from __future__ import annotations

from typing import ClassVar, NoReturn, Self


class NeverCopied:
    """A mixin: ``copy`` and ``deepcopy`` return the object itself, and ``pickle`` is refused.

    Frameworks copy the state of their agents, and so also the objects that the agents hold.
    """

    __slots__ = ()

    _instead: ClassVar[str] = "make another there"
    """The end of the error: the advice for another process."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    # Defining __reduce_ex__ instead would hide the __reduce__ of a subclass.
    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"this {type(self).__name__} cannot be pickled, as it cannot leave its process: "
            f"{self._instead}"
        )
