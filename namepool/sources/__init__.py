"""Where names come from: offline, numbered, from a language model (``llm``), or your own.

It imports ``actors``, ``core`` and ``errors``; the pool, the command and users import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namepool.sources.base import FallbackSource, NameSource, time_left
from namepool.sources.numbered import NumberedNames

if TYPE_CHECKING:
    from namepool.sources.llm.nomenclater import Nomenclater
    from namepool.sources.offline import OfflineNames

__all__ = [
    "FallbackSource",
    "NameSource",
    "Nomenclater",
    "NumberedNames",
    "OfflineNames",
    "time_left",
]


def __getattr__(name: str) -> Any:
    if name == "Nomenclater":  # the slowest import of all, for those who ask a model
        from namepool.sources.llm.nomenclater import Nomenclater

        return Nomenclater
    if name == "OfflineNames":  # it reads themes
        from namepool.sources.offline import OfflineNames

        return OfflineNames
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
