"""A source with a list of names, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from namepool import ListedNames, NameSource, SourceError, SourceExhausted
from namepool.errors import InvalidOption
from tests.support import run_together, switching_often


def test_it_is_a_source_that_gives_its_names_in_their_order_and_then_no_more() -> None:
    source = ListedNames(["Ada", "Bo", "Cy"])
    assert isinstance(source, NameSource)
    assert source.fetch(2, ()) == ["Ada", "Bo"]
    assert source.fetch(2, ["Ada", "Bo"]) == ["Cy"]
    with pytest.raises(SourceExhausted, match="^the list has no more than its 3 names$"):
        source.fetch(1, ["Cy", "Ada", "Bo"])
    assert issubclass(SourceExhausted, SourceError)


def test_a_name_that_reads_alike_is_used_too() -> None:
    assert ListedNames(["Ada", "Bo"]).fetch(5, ["ADA"]) == ["Bo"]


def test_it_begins_anew_when_nothing_is_used_any_more() -> None:
    source = ListedNames(["Ada", "Bo"])
    assert source.fetch(5, ()) == ["Ada", "Bo"]
    assert sorted(source.fetch(5, ())) == ["Ada", "Bo"]


def test_two_fetches_with_the_same_used_names_go_on_one_behind_the_other() -> None:
    source = ListedNames([f"Name {n}" for n in range(100)])
    assert {*source.fetch(30, ())}.isdisjoint(source.fetch(30, ()))


def test_many_threads_share_a_list() -> None:
    source = ListedNames([f"Name {n}" for n in range(1_000)])
    got: list[str] = []

    def fetch_all() -> None:
        for _ in range(25):
            got.extend(source.fetch(5, ()))

    with switching_often():
        run_together([fetch_all] * 8)
    assert len(got) == len({*got}) == 1_000


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"names must be a list of at least one name, not \[\]"),
        ("Ada", "names must be a list of at least one name, not 'Ada'"),
        (7, "names must be a list of at least one name, not 7"),
        (["Ada", ""], "names: entry 2: '' must not be empty"),
        (["Ada", 7], "names: entry 2: 7 must be a string, not int"),
        (["root"], "names: entry 1: 'root' must not be a word that programs read as something el"),
        (["Ada", "Bo", "a.d.a"], "names: entry 3: 'a.d.a' reads like 'Ada', an earlier one"),
        (["Ada", "Ada"], "names: entry 2: 'Ada' reads like 'Ada', an earlier one"),
        (["Nemo Nobody"], "names: entry 1: 'Nemo Nobody' is the default name, which no pool issue"),
    ],
)
def test_what_is_no_list_of_names_is_refused(names: Any, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        ListedNames(names)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, None])
def test_a_count_that_is_no_positive_int_is_refused(count: Any) -> None:
    with pytest.raises(InvalidOption, match="count must be an integer of at least 1, not "):
        ListedNames(["Ada"]).fetch(count, ())


def test_a_file_has_one_name_a_line(tmp_path: Path) -> None:
    path = tmp_path / "crew.txt"
    path.write_bytes("\ufeff# the crew\r\n\r\n  Ada Lovelace \r\nZoë\r\n".encode())
    assert ListedNames.from_file(path).fetch(9, ()) == ["Ada Lovelace", "Zoë"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# nobody\n\n", r"crew.txt: must have at least one name, on a line of its own"),
        (b"Ada\n\nroot\n", r"crew.txt, line 3: 'root' must not be a word that"),
        (b"Ada\nBo\nADA\n", r"crew.txt, line 3: 'ADA' reads like 'Ada', an earlier one"),
        (b"A\nA\n", r"crew.txt, line 2: 'A' reads like 'A', an earlier one"),
        (b"Ada\n\xff\n", r"crew.txt, line 2: must be UTF-8, which 0xff is not: save it as UTF-8"),
        (b"A" * 1_048_577, r"crew.txt: must have at most 1048576 bytes \(1024 kB\), not 1048577"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "crew.txt"
    path.write_bytes(content)
    with pytest.raises(InvalidOption, match=message):
        ListedNames.from_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"names: .*No such file or directory: '.*nope.txt'"):
        ListedNames.from_file(tmp_path / "nope.txt")
