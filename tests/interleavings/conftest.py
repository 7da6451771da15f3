from __future__ import annotations

import pytest

from namepool.actors import reply
from tests.interleavings.scene import called_back


@pytest.fixture
def on_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let coroutines be run by a ``Task`` of the scene."""
    monkeypatch.setattr(reply, "called_back", called_back)
