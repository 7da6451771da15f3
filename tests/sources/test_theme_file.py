"""Themes in files of one's own: what they are called, which are chosen, and what is refused."""

from __future__ import annotations

import os
import time
import unicodedata
from itertools import product
from pathlib import Path

import pytest

import namepool
from namepool.core.guard import why_unissuable
from namepool.core.names import shown
from namepool.errors import InvalidOption, UnknownTheme
from namepool.sources.offline import OfflineNames, available_themes
from tests.sources.test_offline import OWN, _file
from tests.support import untraced


def _first(name: str) -> str:
    return name.split()[0].rstrip(",")


def test_two_files_of_one_name_are_refused_with_both(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = _file(tmp_path), _file(tmp_path / "other")
    with pytest.raises(InvalidOption) as refusal:
        OfflineNames(theme_files=[one, other])
    message = f"theme_files: two are called 'farm': {str(one)!r} and {str(other)!r}"
    assert str(refusal.value) == message
    with pytest.raises(InvalidOption, match="^theme_files: two are called 'farm'"):
        OfflineNames(theme_files=[one, one])


def test_themes_chooses_among_those_of_files_and_of_the_package_by_name(tmp_path: Path) -> None:
    files = [_file(tmp_path), _file(tmp_path, name="meadow.toml")]

    def chosen(*themes: str) -> tuple[str, ...]:
        return OfflineNames(themes=themes, theme_files=files).themes

    assert chosen("farm") == ("farm",)
    assert chosen("maps", "farm") == ("farm", "maps")
    assert chosen("meadow", "farm", "farm") == ("farm", "meadow")
    assert chosen("maps") == ("farm", "maps", "meadow")
    assert OfflineNames(theme_files=files).themes == ("farm", "meadow")
    names = OfflineNames(seed=1, themes=["farm"], theme_files=files).fetch(30, [])
    assert names == OfflineNames(seed=1, theme_files=files[:1]).fetch(30, [])


def test_a_file_wins_over_a_theme_of_the_package_with_its_name(tmp_path: Path) -> None:
    maps = _file(tmp_path, name="maps.toml")
    for themes in (None, ["maps"], ["maps", "sea"]):
        source = OfflineNames(seed=1, themes=themes, theme_files=[maps])
        assert source.themes == tuple(themes or ["maps"])
        assert source.described()[0].title == "The farm"
        assert _first(source.fetch(1, [], theme="maps")[0]) in source.described()[0].first


def test_an_unknown_theme_is_refused_with_those_of_files_and_of_the_package(
    tmp_path: Path,
) -> None:
    for themes in (["opera"], []):
        with pytest.raises(InvalidOption) as refusal:
            OfflineNames(themes=themes, theme_files=[_file(tmp_path)])
        assert all(repr(theme) in str(refusal.value) for theme in ("farm", *available_themes()))
    with pytest.raises(UnknownTheme, match="^theme must be one of 'farm', not 'maps'$"):
        OfflineNames(theme_files=[_file(tmp_path)]).fetch(1, [], theme="maps")


@pytest.mark.parametrize(
    ("file", "theme"),
    [
        ("two words.toml", "two words"),
        ("farm.old.toml", "farm.old"),
        ("farm", "farm"),
        ("Farm.TOML", "Farm"),
        (".toml", ".toml"),
        ("caf\u00e9.toml", "caf\u00e9"),
        ("cafe\u0301.toml", "caf\u00e9"),  # as some file systems keep it
        ("-x,'y.toml", "-x,'y"),
    ],
)
def test_a_theme_is_called_as_its_file_is(file: str, theme: str, tmp_path: Path) -> None:
    path = _file(tmp_path, name=file)
    source = OfflineNames(seed=1, themes=[theme], theme_files=[path])
    assert source.themes == (theme,)
    with namepool.open_pool(source=source) as pool:
        assert _first(pool.checkout_name(theme=theme)) in source.described()[0].first
        with pool.named(theme=theme) as name:
            assert _first(name) in source.described()[0].first
    apart = unicodedata.normalize("NFD", theme)
    assert OfflineNames(themes=[apart], theme_files=[path]).fetch(1, [], theme=apart)
    assert OfflineNames(theme_files=[os.fsencode(path)]).themes == (theme,)  # type: ignore[list-item]


@pytest.mark.parametrize("file", ["a\nb.toml", "\x1b[31m.toml", "\u200b.toml", "y" * 201])
def test_a_file_whose_name_no_theme_can_have_is_refused(file: str, tmp_path: Path) -> None:
    path = _file(tmp_path, name=file)
    stem = file.removesuffix(".toml")
    message = "theme_files: the name of a file must be a string of 1 to 200 printable characters"
    with pytest.raises(InvalidOption) as refusal:
        OfflineNames(theme_files=[path])
    assert str(refusal.value) == f"{message}, not {shown(stem)}"


def test_a_theme_file_may_have_64_kb_and_no_more(tmp_path: Path) -> None:
    text = OWN + "#" * (64 * 1024 - len(OWN))
    assert OfflineNames(theme_files=[_file(tmp_path, text)]).themes == ("farm",)
    path = _file(tmp_path, text + "#" * 1_000)
    with pytest.raises(InvalidOption) as refusal:
        OfflineNames(theme_files=[path])
    assert str(refusal.value) == f"{path}: must have at most 65536 bytes (64 kB), not 66536"


WORST = {
    "dotted key": "a." * 32_000 + "a = 1",
    "spaced and quoted": "'=' . \"a\" . " * 5_000 + "a = 1",
    "behind strings": "title = '''''\n'''''\nfirst = \"\"\"\\\"\"\"\"\"\"\n"
    + "a." * 32_000
    + "a = 1",
    "dotted table": "[" + "a." * 32_000 + "a]",
    "dotted keys": "".join("a." * 300 + f"b{n} = 1\n" for n in range(100)),
    "nested array": "first = " + "[" * 32_000 + "]" * 32_000,
    "nested table": "first = " + "{a = " * 10_000 + "1" + "}" * 10_000,
    "open string": 'first = """' + '\\"""' * 16_000,
    "open strings": 'first = "' + '\\"' * 32_000,
    "number": "first = " + "1" * 65_000,
}


@pytest.mark.parametrize("kind", WORST)
def test_the_worst_file_of_64_kb_is_refused_in_a_moment(kind: str, tmp_path: Path) -> None:
    path = _file(tmp_path, WORST[kind])
    start = time.process_time()
    with untraced(), pytest.raises(InvalidOption) as refusal:
        OfflineNames(theme_files=[path])
    assert time.process_time() - start < 0.5  # seconds; unchecked, a dotted key takes ten
    assert str(refusal.value).startswith(str(path))


def test_dots_in_strings_and_comments_are_no_dotted_keys(tmp_path: Path) -> None:
    dots = "." * 500
    text = OWN.replace("Early up.", dots).replace("deeds = [", f"# it's {dots}\ndeeds = [")
    text = text.replace('"The farm"', f"""'"{dots}'""")
    assert OfflineNames(theme_files=[_file(tmp_path, text)]).described()[0].description == dots


def test_a_theme_of_many_words_is_checked_in_a_moment(tmp_path: Path) -> None:
    syllables = product("bdfghjklnprtvz", "aeiou", "bdfghjklnprtvz", "aeou")
    words = [word for s in syllables if why_unissuable(word := "".join(s).title()) is None]
    few, many = ", ".join(words[::99]), ", ".join(words)
    text = OWN.replace("Barnyard,", f"{many}, Barnyard,") + f"titles = '{many}'\n"
    text += "".join(f"{key} = '{few}'\n" for key in ("epithets", "phrases", "bynames", "places"))
    start = time.process_time()
    with untraced():
        OfflineNames(theme_files=[_file(tmp_path, text)])
    assert time.process_time() - start < 1.0  # seconds; name by name it takes several


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.toml"
    os.mkfifo(fifo)
    link = tmp_path / "link.toml"
    link.symlink_to("/dev/zero")
    for path in (fifo, link, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(InvalidOption, match=f"^{path}: must be a regular file, not a pipe"):
            OfflineNames(theme_files=[path])
    with pytest.raises(InvalidOption, match=f"^theme_files: .*directory: '{tmp_path}'$"):
        OfflineNames(theme_files=[tmp_path])
