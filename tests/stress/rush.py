"""Many processes that need one name each from a file, at once: ``python -m tests.stress.rush``.

    python -m tests.stress.rush [COUNT [TIMEOUT]]

Each process opens the ledger, draws a name and closes the ledger. All begin at the same moment.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

CODE = """
import sys, time
from namepool.errors import LedgerError
from namepool.ledgers import open_ledger
ledger = open_ledger(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
try:
    names = []
    while not names:
        names = list(ledger.draw("names", 1, "Name {}".format, "t"))
    ledger.close()
    print(time.monotonic() - began, *names)
except LedgerError as error:
    print(time.monotonic() - began, "failed:", error)
"""


def rush(path: Path, count: int, timeout: float) -> list[tuple[float, str]]:
    """Return the seconds that each process needed, and its name or its error."""
    command = [sys.executable, "-c", CODE, f"sqlite:///{path}?timeout={timeout}"]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=4 * timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    parts = [text.strip().partition(" ") for text in said]
    return [(float(seconds), name) for seconds, _, name in parts]


def main(count: int = 100, timeout: float = 30.0) -> int:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        found = rush(Path(folder) / "names.db", count, timeout)
    failed = [name for _, name in found if name.startswith("failed")]
    print(f"{count} processes in {time.monotonic() - began:.1f} s; {len(failed)} failed;", end=" ")
    print(f"{len({name for _, name in found})} names; the slowest took {max(found)[0]:.1f} s")
    print(*sorted(set(failed)), sep="\n", end="\n" if failed else "")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
