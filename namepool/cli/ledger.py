"""``namepool ledger ls``, ``stats`` and ``prune``: the holders of claimed names, for people."""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from namepool.cli.claims import WORDS, ls_arguments, no_claims, run_ls
from namepool.cli.parser import expected, failed, without_value
from namepool.core.names import one_line
from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers.base import LEAST_AGE
from namepool.ledgers.session import SessionLedger
from namepool.ledgers.urls import open_ledger, seconds

VARIABLE = "NAMEPOOL_LEDGER"

KEPT = (
    "The name of an identity stays claimed for the identity, however old it is. Only --identities "
    "frees it. No prune frees a name of a process that is known to run."
)
"""The help about the names that a prune does not free."""


def ledger_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``namepool ledger``."""
    _add_ledger(parser, default=None)
    parser.epilog = WORDS
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    text = "list the claimed names: name, host, process, time of the claim, state, identity"
    ls_arguments(_add(commands, "ls", text, run_ls, WORDS))
    text = "count the names, and the living, silent and ended sessions that have them"
    _add(commands, "stats", text, _stats, WORDS)
    text = "free the names of sessions that died or ended before a given time"
    prune = _add(commands, "prune", text, _prune, KEPT)
    text = "the time since the last renewal, such as 12h or 7d; at least ten minutes"
    prune.add_argument("--older-than", type=_age, required=True, metavar="T", help=text)
    text = "also free the names of identities, which then lose them"
    prune.add_argument("--identities", action="store_true", help=text)


def _add(
    commands: Any, name: str, text: str, work: Callable[[SessionLedger, Any], int], more: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, epilog=more
    )
    _add_ledger(parser, default=argparse.SUPPRESS)  # else it would hide a --ledger before COMMAND
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=lambda args: _run(args, work))
    return parser


def _add_ledger(parser: argparse.ArgumentParser, default: str | None) -> None:
    text = f"such as sqlite:///names.db?namespace=x (default: {VARIABLE}, hidden from other users)"
    parser.add_argument("--ledger", type=_ledger, default=default, metavar="URL", help=text)


def _run(args: argparse.Namespace, work: Callable[[SessionLedger, Any], int]) -> int:
    ledger = args.ledger
    if ledger is None:
        url = os.environ.get(VARIABLE)
        if url is None:
            raise LedgerError(f"which ledger? give --ledger, or set {VARIABLE}")
        ledger = _of_environment(url)
    with _warnings_in_one_line(), closing(ledger):
        if not ledger.exists():
            raise LedgerError(f"{ledger} does not exist yet")
        return work(ledger, args)


class _Warnings(logging.Handler):
    """Prints a warning as the command prints an error."""

    def emit(self, record: logging.LogRecord) -> None:
        failed(f"warning: {one_line(record.getMessage(), 1000)}", 0)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    log, handler = logging.getLogger("namepool.ledgers"), _Warnings(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _stats(ledger: SessionLedger, args: argparse.Namespace) -> int:
    stats = ledger.stats()
    if not any(stats[1:]):
        return no_claims(ledger)
    if args.json:
        print(json.dumps(stats._asdict(), indent=1))
        return 0
    for name, value in stats._asdict().items():
        print(f"{name}\t{value}")
    return 0


def _prune(ledger: SessionLedger, args: argparse.Namespace) -> int:
    freed = ledger.prune(args.older_than, identities=args.identities)
    print(json.dumps({"freed": freed}) if args.json else f"{freed} names freed")
    return 0


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
