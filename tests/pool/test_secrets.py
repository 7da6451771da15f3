"""The URL of a ledger may have a password, which no error shows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import namepool
from namepool import InvalidOption, NamePool
from tests.frames import assert_hidden

URL = "redis://ada:s3cr3tword@localhost:1/0"


def open_for_tasks(**options: Any) -> None:
    async def enter() -> None:
        async with namepool.open_async_pool(**options):
            pass

    asyncio.run(enter())


@pytest.mark.parametrize(
    "open_it", [namepool.open_pool, NamePool.start, NamePool.child_spec, open_for_tasks]
)
@pytest.mark.parametrize("wrong", [{"chunk_size": -1}, {"ledger": f"{URL}?x=1"}, {"chunks": 5}])
def test_no_frame_of_a_refused_option_has_the_password_of_the_ledger(
    open_it: Any, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidOption) as caught:
        open_it(**{"ledger": URL, **wrong})

    assert_hidden(caught.value, "s3cr3tword")
