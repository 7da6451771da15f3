"""Each test of identity has a pool, ears in it, and workers that all share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.identity.scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    has_been_told = bool(scene.ears.wrong)
    scene.close()
    if not has_been_told:
        scene.ears.check(at_least=4)


@pytest.fixture(autouse=True)
def _idle_threads_of_trio_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio._core._thread_cache.IDLE_TIMEOUT", 0.01)
