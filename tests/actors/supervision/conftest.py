from __future__ import annotations

import pytest

from tests.actors.supervision.support import Journal


@pytest.fixture
def journal() -> Journal:
    return Journal()
