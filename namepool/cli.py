"""The command line: ``namepool demo``, ``names``, ``themes`` and ``doctor``.

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
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from namepool.demo import run_demo
from namepool.display import short_names, slug
from namepool.doctor import run_doctor
from namepool.errors import InvalidOption, NamePoolError
from namepool.names import one_line
from namepool.sources.nomenclater import Nomenclater
from namepool.sources.offline import OfflineNames, available_themes

BLOCK = 1000  # names written at a time
CHUNK = 50  # names that a model is asked for at a time

_Blocks = Generator[list[str], None, None]


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
    parser.set_defaults(
        run=lambda _: _failed("error: a command is missing; see namepool --help", 2)
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    text = "let agents on threads take names, lend them to their tools and give them back"
    _demo_arguments(commands.add_parser("demo", help=text, description=text))
    text = "print names, one a line; none occurs twice"
    _names_arguments(commands.add_parser("names", help=text, description=text))
    text = "list the themes of offline names, each with some of its names"
    _themes_arguments(commands.add_parser("themes", help=text, description=text))
    text = "ask an OpenAI-compatible endpoint for names once, and tell how it went"
    _doctor_arguments(commands.add_parser("doctor", help=text, description=text))
    return parser


def _demo_arguments(parser: _Parser) -> None:
    text = "agents, each on a thread: 1 to 1000 (default: 24)"
    parser.add_argument("--agents", type=_number(1000), default=24, metavar="N", help=text)
    parser.add_argument("--seed", type=_seed, metavar="N", help="an integer; it settles the names")
    _source_arguments(parser)
    parser.set_defaults(run=_demo)


def _names_arguments(parser: _Parser) -> None:
    count, themes = _number(1_000_000), available_themes()
    text = "how many: 1 to 1000000 (default: 12)"
    parser.add_argument("count", nargs="?", type=count, default=12, metavar="COUNT", help=text)
    text = f"names of this theme only; may be repeated: {', '.join(themes)}"
    parser.add_argument("--theme", action="append", choices=themes, metavar="T", help=text)
    _offline_arguments(parser)
    text = "print short forms, each the shortest that no other of the names can be read as"
    parser.add_argument("--short", action="store_true", help=text)
    text = "print slugs, fit for branches, files and hosts; after --short, in a second column"
    parser.add_argument("--slug", action="store_true", help=text)
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    _source_arguments(parser)
    parser.set_defaults(run=_names)


def _themes_arguments(parser: _Parser) -> None:
    _offline_arguments(parser)
    parser.set_defaults(run=_themes)


def _offline_arguments(parser: _Parser) -> None:
    text = "a file with a theme of one's own; may be repeated"
    parser.add_argument("--theme-file", action="append", metavar="FILE", help=text)
    parser.add_argument("--seed", type=_seed, metavar="N", help="an integer; it settles the names")


def _doctor_arguments(parser: _Parser) -> None:
    _endpoint_arguments(parser)
    parser.set_defaults(run=_doctor, source="openai")


def _source_arguments(parser: _Parser) -> None:
    text = "where names come from (default: offline); openai: any OpenAI-compatible endpoint"
    parser.add_argument("--source", choices=("offline", "openai"), default="offline", help=text)
    _endpoint_arguments(parser)


def _endpoint_arguments(parser: _Parser) -> None:
    text = "the model to ask (default: NAMEPOOL_MODEL); the key is read from OPENAI_API_KEY"
    parser.add_argument("--model", metavar="M", help=text)
    text = "the endpoint, such as http://localhost:11434/v1 (default: OPENAI_BASE_URL, or OpenAI's)"
    parser.add_argument("--base-url", metavar="URL", help=text)


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
    start, between, end = ("[\n", ",\n", "\n]\n") if args.json else ("", "\n", "\n")
    written = json.dumps if args.json else "\t".join if args.short and args.slug else str
    with closing(_shown(args, _names_source(args))) as blocks:
        # A model may fail half-way, and half an array is of no use to who reads it.
        whole = args.json and args.source == "openai"
        for names in [_joined(blocks)] if whole else blocks:
            block = between.join(map(written, names))
            print(start, block, sep="", end="", flush=True)
            start = between
    print(end=end)
    return 0


def _shown(args: argparse.Namespace, blocks: _Blocks) -> Generator[list[Any], None, None]:
    """Yield the names in blocks as they are to be shown: a name, a form of it, or two."""
    with closing(blocks):
        if args.short:  # whether a form is short enough depends on all the others
            names = _joined(blocks)
            shorts = short_names(names)
            yield (
                [(s, slug(n)) for s, n in zip(shorts, names, strict=True)] if args.slug else shorts
            )
            return
        for block in blocks:
            yield list(map(slug, block)) if args.slug else block


def _joined(blocks: Iterable[list[Any]]) -> list[Any]:
    return [name for block in blocks for name in block]


def _names_source(args: argparse.Namespace) -> _Blocks:
    """Yield the names in blocks."""
    if args.source == "openai":
        return _asked(_nomenclater(args), args.count)
    _refuse_endpoint(args)
    return _walked(_offline(args.seed, args.theme, args.theme_file), args.count)


def _offline(seed: int | None, themes: list[str] | None, files: list[str] | None) -> OfflineNames:
    try:
        return OfflineNames(seed=seed, themes=themes, theme_files=files or ())
    except InvalidOption as error:
        raise SystemExit(_failed(f"error: {one_line(error, 400)}", 2)) from None


def _themes(args: argparse.Namespace) -> int:
    """Print the id, the description and three names of each theme."""
    source = _offline(args.seed, None, args.theme_file)
    for theme in source.described():
        names = "; ".join(source.fetch(3, (), theme.id))
        print(f"{theme.id:<12} {theme.description}\n{'':<12} {names}")
    return 0


def _walked(source: OfflineNames, count: int) -> _Blocks:
    for done in range(0, count, BLOCK):
        yield source.fetch(min(BLOCK, count - done), ())


def _asked(source: Nomenclater, count: int) -> _Blocks:
    names: list[str] = []
    with closing(source):
        while len(names) < count:
            names += (block := source.fetch(min(CHUNK, count - len(names)), names))
            yield block


def _nomenclater(args: argparse.Namespace) -> Nomenclater:
    for option in ("seed", "theme", "theme_file"):
        if getattr(args, option, None) is not None:
            flag = option.replace("_", "-")
            raise SystemExit(_failed(f"error: --{flag} is for offline names", 2))
    try:
        return Nomenclater(args.model, args.base_url)
    except InvalidOption as error:
        raise SystemExit(_failed(f"error: {one_line(error)}", 2)) from None


def _refuse_endpoint(args: argparse.Namespace) -> None:
    for option in ("model", "base_url"):
        if getattr(args, option) is not None:
            flag = option.replace("_", "-")
            raise SystemExit(_failed(f"error: --{flag} needs --source openai", 2))


def _demo(args: argparse.Namespace) -> int:
    if args.source == "openai":
        with closing(_nomenclater(args)) as source:
            print("-- everybody takes a name --", flush=True)
            return run_demo(args.agents, source)
    _refuse_endpoint(args)
    seed = random.randrange(10_000) if args.seed is None else args.seed
    print(f"-- everybody takes a name (the same ones again: --seed {seed}) --", flush=True)
    return run_demo(args.agents, OfflineNames(seed=seed))


def _doctor(args: argparse.Namespace) -> int:
    with closing(_nomenclater(args)) as nomenclater:
        return run_doctor(nomenclater)
