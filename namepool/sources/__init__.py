"""The sources of names: offline, numbered, or a language model (``llm``).

The package imports ``actors``, ``core`` and ``errors``. The pool, the command and users import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namepool.sources.base import FallbackSource, NameSource, time_left
from namepool.sources.numbered import NumberedNames

if TYPE_CHECKING:
    from namepool.sources.listed import ListedNames
    from namepool.sources.llm.nomenclater import Nomenclater
    from namepool.sources.offline import OfflineNames

__all__ = [
    "FallbackSource",
    "ListedNames",
    "NameSource",
    "Nomenclater",
    "NumberedNames",
    "OfflineNames",
    "time_left",
]


def __getattr__(name: str) -> Any:
    if name == "Nomenclater":  # the slowest import: only users of a model pay for it
        from namepool.sources.llm.nomenclater import Nomenclater

        return Nomenclater
    if name == "ListedNames":  # only its users pay for the reading of files
        from namepool.sources.listed import ListedNames

        return ListedNames
    if name == "OfflineNames":  # only users of offline names pay for its import
        from namepool.sources.offline import OfflineNames

        return OfflineNames
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
