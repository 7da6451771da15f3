"""The tag of a process: one for all of its threads, and another one in each other process."""

from __future__ import annotations

import os
import re
import threading
from types import SimpleNamespace

import pytest

from namepool import process_tag as module
from namepool.process_tag import process_tag
from tests.support import PATIENCE, run_together


def test_a_tag_is_twelve_hexadecimal_digits_and_stays() -> None:
    assert re.fullmatch("[0-9a-f]{12}", process_tag())
    assert process_tag() == process_tag()


def test_two_threads_that_ask_first_get_one_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)
    found: list[str] = []

    def urandom(count: int) -> bytes:
        both.wait(PATIENCE)  # the tag is not there for either of them
        return os.urandom(count)

    monkeypatch.setattr(module, "_made", {})
    monkeypatch.setattr(module, "os", SimpleNamespace(urandom=urandom))
    run_together([lambda: found.append(process_tag())] * 2)

    assert found == [process_tag()] * 2
