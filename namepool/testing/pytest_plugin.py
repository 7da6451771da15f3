"""The pytest fixture ``name_pool``; have it by a line in ``conftest.py``::

    pytest_plugins = "namepool.testing.pytest_plugin"

It is not registered by itself: a plugin is imported before every test run of the environment, also
those that have no pool, and before their coverage is measured.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from namepool.core.options import MAX_SECONDS
from namepool.pool.handle import PoolHandle
from namepool.pool.service import open_pool
from namepool.sources.numbered import NumberedNames
from namepool.testing import assert_no_leaks


@pytest.fixture
def name_pool() -> Iterator[PoolHandle]:
    """Give the test a pool of its own ("NPC #1", "NPC #2", …); fail at its end if it leaks a name.

    The error says which line checked the name out.
    """
    # So long that nothing is ever called a leak in the log; but the lines are kept.
    with open_pool(source=NumberedNames(), leak_after=MAX_SECONDS) as pool:
        yield pool
        assert_no_leaks(pool)
