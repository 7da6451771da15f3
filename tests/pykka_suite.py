"""Run Pykka's own test suite against our actor and future classes.

    python -m tests.pykka_suite [pytest options]

Downloads the source distribution of the installed Pykka, points its runtime fixture at
``ServiceActor`` and ``Reply``, and runs it. Exits as pytest does.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

CANNOT_APPLY = {
    "tests/test_actor.py::test_all_actors_are_stopped_on_base_exception": (
        "a BaseException out of a handler ends that one actor, not every actor of the program"
    ),
    "tests/test_logging.py::test_base_exception_is_logged": (
        "for the same reason it is logged as that actor's failure, not as the stop of all"
    ),
}
"""Each test of Pykka's that does not hold for our runtime, and why."""

REPLACED = {
    "from pykka import ActorRegistry, ThreadingActor, ThreadingFuture": (
        "from pykka import ActorRegistry\nfrom namepool.actors import Reply, ServiceActor"
    ),
    "actor_class=ThreadingActor": "actor_class=ServiceActor",
    "future_class=ThreadingFuture": "future_class=Reply",
}


def main(options: list[str]) -> int:
    """Download, adapt and run the suite; return pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        suite = _download(Path(folder))
        conftest = suite / "tests" / "conftest.py"
        text = conftest.read_text(encoding="utf-8")
        for before, after in REPLACED.items():
            if text.count(before) != 1:
                sys.exit(f"Pykka's conftest.py has changed: expected one {before!r}")
            text = text.replace(before, after)
        conftest.write_text(text, encoding="utf-8")
        deselected = [f"--deselect={test}" for test in CANNOT_APPLY]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
        return subprocess.run([*command, *deselected, *options], cwd=suite, check=False).returncode


def _download(folder: Path) -> Path:
    pinned = f"pykka=={metadata.version('pykka')}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
    subprocess.run([*pip, f"--dest={folder}", pinned], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
