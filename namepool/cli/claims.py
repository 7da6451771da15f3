"""The output of ``namepool ledger ls``: a row for each claimed name, printed when it is read."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TypeAlias

from namepool.cli.columns import padded
from namepool.cli.page import WIDTH
from namepool.cli.parser import expected, failed, number
from namepool.core.names import MAX_NAME_LENGTH, name_key, one_line, validate_name
from namepool.errors import InvalidName
from namepool.ledgers.base import Holder
from namepool.ledgers.session import SessionLedger

WORDS = (
    "A session is one pool of one process. It is living if its process runs. If nobody can see the "
    "process from here, the session is living for 150 seconds after its last renewal. A session is "
    "ended if its pool was closed, but names stayed claimed. All other sessions are silent: the "
    "process died, or it cannot reach the ledger. A name is kept if no agent has it, and it waits "
    "for its identity."
)
"""The help that explains the states."""

COLUMNS = {"name": WIDTH, "host": 24, "pid": 7, "claimed": 20, "state": 6, "identity": 8}
"""The columns of a text, each with its width on a terminal. A longer value takes more room."""

MOST_ROWS = 100_000_000
"""The most rows that a user can ask for."""

SESSIONS = 10_000
"""The most sessions whose states are remembered."""

MOST_NAMESPACES = 10
"""The most namespaces that an error lists."""

Row: TypeAlias = dict[str, str | int | None]


def ls_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``namepool ledger ls``."""
    add = parser.add_argument
    text = "list only the name of an identity, which is found at once"
    add("--identity", type=_text(256), metavar="I", help=text)
    text = "list only this name, or the name that reads like it, which is found at once"
    add("--name", type=_name, metavar="N", help=text)
    text = "list only the names of sessions on this host, written as in the list"
    add("--host", type=_text(255), metavar="H", help=text)
    text = "list only the names whose state is living"
    add("--living", action="store_true", help=text)
    add("--limit", type=number(MOST_ROWS), metavar="N", help="end after N rows")


def run_ls(ledger: SessionLedger, args: argparse.Namespace) -> int:
    """Print the rows that the arguments ask for; return the exit code."""
    wanted = (row for row in map(Rows(ledger), _found(ledger, args)) if _fits(row, args))
    rows = islice(wanted, args.limit)
    first = list(islice(rows, 1))  # an error comes before any output
    if not first and not _is_known(ledger):
        return no_claims(ledger)
    (_print_json if args.json else _print_lines)(chain(first, rows))
    return 0


def no_claims(ledger: SessionLedger) -> int:
    """Print the error of a namespace that has nothing; return the exit code."""
    others = [one for one in ledger.namespaces() if one != ledger.namespace]
    named = ", ".join(f"'{one_line(one, 100)}'" for one in others[:MOST_NAMESPACES])
    more = f" and {len(others) - MOST_NAMESPACES} more" if len(others) > MOST_NAMESPACES else ""
    there = f"there are: {named}{more}" if others else "the ledger tells of no other namespace"
    return failed(f"error: no claims in the namespace '{one_line(ledger.namespace)}'; {there}", 1)


def _is_known(ledger: SessionLedger) -> bool:
    """Tell whether the namespace has a claim, or a session without any."""
    return next(ledger.holders(), None) is not None or any(ledger.stats()[1:])


def _found(ledger: SessionLedger, args: argparse.Namespace) -> Iterator[Holder]:
    """Return the holders among which the rows are; at most one if the name is settled."""
    if args.name is None and args.identity is None:
        return ledger.holders()
    one = ledger.holder(args.name) if args.identity is None else ledger.kept(args.identity)
    if one is None or (args.name is not None and name_key(one.name) != name_key(args.name)):
        return iter(())
    return iter((one,))


def _fits(row: Row, args: argparse.Namespace) -> bool:
    is_there = args.host is None or row["host"] == args.host
    return is_there and (row["state"] == "living" or not args.living)


class Rows:
    """Makes rows of holders. A look at a process costs more than the rest of a row."""

    def __init__(self, ledger: SessionLedger) -> None:
        self._ledger = ledger
        self._states: dict[str, str] = {}

    def __call__(self, holder: Holder) -> Row:
        """Return the row of a holder."""
        session = holder.session
        state = self._states.get(session.id)
        if state is None:
            if len(self._states) >= SESSIONS:
                self._states.clear()
            self._states[session.id] = state = self._ledger.state(session)
        return {
            "name": holder.name,
            "host": session.host,
            "pid": session.pid,
            "claimed": _time(holder.claimed),
            "session": state,
            "identity": holder.identity,
            "state": "kept" if holder.is_kept else state,
            "parent": session.parent or None,
            "renewed": _time(session.seen),
        }


def _print_json(rows: Iterator[Row]) -> None:
    """Print an array, one row a line. If the ledger fails half-way, the array has no end."""
    before = "[\n"
    for row in rows:
        print(before, json.dumps(row), sep="", end="")
        before = ",\n"
    print("[]" if before == "[\n" else "\n]")


def _print_lines(rows: Iterator[Row]) -> None:
    is_terminal = sys.stdout.isatty()
    if is_terminal:
        print(_in_columns([name.upper() for name in COLUMNS]))
    for row in rows:
        values = [str(row[name]) for name in COLUMNS if row[name] is not None]
        print(_in_columns(values) if is_terminal else "\t".join(values))


def _in_columns(values: list[str]) -> str:
    pairs = zip(values, COLUMNS.values(), strict=False)  # a name without identity has no last one
    return "  ".join(padded(value, width) for value, width in pairs).rstrip()


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(int(seconds), UTC).isoformat()[:19]}Z"


def _name(text: str) -> str:
    try:
        return validate_name(text)
    except InvalidName:
        raise expected(f"a name: 1 to {MAX_NAME_LENGTH} characters that can be read") from None


def _text(longest: int) -> Callable[[str], str]:
    def text(value: str) -> str:
        if value.isprintable() and 0 < len(value) <= longest:
            return value
        raise expected(f"a text of 1 to {longest} printable characters")

    return text
