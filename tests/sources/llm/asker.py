"""A nomenclater as tests want it, and what they often ask of one."""

from __future__ import annotations

from typing import Any

import pytest

from namepool import Nomenclater, SourceError
from namepool.sources.llm.retry import EndpointError
from tests.sources.llm.scripted import Endpoint


class Asker:
    """Builds nomenclaters that do not wait between attempts, and closes them."""

    def __init__(self) -> None:
        self.built: list[Nomenclater] = []
        self.pauses: list[float] = []

    def __call__(self, base_url: str | Endpoint, **options: Any) -> Nomenclater:
        url = base_url if isinstance(base_url, str) else base_url.url
        nomenclater = Nomenclater("m", url, **{"timeout": 20.0, **options})
        nomenclater._asker.wait = self._note
        nomenclater._asker.jitter = lambda: 1.0
        self.built.append(nomenclater)
        return nomenclater

    def _note(self, _: object, seconds: float) -> bool:
        self.pauses.append(seconds)
        return True


def failure(nomenclater: Nomenclater, count: int = 2) -> EndpointError:
    with pytest.raises(SourceError) as caught:
        nomenclater.fetch(count, ())
    assert isinstance(caught.value, EndpointError)
    assert "\n" not in str(caught.value)
    return caught.value


def free_port() -> int:
    with Endpoint() as endpoint:
        return int(endpoint.port)
