"""The command line: ``namepool demo`` and ``namepool names``.

Exit codes: 0 all is well, 1 it is not, 2 the arguments are wrong, 130 interrupted, 141 nobody reads
the output any more. An error is one line on stderr, never a traceback.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from namepool.demo import run_demo
from namepool.errors import NamePoolError
from namepool.names import one_line
from namepool.sources.offline import OfflineNames, available_themes

BLOCK = 1000  # names written at a time


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` (``None``: the process's) names; return the exit code."""
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return _failed("interrupted", 130)
    except BrokenPipeError:
        return _silenced(141)
    except (NamePoolError, RuntimeError) as error:  # RuntimeError: no more threads to be had
        return _failed(f"error: {one_line(error)}", 1)
    except OSError as error:
        return _silenced(_failed(f"error: {one_line(error)}", 1))


def _run(argv: Sequence[str] | None) -> int:
    words = sys.argv[1:] if argv is None else argv
    try:
        parser = _parser()
        if any(word.endswith("=--") for word in words):  # argparse would make of it what it likes
            parser.error("the value of an option must not be '--'")
        args = parser.parse_args(words)
        code: int = args.run(args)
    except SystemExit as end:  # argparse has printed the help, the version or what is wrong
        code = int(end.code or 0)
    print(end="", flush=True)  # a closed pipe shows now, while there is somebody to handle it
    return code


def _failed(message: str, code: int) -> int:
    print(f"namepool: {message}", file=sys.stderr)
    return code


def _silenced(code: int) -> int:
    """Send what stdout still buffers to nowhere, or the interpreter would complain at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return code


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage above it; guesses no option."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        raise SystemExit(_failed(f"error: {one_line(message, 1000)}", 2))


def _parser() -> _Parser:
    parser = _Parser(prog="namepool", description="Memorable names for a program's agents.")
    parser.add_argument("--version", action="version", version=f"namepool {_version()}")
    parser.set_defaults(run=lambda _: _failed(f"which command?\n\n{parser.format_help()}", 2))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    text = "let agents on threads take names, lend them to their tools and give them back"
    _demo_arguments(commands.add_parser("demo", help=text, description=text))
    text = "print offline names, one a line; none occurs twice"
    _names_arguments(commands.add_parser("names", help=text, description=text))
    return parser


def _demo_arguments(parser: _Parser) -> None:
    text = "agents, each on a thread: 1 to 1000 (default: 24)"
    parser.add_argument("--agents", type=_number(1000), default=24, metavar="N", help=text)
    parser.add_argument("--seed", type=_seed, metavar="N", help="an integer; it settles the names")
    parser.set_defaults(run=_demo)


def _names_arguments(parser: _Parser) -> None:
    count, themes = _number(1_000_000), available_themes()
    text = "how many: 1 to 1000000 (default: 12)"
    parser.add_argument("count", nargs="?", type=count, default=12, metavar="COUNT", help=text)
    text = f"names of this theme only; may be repeated: {', '.join(themes)}"
    parser.add_argument("--theme", action="append", choices=themes, metavar="T", help=text)
    parser.add_argument("--seed", type=_seed, metavar="N", help="an integer; it settles the names")
    parser.add_argument("--json", action="store_true", help="print one JSON array of strings")
    parser.set_defaults(run=_names)


def _number(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= most:
            return int(text)
        raise _expected(f"an integer from 1 to {most}", text)

    return number


def _seed(text: str) -> int:
    if re.fullmatch("[+-]?[0-9]{1,4000}", text):  # int() refuses to read more than 4300
        return int(text)
    raise _expected("an integer of at most 4000 digits", text)


def _expected(what: str, text: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"must be {what}, not {one_line(ascii(text), 60)}")


def _version() -> str:
    try:
        return version("namepool")
    except PackageNotFoundError:
        return "(not installed: run from its source)"


def _names(args: argparse.Namespace) -> int:
    source = OfflineNames(seed=args.seed, themes=args.theme)
    start, between, end = ("[\n", ",\n", "\n]\n") if args.json else ("", "\n", "\n")
    for done in range(0, args.count, BLOCK):
        names = source.fetch(min(BLOCK, args.count - done), ())
        block = between.join(map(json.dumps, names) if args.json else names)
        print(between if done else start, block, sep="", end="")
    print(end=end)
    return 0


def _demo(args: argparse.Namespace) -> int:
    seed = random.randrange(10_000) if args.seed is None else args.seed
    print(f"-- everybody takes a name (the same ones again: --seed {seed}) --", flush=True)
    return run_demo(args.agents, OfflineNames(seed=seed))
