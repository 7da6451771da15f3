"""The pytest fixture ``name_pool``; one line in ``conftest.py`` makes it known::

    pytest_plugins = "namepool.testing.pytest_plugin"

The plugin does not register itself. A registered plugin is imported before every test run of the
environment, also before runs without a pool, and before coverage is measured.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from namepool.actors.checks import MAX_SECONDS
from namepool.pool.handle import PoolHandle
from namepool.pool.service import open_pool
from namepool.sources.numbered import NumberedNames
from namepool.testing import assert_no_leaks


@pytest.fixture
def name_pool() -> Iterator[PoolHandle]:
    """Give the test a pool of its own ("NPC #1", "NPC #2", …), and fail if the test leaks a name.

    The error names the line that checked the name out.

    Examples:
        >>> def test_an_agent(name_pool):
        ...     with name_pool.named() as name:
        ...         assert name == "NPC #1"
    """
    # So long that the log never calls a name a leak. But with it the pool keeps the lines.
    with open_pool(source=NumberedNames(), leak_after=MAX_SECONDS) as pool:
        yield pool
        assert_no_leaks(pool)
