"""Each test of identity has a pool, ears in it, and workers that all share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.identity.scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()
