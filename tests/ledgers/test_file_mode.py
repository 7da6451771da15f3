"""Who may use a ledger's file: nobody but its user, unless the user says so."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers import SQLiteLedger, database, files, open_ledger, schema
from namepool.ledgers.database import Database
from tests.support import PATIENCE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="this platform has no such modes")

NAMES = ["Ada", "Bob", "Cleo"]

Opened = Callable[[Path], SQLiteLedger]
Plant = Callable[[str, int], Path]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "names.db"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(path: Path) -> dict[str, str]:
    return {file.name: f"{stat.S_IMODE(file.stat().st_mode):o}" for file in path.parent.iterdir()}


@pytest.fixture
def ledger_of() -> Iterator[Opened]:
    opened: list[SQLiteLedger] = []
    yield lambda path: opened.append(SQLiteLedger(path)) or opened[-1]  # type: ignore[func-returns-value]
    for ledger in opened:
        ledger.close()


def refusal(path: Path) -> str:
    ledger = SQLiteLedger(path, timeout=0.5)
    with pytest.raises(LedgerError) as caught:
        ledger.claim(NAMES, "t")
    ledger.close()
    return str(caught.value)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o027])
@pytest.mark.parametrize(
    ("options", "mode"), [("", "600"), ("?mode=600", "600"), ("?mode=0660", "660")]
)
def test_a_file_that_is_made_has_exactly_its_mode_and_so_have_those_beside_it(
    path: Path, mask: int, options: str, mode: str
) -> None:
    ledger = open_ledger(f"sqlite:///{path}{options}")
    with umask(mask):
        assert ledger.claim(NAMES, "t") == NAMES

    assert modes(path) == dict.fromkeys(["names.db", "names.db-shm", "names.db-wal"], mode)
    ledger.close()


def test_the_class_takes_the_mode_as_a_number(path: Path) -> None:
    ledger = SQLiteLedger(path, mode=0o640)
    ledger.claim(NAMES, "t")
    ledger.close()

    assert modes(path) == {"names.db": "640"}


@pytest.mark.parametrize("content", ["empty", "a ledger"])
def test_a_file_that_is_there_keeps_its_mode(path: Path, content: str) -> None:
    path.touch()
    if content == "a ledger":
        ledger = SQLiteLedger(path)
        ledger.claim(["Zoe"], "t")
        ledger.close()
    path.chmod(0o644)
    ledger = SQLiteLedger(path, mode=0o660)
    ledger.claim(NAMES, "t")

    assert set(modes(path).values()) == {"644"}
    ledger.close()


def test_a_file_that_is_made_anew_has_its_mode_again(path: Path) -> None:
    ledger = SQLiteLedger(path, timeout=PATIENCE)
    ledger.claim(NAMES, "t")
    for file in path.parent.iterdir():
        file.unlink()
    with pytest.raises(LedgerError, match="removed or replaced"):
        ledger.claim(NAMES, "t")
    ledger.claim(NAMES, "t")

    assert set(modes(path).values()) == {"600"}
    ledger.close()


def test_another_user_cannot_read_or_lock_it(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can ask as somebody else")
    for folder in path.parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)
    ledger = SQLiteLedger(path)
    ledger.claim(NAMES, "t")
    code = (
        "import os, sys\nos.setuid(65534)\n"
        "for end in ('', '-wal', '-shm'):\n"
        "    try: open(sys.argv[1] + end, 'rb'); print('open')\n"
        "    except PermissionError: print('refused')"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["refused"] * 3
    ledger.close()


def test_of_eight_processes_one_makes_the_file_and_all_can_use_it(path: Path) -> None:
    code = (
        "import os, sys; from namepool.ledgers import open_ledger\n"
        "os.umask(0o022)\n"
        f"ledger = open_ledger('sqlite:///{path}?mode=660&timeout=60')\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(ledger.claim(['Ada'], 't'))"
    )
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
        for _ in range(8)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [child.communicate(timeout=PATIENCE)[0] for child in children]

    assert sorted(answers) == sorted([*["[]\n"] * 7, "['Ada']\n"])
    assert set(modes(path).values()) == {"660"}


@pytest.mark.parametrize("code", [sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN])
def test_a_file_that_has_not_its_mode_yet_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    ledger, real, failures = SQLiteLedger(path, timeout=PATIENCE), Database._in_transaction, [1, 1]

    def work(database: Database, *arguments: Any) -> Any:
        if failures:
            failures.pop()
            error = sqlite3.OperationalError("another process makes it")
            error.sqlite_errorcode = code
            raise error
        return real(database, *arguments)

    monkeypatch.setattr(Database, "_in_transaction", work)

    assert ledger.claim(NAMES, "t") == NAMES
    assert failures == []
    ledger.close()


def test_who_comes_second_in_making_a_file_leaves_it_as_it_is(path: Path) -> None:
    path.write_bytes(b"theirs")
    path.chmod(0o640)
    files.make_file(path, 0o600)

    assert (path.read_bytes(), modes(path)) == (b"theirs", {"names.db": "640"})


def test_a_file_whose_mode_cannot_be_set_is_not_left_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError("no modes here")

    monkeypatch.setattr(os, "fchmod", fail)

    assert "it cannot be made: " in refusal(path)
    assert not path.exists()


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP])
@pytest.mark.parametrize(("mask", "stays"), [(0o077, True), (0o022, False)])
def test_where_files_have_no_modes_one_stays_if_others_cannot_read_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, mask: int, stays: bool
) -> None:
    def fail(made: int, _: int) -> None:
        os.chmod(path, 0o777 & ~mask)  # as vfat does, by the options of its mount
        raise OSError(code, "no modes here")

    monkeypatch.setattr(os, "fchmod", fail)
    if stays:
        files.make_file(path, 0o600)
    else:
        with pytest.raises(LedgerError, match="cannot keep the file from other users"):
            files.make_file(path, 0o600)

    assert path.exists() is stays


def test_while_a_thread_makes_a_file_no_other_opens_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = []

    def make(path: Path, mode: int) -> None:
        locked.append(database._making.locked())  # closing it would drop the other's locks
        files.make_file(path, mode)

    monkeypatch.setattr(database, "make_file", make)
    ledger = SQLiteLedger(path)
    ledger.claim(NAMES, "t")
    ledger.close()

    assert locked == [True]


def test_sqlite_itself_makes_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("namepool.ledgers.database.make_file", lambda *_: None)
    monkeypatch.setattr("namepool.ledgers.database._SETTLING", 0.0)

    assert "it cannot be opened" in refusal(path)
    assert not path.exists()


# -- files beside it ----------------------------------------------------------------------------


@pytest.fixture
def foreign(path: Path) -> Plant:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")

    def plant(end: str, mode: int) -> Path:
        file = path.with_name(path.name + end)
        file.touch()
        file.chmod(mode)
        os.chown(file, 65534, 65534)
        return file

    return plant


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("before", ["nothing", "a ledger", "a link to a ledger"])
def test_a_file_that_another_user_has_put_beside_it_is_refused(
    path: Path, foreign: Plant, end: str, before: str
) -> None:
    if before != "nothing":
        ledger = SQLiteLedger(path)
        ledger.claim(["Zoe"], "t")
        ledger.close()
    named = path
    if before == "a link to a ledger":
        named = path.with_name("link.db")
        named.symlink_to(path)
    file = foreign(end, 0o666)

    assert f"{str(file)!r}" in (said := refusal(named))
    assert "remove that file" in said
    assert file.read_bytes() == b""


def test_a_link_that_another_user_has_put_beside_it_is_refused(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a link away")
    file = path.with_name("names.db-wal")
    file.symlink_to("/nowhere")
    os.lchown(file, 65534, 65534)

    assert "remove that file" in refusal(path)


@pytest.mark.parametrize(
    ("mode", "beside", "is_used"),
    [(0o660, 0o660, True), (0o660, 0o600, True), (0o660, 0o666, False), (0o600, 0o600, False)],
)
def test_users_who_share_a_ledger_may_make_the_files_beside_it(
    path: Path, foreign: Plant, ledger_of: Opened, mode: int, beside: int, is_used: bool
) -> None:
    ledger = SQLiteLedger(path, mode=mode)
    ledger.claim(["Zoe"], "t")
    ledger.close()
    foreign("-wal", beside)

    if is_used:
        assert ledger_of(path).claim(NAMES, "t") == NAMES
    else:
        assert "remove that file" in refusal(path)


@pytest.mark.parametrize("whose", ["names.db", "."])
def test_the_owner_of_a_ledger_or_of_its_folder_may_make_the_files_beside_it(
    path: Path, foreign: Plant, ledger_of: Opened, whose: str
) -> None:
    path.touch(0o600)
    os.chown(path.parent / whose, 65534, 65534)
    foreign("-wal", 0o666)

    assert ledger_of(path).claim(["Ada"], "t") == ["Ada"]


def test_a_file_that_is_put_there_while_the_ledger_is_opened_gets_no_claim(
    path: Path, foreign: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SQLiteLedger(path)
    ledger.claim(["Zoe"], "t")
    ledger.close()
    real = schema.prepare
    monkeypatch.setattr(schema, "prepare", lambda *a: (real(*a), foreign("-journal", 0o666)))

    assert "remove that file" in refusal(path)


# -- links --------------------------------------------------------------------------------------


def test_a_link_to_nothing_is_refused_and_its_target_is_not_made(path: Path) -> None:
    target = path.with_name("target.db")
    path.symlink_to(target)

    assert "it is a symbolic link to nothing" in refusal(path)
    assert not target.exists()


def test_a_link_is_never_followed_in_making_a_file(path: Path) -> None:
    target = path.with_name("target.db")
    path.symlink_to(target)
    files.make_file(path, 0o600)

    assert not target.exists()


def test_a_link_of_ones_own_to_a_ledger_is_followed(path: Path) -> None:
    target = path.with_name("target.db")
    first, second = SQLiteLedger(target), SQLiteLedger(path)
    first.claim(["Ada"], "t")
    path.symlink_to(target)

    assert second.claim(["Ada", "Bob"], "t") == ["Bob"]
    assert set(modes(target).values()) == {"600"}
    first.close()
    second.close()


def test_a_link_that_another_user_has_left_in_a_common_folder_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a link away")
    target, link = tmp_path / "target.db", tmp_path / "names.db"
    target.touch()
    link.symlink_to(target)
    os.lchown(link, 65534, 65534)

    assert "it is a symbolic link of another user" in refusal(link)
    assert target.read_bytes() == b""


# -- modes that are none ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode", ["abc", "999", "777", "700", "060", "400", "0", "", "66", "1660", "0o6600", "-600"]
)
def test_a_mode_that_is_none_is_refused(mode: str, path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"^mode must be 600 \(for this user\), 660 \("):
        open_ledger(f"sqlite:///{path}?mode={mode}")


@pytest.mark.parametrize("mode", [0o777, 600, 660, 0o060, 0, -1, True, "600", None, 0o1600])
def test_a_mode_that_is_none_is_refused_by_the_class(mode: object, path: Path) -> None:
    with pytest.raises(InvalidOption, match="^mode must be "):
        SQLiteLedger(path, mode=mode)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (
            0o700,
            "mode must be 0o600 (for this user), 0o660 (for its group, too), or other bits "
            "to read and to write, not 0o700",
        ),
        (
            660,
            "mode must be 0o600 (for this user), 0o660 (for its group, too), or other bits "
            "to read and to write, not 0o1224",
        ),
        ("660", "mode must be an integer such as 0o660, not '660'"),
    ],
)
def test_a_mode_is_shown_in_octal(mode: Any, says: str, path: Path) -> None:
    with pytest.raises(InvalidOption) as caught:
        SQLiteLedger(path, mode=mode)
    assert str(caught.value) == says


def test_a_mode_is_for_files_only() -> None:
    with pytest.raises(InvalidOption, match="^mode is not an option of a Redis URL"):
        open_ledger("redis://host?mode=600")


def test_a_path_is_taken_letter_for_letter(tmp_path: Path) -> None:
    for name in ("a?mode=ro.db", "a%3f.db", "a#b.db", "ü b.db", ":memory:"):
        ledger = SQLiteLedger(tmp_path / name)
        assert ledger.claim(NAMES, "t") == NAMES
        ledger.close()
        with sqlite3.connect(tmp_path / name) as connection:
            assert connection.execute("SELECT count(*) FROM claim").fetchone() == (3,)
        connection.close()
