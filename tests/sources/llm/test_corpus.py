"""What a person reads in the replies of models and servers, the reader reads, too."""

from __future__ import annotations

import pytest

from tests.sources.llm.corpus import CASES, Case

UNREAD = {
    "messy: all-in-small-letters": "small letters look like remarks",
    "messy: half-json-half-lines": "beside JSON, lists on lines are not read",
    "third: python-dataclass-calls": "the calls of a program are not read",
    "messy: self-correction-in-a-numbered-list": "the remark below an item is not read",
}
"""The replies that are read in part or not at all, with the reason."""

ISSUED_ALL_THE_SAME = {"Ada Semicolon"}
"""A name that its reply takes back in the line below."""


def test_the_corpus_is_large_and_the_exceptions_are_few() -> None:
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids) >= 500
    assert UNREAD.keys() <= set(ids)
    assert len(UNREAD) <= 0.02 * len(ids)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_reply_is_read_as_a_person_reads_it(case: Case) -> None:
    names = case.read()

    if case.id in UNREAD:
        assert names != case.names, "it is read by now: take it out of the exceptions"
    else:
        assert names == case.names
    assert set(names) <= {*case.names, *ISSUED_ALL_THE_SAME}
