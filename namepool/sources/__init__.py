"""Sources of names."""

from namepool.sources.base import FallbackSource, NameSource, time_left
from namepool.sources.llm.nomenclater import Nomenclater
from namepool.sources.numbered import NumberedNames
from namepool.sources.offline import OfflineNames

__all__ = [
    "FallbackSource",
    "NameSource",
    "Nomenclater",
    "NumberedNames",
    "OfflineNames",
    "time_left",
]
