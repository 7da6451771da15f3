"""The place of a process: what this process knows of another one, and what it leaves unknown."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest

import namepool
from namepool.ledgers import processes
from namepool.ledgers.base import LIVING_FOR
from namepool.ledgers.processes import place_of, place_of_this_process, runs_here

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="it is about Linux")
on_posix = pytest.mark.skipif(os.name != "posix", reason="this platform has no zombies")

ME = os.getpid()
CACHED: tuple[Any, ...] = (processes._psutil, processes._machine)


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    """Let each test find out anew where it is."""
    for known in CACHED:
        known.cache_clear()
    yield
    for known in CACHED:
        known.cache_clear()


@contextmanager
def other_process(code: str = "pass") -> Iterator[subprocess.Popen[str]]:
    """Start a Python that runs ``code``, and then waits for the end of its input."""
    lines = f"import sys\n{code}\nprint('up', flush=True)\nsys.stdin.read()"
    command = [sys.executable, "-c", lines]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        try:
            yield process
        finally:
            process.kill()


def output_of(*command: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(Path(namepool.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class FakePsutil:
    """A psutil with one process, by a clock that can be set."""

    STATUS_ZOMBIE, STATUS_DEAD = "zombie", "dead"
    NoSuchProcess, ZombieProcess = psutil.NoSuchProcess, psutil.ZombieProcess

    def __init__(self, *, started: float = 10_176.8, status: str = "running") -> None:
        self.started = started
        self.status = status
        self.threads = 1
        self.clock_was_set_by = 0.0
        self.error: BaseException | None = None
        self.exists = False
        self.asked: list[int] = []

    def Process(self, pid: int) -> FakeProcess:  # noqa: N802
        self.asked.append(pid)
        if self.error is not None:
            raise self.error
        return FakeProcess(self)

    def pid_exists(self, _pid: int) -> bool:
        return self.exists


class FakeProcess:
    def __init__(self, fake: FakePsutil) -> None:
        self._fake = fake
        self._proc = self

    def create_time(self, monotonic: bool = False) -> float:
        return self._fake.started + (0.0 if monotonic else 1e9 + self._fake.clock_was_set_by)

    def status(self) -> str:
        return self._fake.status

    def num_threads(self) -> int:
        return self._fake.threads


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePsutil:
    known = FakePsutil()
    monkeypatch.setattr(processes, "_psutil", lambda: known)
    return known


def on(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_PLATFORM", platform)
    monkeypatch.setattr("uuid.getnode", lambda: 0x001B63_84_45_E6)


# -- processes of this machine --------------------------------------------------------------------


def test_this_process_has_a_place_and_runs() -> None:
    place = place_of_this_process()

    assert place
    assert place == place_of(ME)
    assert runs_here(place, ME) is True


def test_another_process_runs_until_it_ends() -> None:
    with other_process() as process:
        place = place_of(process.pid)
        assert runs_here(place, process.pid) is True
    process.wait()

    assert runs_here(place, process.pid) is False
    assert place_of(process.pid) == ""


def test_a_process_and_its_reader_agree_about_its_place() -> None:
    code = (
        "from namepool.ledgers.processes import place_of_this_process\n"
        "print(place_of_this_process(), flush=True)"
    )
    command = [sys.executable, "-c", f"{code}\nimport sys\nsys.stdin.read()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == place_of(process.pid)
        process.kill()


@on_posix
def test_a_zombie_does_not_run() -> None:
    with other_process() as process:
        place = place_of(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended; nobody took it

        assert runs_here(place, process.pid) is False
        assert place_of(process.pid) == ""


@on_linux
def test_a_process_whose_main_thread_has_ended_runs() -> None:
    code = (
        "import ctypes, threading\n"
        "main = threading.main_thread().native_id\n"
        "def main_runs():\n"
        "    return ') Z ' not in open(f'/proc/self/task/{main}/stat').read()\n"
        "def work():\n"
        "    while main_runs(): pass\n"
        "    print('up', flush=True)\n"
        "    sys.stdin.read()\n"
        "threading.Thread(target=work).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    with other_process(code) as process:
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE

        assert runs_here(place_of(process.pid), process.pid) is True


@pytest.mark.parametrize("status", ["zombie", "dead"])
def test_a_process_with_a_status_of_the_dead_does_not_run(fake: FakePsutil, status: str) -> None:
    place = place_of(ME)
    fake.status = status

    assert runs_here(place, ME) is False


def test_a_zombie_that_psutil_refuses_to_describe_does_not_run(fake: FakePsutil) -> None:
    place = place_of(ME)
    fake.error = psutil.ZombieProcess(ME)

    assert runs_here(place, ME) is False


def test_a_process_with_the_same_id_and_a_later_start_is_another_one(fake: FakePsutil) -> None:
    place = place_of(ME)
    fake.started += 0.01  # a tick of Linux

    assert runs_here(place, ME) is False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_looks_anew_where_it_is() -> None:
    code = (
        "import os\n"
        "from namepool.ledgers import processes\n"
        "processes.place_of_this_process()\n"
        "before = processes._machine.cache_info().currsize\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(processes._machine.cache_info().currsize)\n"
        "print(before, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )

    assert output_of(sys.executable, "-c", code) == "1 0"


# -- clocks ---------------------------------------------------------------------------------------


@on_linux
@pytest.mark.parametrize("seconds", [-86400.0, -1.0, 1.0, 86400.0])
def test_a_clock_that_is_set_changes_no_place(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    place, started, boot = place_of(ME), psutil.Process(ME).create_time(), psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + seconds)
    assert psutil.Process(ME).create_time() != started  # the public one moves

    assert runs_here(place, ME) is True
    assert place_of(ME) == place


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_start_that_moves_with_the_clock_is_not_used(
    fake: FakePsutil, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    on(platform, monkeypatch)
    monkeypatch.setattr(processes, "_linux", lambda: "linux boot/1/2")
    place = place_of(ME)
    fake.clock_was_set_by = 3600.0

    assert place
    assert runs_here(place, ME) is True


def test_a_psutil_without_such_a_start_leaves_it_unknown(
    fake: FakePsutil, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(ME)
    monkeypatch.setattr(FakeProcess, "create_time", lambda _self: 1e9)

    assert runs_here(place, ME) is None
    assert place_of(ME) == ""


@pytest.mark.parametrize("off", [-1e-6, 1e-6])
def test_the_last_bits_of_a_start_make_no_other_process(fake: FakePsutil, off: float) -> None:
    fake.started = 1.7e9 + 0.0005  # its milliseconds are rounded up or down
    place = place_of(ME)
    fake.started += off

    assert runs_here(place, ME) is True


# -- other systems --------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_told_apart_by_network_card_and_host(
    fake: FakePsutil, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    on(platform, monkeypatch)
    monkeypatch.setattr("socket.gethostname", lambda: "ada.local")

    assert place_of(ME).startswith(f"{platform} 001b638445e6/ada.local ")


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_a_random_number_of_a_network_card_identifies_no_machine(
    fake: FakePsutil, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    on(platform, monkeypatch)
    monkeypatch.setattr("uuid.getnode", lambda: 0x011B63_84_45_E6)

    assert place_of(ME) == ""


def test_a_system_whose_starts_are_not_known_to_be_stable_tells_no_place(
    fake: FakePsutil, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("freebsd14", monkeypatch)

    assert place_of(ME) == ""


def test_on_windows_nothing_is_sent_to_a_process(
    fake: FakePsutil, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("win32", monkeypatch)
    place = place_of(ME)
    fake.error = psutil.NoSuchProcess(ME)
    monkeypatch.setattr("os.kill", lambda *_: pytest.fail("there, it would end the process"))

    assert runs_here(place, ME) is False
    fake.exists = True
    assert runs_here(place, ME) is None


# -- what this process cannot know ----------------------------------------------------------------


def test_nothing_is_known_of_a_process_on_another_machine() -> None:
    machine, _, start = place_of(ME).rpartition(" ")

    assert runs_here(f"{machine}0 {start}", ME) is None
    assert runs_here("", ME) is None
    assert runs_here(machine, ME) is None


@on_linux
@pytest.mark.parametrize("namespace", ["pid", "time"])
def test_nothing_is_known_of_a_process_in_another_namespace(
    monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    place, stat = place_of(ME), os.stat
    processes._machine.cache_clear()

    def other(path: Any, **options: Any) -> os.stat_result:
        return stat("/" if path == f"/proc/self/ns/{namespace}" else path, **options)

    monkeypatch.setattr("os.stat", other)

    assert place_of(ME)
    assert runs_here(place, ME) is None


@on_linux
def test_a_kernel_without_time_namespaces_tells_places(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.stat

    def without(path: Any, **options: Any) -> os.stat_result:
        return stat("/proc/none" if path == "/proc/self/ns/time" else path, **options)

    monkeypatch.setattr("os.stat", without)

    assert runs_here(place_of(ME), ME) is True


@on_linux
def test_the_proc_of_another_pid_namespace_tells_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.readlink", lambda _path: str(ME + 1))

    assert place_of(ME) == ""


@on_linux
def test_a_psutil_that_looks_at_the_host_of_a_container_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = place_of(ME)
    monkeypatch.setattr(psutil, "PROCFS_PATH", "/proc/self/root/proc")

    assert runs_here(place, ME) is None
    assert place_of(ME) == ""


@on_linux
def test_a_process_that_proc_hides_may_run(fake: FakePsutil) -> None:
    place = place_of(ME)
    fake.error = psutil.NoSuchProcess(ME)

    assert runs_here(place, ME) is None


@on_linux
def test_a_hidden_process_of_another_user_may_run(
    fake: FakePsutil, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(ME)
    fake.error = psutil.NoSuchProcess(ME)

    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr("os.kill", refuse)

    assert runs_here(place, ME) is None


@pytest.mark.parametrize(
    "error",
    [
        psutil.AccessDenied(ME),
        psutil.TimeoutExpired(1.0),
        OSError("no descriptors"),
        ProcessLookupError("unconfirmed"),
        OverflowError("signed integer is greater than maximum"),
        ValueError("line not found"),
        RuntimeError("a bug"),
        AttributeError("_proc"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_psutil_raises_leaves_it_unknown(fake: FakePsutil, error: Exception) -> None:
    place = place_of(ME)
    fake.error = error

    assert runs_here(place, ME) is None
    assert place_of(ME) == ""


def test_an_interrupt_is_not_swallowed(fake: FakePsutil) -> None:
    place = place_of(ME)
    fake.error = KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt):
        runs_here(place, ME)


# -- what other programs may have written ---------------------------------------------------------


@pytest.mark.parametrize("pid", [-(10**30), -4711, -1, 0, 2**32, 2**63, 10**400])
def test_no_process_has_an_id_out_of_range_and_nobody_is_asked(fake: FakePsutil, pid: int) -> None:
    place = place_of(ME)
    fake.asked.clear()

    assert runs_here(place, pid) is None
    assert place_of(pid) == ""
    assert fake.asked == []


@pytest.mark.parametrize("pid", [2**31 - 1, 2**31, 2**32 - 1])
def test_an_id_larger_than_those_of_the_system_raises_nothing(pid: int) -> None:
    assert not runs_here(place_of(ME), pid)
    assert place_of(pid) == ""


@pytest.mark.parametrize(
    "ends",
    ["\0", "x" * 2**20, "\ud800", " 1", "-1", "9" * 5000, "/../1"],
    ids=["nul", "long", "surrogate", "field", "sign", "digits", "path"],
)
def test_a_place_is_only_compared(ends: str) -> None:
    place = place_of(ME)

    assert runs_here(ends, ME) is None
    assert runs_here(place + ends, ME) is False


# -- without psutil -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raises", [ImportError("none"), OSError("no shared object"), RuntimeError("broken")]
)
def test_a_psutil_that_cannot_be_loaded_is_none(
    monkeypatch: pytest.MonkeyPatch, raises: Exception
) -> None:
    class Broken:
        def find_spec(self, name: str, _path: object, _target: object = None) -> None:
            if name == "psutil":
                raise raises

    place = place_of(ME)
    processes._psutil.cache_clear()
    processes._machine.cache_clear()
    monkeypatch.delitem(sys.modules, "psutil")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])

    assert place_of_this_process() == ""
    assert runs_here(place, ME) is None


def test_without_psutil_no_program_is_run_for_the_network_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on("darwin", monkeypatch)
    monkeypatch.setattr(processes, "_psutil", lambda: None)
    getnode = Mock()
    monkeypatch.setattr("uuid.getnode", getnode)

    assert place_of_this_process() == ""
    assert not getnode.called


def test_without_psutil_a_process_counts_as_living_for_a_while() -> None:
    code = (
        "import sys; sys.modules['psutil'] = None\n"
        "import namepool\n"
        "from namepool.ledgers import MemoryLedger\n"
        "ledger = MemoryLedger()\n"
        "ledger.take('Ada the Yak Shaver')\n"
        "[holder] = ledger.holders()\n"
        "session = holder.session._replace(id='of another process')\n"
        "print(repr(session.place), ledger.runs(session), ledger.lives(session),\n"
        f"    ledger.lives(session._replace(silent={LIVING_FOR - 1})),\n"
        f"    ledger.lives(session._replace(silent={LIVING_FOR})))"
    )

    assert output_of(sys.executable, "-c", code) == "'' None True True False"


def test_only_a_ledger_loads_psutil() -> None:
    code = (
        "import sys, namepool\n"
        "from namepool.ledgers import MemoryLedger\n"
        "with namepool.open_pool() as pool:\n"
        "    pool.checkout_name()\n"
        "before = 'psutil' in sys.modules\n"
        "MemoryLedger()\n"
        "print(before, 'psutil' in sys.modules)"
    )

    assert output_of(sys.executable, "-c", code) == "False True"


# -- real containers ------------------------------------------------------------------------------


def unshared(options: str, code: str, *arguments: str) -> str:
    """Return the output of a Python in a namespace of its own; skip where this user has none."""
    command = ["unshare", *options.split()]
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can make a namespace, on Linux")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"'{' '.join(command)}' does not work here")
    return output_of(*command, sys.executable, "-c", code, *arguments)


@pytest.mark.proof
def test_two_containers_know_nothing_of_each_other() -> None:
    code = (
        "import os, sys\n"
        "from namepool.ledgers.processes import *\n"
        "mine = place_of_this_process()\n"
        "print(runs_here(sys.argv[1], int(sys.argv[2])), runs_here(sys.argv[1], os.getpid()),\n"
        "    runs_here(mine, os.getpid()), runs_here(mine, 4711), os.getpid(), mine)"
    )
    place = place_of_this_process()

    *knows, pid, theirs = unshared("--pid --fork --mount-proc", code, place, str(ME)).split(
        maxsplit=5
    )

    assert knows == ["None", "None", "True", "False"]
    assert pid == "1"
    assert theirs
    assert runs_here(theirs, 1) is None


@pytest.mark.proof
def test_a_container_with_the_proc_of_its_host_tells_no_place() -> None:
    code = "from namepool.ledgers.processes import *; print(repr(place_of_this_process()))"

    assert unshared("--pid --fork", code) == "''"


@pytest.mark.proof
def test_a_process_with_another_offset_of_the_boot_is_not_compared() -> None:
    code = (
        "import sys; from namepool.ledgers.processes import *\n"
        "print(runs_here(sys.argv[1], int(sys.argv[2])))"
    )

    found = unshared("--time --fork --boottime 1000", code, place_of_this_process(), str(ME))

    assert found == "None"


@pytest.mark.proof
def test_a_process_that_the_mount_of_proc_hides_from_this_user_may_run() -> None:
    code = (
        "import os, subprocess\n"
        "import psutil\n"
        "from namepool.ledgers.processes import *\n"
        "subprocess.run(['mount', '-o', 'remount,hidepid=2', '/proc'], check=True)\n"
        "root = place_of_this_process()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    place_of_this_process()\n"
        "    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "    print(psutil.pid_exists(1), runs_here(root, 1), runs_here(root, 4711), flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)"
    )

    assert unshared("--pid --fork --mount-proc", code) == "False None False"
