"""``namepool.testing``, as a program's own tests use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import namepool
from namepool.testing import NumberedNames, assert_no_leaks
from tests.support import PATIENCE

CONFTEST = 'pytest_plugins = "namepool.testing.pytest_plugin"\n'


def run(folder: Path, test: str, *options: str) -> str:
    """Run ``test`` in a folder of its own; return what pytest printed."""
    folder.joinpath("conftest.py").write_text(CONFTEST)
    folder.joinpath("test_agents.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options]
    done = subprocess.run(
        command,
        cwd=folder,
        # Only our own: the others take a second to load.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_pool_without_leaks_passes() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        with pool.named():
            pass
        assert_no_leaks(pool)


def test_a_leak_is_told_by_name_holder_time_and_line() -> None:
    with namepool.open_pool(source=NumberedNames(), leak_after=60.0) as pool:
        pool.checkout_name(owner="planner")
        pool.checkout_name(owner="tester")
        with pytest.raises(AssertionError) as failure:
            assert_no_leaks(pool)

    first, *others = str(failure.value).splitlines()
    assert first == "2 names were not given back:"
    assert others[0].startswith("  NPC #1: held by planner for 0.")
    assert others[0].split(" s, ")[1].startswith(f"checked out at {__file__}:")
    assert others[1].startswith("  NPC #2: held by tester")


def test_what_is_not_known_of_a_leak_is_left_out() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        pool.checkout_name(owner="planner")
        with pytest.raises(AssertionError) as failure:
            assert_no_leaks(pool)

    assert str(failure.value) == "1 name was not given back:\n  NPC #1: held by planner"


def test_the_fixture_gives_each_test_a_pool_of_its_own(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        """
def test_one(name_pool):
    with name_pool.named() as name:
        assert name == "NPC #1"

test_two = test_one
""",
    )
    assert "2 passed" in printed, printed


def test_the_fixture_fails_a_test_that_leaks_and_shows_the_line(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        """
def test_it(name_pool):
    name_pool.checkout_name(owner="planner")
""",
    )
    assert "1 passed, 1 error" in printed, printed
    assert "NPC #1: held by planner" in printed
    assert f"checked out at {tmp_path / 'test_agents.py'}:3" in printed


def test_neither_the_package_nor_its_testing_imports_pytest() -> None:
    code = "import sys, namepool, namepool.testing; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
