"""``namepool ledger ls``, ``stats`` and ``prune``: the holders of claimed names, for people."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from namepool.cli.parser import expected, without_value
from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers.base import LEAST_AGE, Holder
from namepool.ledgers.session import SessionLedger
from namepool.ledgers.urls import open_ledger, seconds

VARIABLE = "NAMEPOOL_LEDGER"


def ledger_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``namepool ledger``."""
    _add_ledger(parser, default=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    text = "list the claimed names: name, host, process, time of the claim, state, identity"
    _add(commands, "ls", text, _ls)
    text = "count the names and the sessions that have them"
    _add(commands, "stats", text, _stats)
    text = "free the names of sessions that died or ended before a given time"
    prune = _add(commands, "prune", text, _prune)
    text = "the time since the last renewal, such as 12h or 7d; at least ten minutes"
    prune.add_argument("--older-than", type=_age, required=True, metavar="T", help=text)


def _add(
    commands: Any, name: str, text: str, work: Callable[[SessionLedger, Any], object]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    _add_ledger(parser, default=argparse.SUPPRESS)  # else it would hide a --ledger before COMMAND
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=lambda args: _run(args, work))
    return parser


def _add_ledger(parser: argparse.ArgumentParser, default: str | None) -> None:
    text = f"such as sqlite:///names.db?namespace=x (default: {VARIABLE}, hidden from other users)"
    parser.add_argument("--ledger", type=_ledger, default=default, metavar="URL", help=text)


def _run(args: argparse.Namespace, work: Callable[[SessionLedger, Any], object]) -> int:
    ledger = args.ledger
    if ledger is None:
        url = os.environ.get(VARIABLE)
        if url is None:
            raise LedgerError(f"which ledger? give --ledger, or set {VARIABLE}")
        ledger = _of_environment(url)
    with closing(ledger):
        if not ledger.exists():
            raise LedgerError(f"{ledger} does not exist yet")
        work(ledger, args)
    return 0


def _ls(ledger: SessionLedger, args: argparse.Namespace) -> None:
    rows = [_row(ledger, holder) for holder in ledger.holders()]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(*(str(value) for value in row.values() if value is not None), sep="\t")


def _row(ledger: SessionLedger, holder: Holder) -> dict[str, str | int | None]:
    session = holder.session
    state = "ended" if session.ended else "living" if ledger.lives(session) else "silent"
    return {
        "name": holder.name,
        "host": session.host,
        "pid": session.pid,
        "claimed": _time(holder.claimed),
        "session": state,
        "identity": holder.identity,
    }


def _stats(ledger: SessionLedger, args: argparse.Namespace) -> None:
    stats = ledger.stats()._asdict()
    if args.json:
        print(json.dumps(stats, indent=1))
        return
    for name, value in stats.items():
        print(f"{name}\t{value}")


def _prune(ledger: SessionLedger, args: argparse.Namespace) -> None:
    freed = ledger.prune(args.older_than)
    print(json.dumps({"freed": freed}) if args.json else f"{freed} names freed")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ledger(url: str) -> SessionLedger:
    try:
        return open_ledger(url)
    except InvalidOption as error:
        raise expected(f"the URL of a ledger ({without_value(error)})") from None


def _of_environment(url: str) -> SessionLedger:
    try:
        return open_ledger(url)
    except InvalidOption as error:
        raise LedgerError(f"{VARIABLE}: {without_value(error)}") from None


def _age(text: str) -> float:
    try:
        age = seconds("--older-than", text)
    except InvalidOption:
        raise expected("a time such as 90s, 5m, 2h or 7d") from None
    if age < LEAST_AGE:
        raise expected("ten minutes (10m) or more: a younger session may live")
    return age
