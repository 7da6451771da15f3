"""The command line: ``namepool demo``, ``names``, ``themes``, ``doctor`` and ``ledger``.

The exit code is 0 if all is well, 1 if the command failed, 2 if the arguments are wrong, 130 if the
user interrupted the command, and 141 if nobody reads the output any more. An error is one line on
stderr, never a traceback.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from namepool.cli.demo import page_for_stdout, run_demo
from namepool.cli.doctor import run_doctor
from namepool.cli.ledger import ledger_arguments
from namepool.cli.names import Blocks, asked, joined, run_names, run_themes, walked
from namepool.cli.parser import Parser, expected, failed, number, without_value
from namepool.core.names import one_line
from namepool.errors import InvalidOption, NamePoolError, UnknownTheme
from namepool.sources.listed import ListedNames
from namepool.sources.llm.endpoint import HEADER
from namepool.sources.llm.nomenclater import Nomenclater
from namepool.sources.offline import OfflineNames, available_themes

MOST_NAMES = 1_000_000
"""The most names that the command prints."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of ``argv`` (``None``: the process's arguments); return the exit code."""
    with _writing(), _escaping(sys.stdout), _escaping(sys.stderr):
        return _ended(argv)


@contextmanager
def _writing() -> Iterator[None]:
    """Give a process without stdout, as after ``>&-``, a stdout that leads nowhere."""
    if sys.stdout is not None:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield


@contextmanager
def _escaping(stream: Any) -> Iterator[None]:
    """Let a stream escape characters that its terminal cannot show, rather than fail."""
    if not hasattr(stream, "reconfigure"):
        yield
        return
    before = stream.errors
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        if not stream.closed:
            stream.reconfigure(errors=before)


def _ended(argv: Sequence[str] | None) -> int:
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return failed("interrupted", 130)
    except BrokenPipeError:
        return _silenced(141)
    except (NamePoolError, RuntimeError) as error:  # RuntimeError: no thread can be started
        return failed(f"error: {one_line(error)}", 1)
    except OSError as error:
        return _silenced(failed(f"error: {one_line(error)}", 1))


def _run(argv: Sequence[str] | None) -> int:
    words = sys.argv[1:] if argv is None else argv
    try:
        parser = _parser()
        if any(word.endswith("=--") for word in words):  # argparse would misread it
            parser.refuse("the value of an option must not be '--'")
        args = parser.parse_args(words)
        code: int = args.run(args)
    except SystemExit as end:  # argparse has printed the help, the version or an error
        code = int(end.code or 0)
    print(end="", flush=True)  # a closed pipe fails here, where ``_ended`` handles it
    return code


def _silenced(code: int) -> int:
    """Send the rest of stdout to nowhere; else the interpreter would complain at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return code


def _parser() -> Parser:
    parser = Parser(prog="namepool", description="Memorable names for a program's agents.")
    parser.add_argument("--version", action="version", version=f"namepool {_version()}")
    parser.set_defaults(run=lambda _: failed("error: a command is missing; see namepool --help", 2))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    text = "let agents on threads take names and keep them, though the pool crashes on purpose"
    _demo_arguments(commands.add_parser("demo", help=text, description=text))
    text = "print names, one a line; none occurs twice"
    _names_arguments(commands.add_parser("names", help=text, description=text))
    text = "list the themes of offline names, each with some of its names"
    _themes_arguments(commands.add_parser("themes", help=text, description=text))
    text = "ask an OpenAI-compatible endpoint for names once, and tell how it went"
    _doctor_arguments(commands.add_parser("doctor", help=text, description=text))
    text = "look into a ledger of claimed names, or free the names of dead sessions"
    ledger_arguments(commands.add_parser("ledger", help=text, description=text))
    return parser


def _demo_arguments(parser: Parser) -> None:
    text = "agents, each on a thread: 1 to 1000 (default: 24)"
    parser.add_argument("--agents", type=number(1000), default=24, metavar="N", help=text)
    parser.add_argument("--seed", type=_seed, metavar="N", help="an integer; it settles the names")
    _source_arguments(parser)
    parser.set_defaults(run=_demo)


def _names_arguments(parser: Parser) -> None:
    count, themes = number(MOST_NAMES), available_themes()
    text = "how many: 1 to 1000000 (default: 12, or all names of --name-file)"
    parser.add_argument("count", nargs="?", type=count, metavar="COUNT", help=text)
    text = (
        "take the names of a file, one a line, in their order; lines that begin with # are left out"
    )
    parser.add_argument("--name-file", metavar="FILE", help=text)
    text = (
        "a theme for the names; may be repeated. Offline names have the themes of --theme-file and "
    )
    text += f"{', '.join(themes)}. If no theme of a file is named, those of all files are added"
    parser.add_argument("--theme", action="append", metavar="T", help=text)
    _offline_arguments(parser)
    text = "print short forms; each is the shortest that fits no other of the names"
    parser.add_argument("--short", action="store_true", help=text)
    text = "print slugs, fit for branches, files and hosts; with --short, in a second column"
    parser.add_argument("--slug", action="store_true", help=text)
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    _source_arguments(parser)
    parser.set_defaults(run=_names)


def _themes_arguments(parser: Parser) -> None:
    _offline_arguments(parser)
    parser.set_defaults(run=_themes)


def _offline_arguments(parser: Parser) -> None:
    text = "a file with your own theme, FILE.toml; may be repeated. It replaces the built-in themes"
    parser.add_argument("--theme-file", action="append", metavar="FILE", help=text)
    parser.add_argument("--seed", type=_seed, metavar="N", help="an integer; it settles the names")


def _doctor_arguments(parser: Parser) -> None:
    _endpoint_arguments(parser)
    text = "seconds that the answer may take (default: 30)"
    parser.add_argument("--timeout", type=_seconds, default=30.0, metavar="S", help=text)
    text = "a header to send, as 'api-key: ...'; may be repeated (other users see a command line)"
    parser.add_argument(
        "--header", type=_header, action="append", default=[], metavar="H", help=text
    )
    text = "a theme for the names; may be repeated"
    parser.add_argument("--theme", action="append", metavar="T", help=text)
    parser.set_defaults(run=_doctor, source="openai")


def _source_arguments(parser: Parser) -> None:
    text = "the source of the names (default: offline); openai: any OpenAI-compatible endpoint"
    parser.add_argument("--source", choices=("offline", "openai"), default="offline", help=text)
    _endpoint_arguments(parser)


def _endpoint_arguments(parser: Parser) -> None:
    text = "the model to ask (default: NAMEPOOL_MODEL); the key is read from OPENAI_API_KEY"
    parser.add_argument("--model", metavar="M", help=text)
    text = "the endpoint, such as http://localhost:11434/v1 (default: OPENAI_BASE_URL, or OpenAI's)"
    parser.add_argument("--base-url", metavar="URL", help=text)


def _seconds(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", text) and float(text) > 0:
        return float(text)
    raise expected("a number of seconds above 0")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in text.partition(":"))
    if colon and HEADER.fullmatch(name) and value.isascii() and value.isprintable():
        return name, value
    raise expected("a name, a colon and a value, in printable ASCII")


def _seed(text: str) -> int:
    if re.fullmatch("[+-]?[0-9]{1,4000}", text):  # int() refuses to read more than 4300
        return int(text)
    raise expected("an integer of at most 4000 digits")


def _version() -> str:
    try:
        return version("namepool")
    except PackageNotFoundError:
        return "(not installed: run from its source)"


def _names(args: argparse.Namespace) -> int:
    count = args.count or 12
    if args.name_file is not None:
        blocks = _listed(args)
    elif args.source == "openai":
        blocks = asked(_nomenclater(args, themes=args.theme), count)
        if args.json:  # a model may fail half-way
            blocks = joined(blocks)
    else:
        _refuse_endpoint(args)
        blocks = walked(_offline(args.seed, args.theme, args.theme_file), count)
    return run_names(blocks, short=args.short, slugs=args.slug, array=args.json)


def _listed(args: argparse.Namespace) -> Blocks:
    """Return the names of the file: as many as the user wants, or all."""
    _refuse_endpoint(args)
    for option in ("seed", "theme", "theme_file"):
        if getattr(args, option) is not None:
            flag = option.replace("_", "-")
            raise SystemExit(failed(f"error: --{flag} is for offline names", 2))
    if args.source == "openai":
        raise SystemExit(failed("error: --name-file takes the place of --source openai", 2))
    try:
        source = ListedNames.from_file(args.name_file)
    except InvalidOption as error:
        raise SystemExit(failed(f"error: {_wrong_file(error, '--name-file')}", 2)) from None
    names = source.fetch(args.count or MOST_NAMES, ())
    if args.count and len(names) < args.count:
        wrong = f"argument COUNT: must be at most {len(names)}, the names of the file"
        raise SystemExit(failed(f"error: {wrong}", 2))
    return joined([names])


def _wrong_file(error: InvalidOption, option: str) -> str:
    """Return the text of an error about a file; it repeats no path that cannot be read."""
    if isinstance(error.__cause__, OSError):  # the error itself repeats the path
        reason = error.__cause__.strerror
        return f"argument {option}: must be a file that can be read ({reason})"
    return without_value(error)


def _themes(args: argparse.Namespace) -> int:
    return run_themes(_offline(args.seed, None, args.theme_file))


def _offline(seed: int | None, themes: list[str] | None, files: list[str] | None) -> OfflineNames:
    try:
        return OfflineNames(seed=seed, themes=themes, theme_files=files or ())
    except UnknownTheme as error:
        known = without_value(error).removeprefix("themes must be some of")
        wrong = f"argument --theme: must be one of{known}"
    except InvalidOption as error:
        wrong = _wrong_file(error, "--theme-file")
    raise SystemExit(failed(f"error: {wrong}", 2))


def _nomenclater(args: argparse.Namespace, **options: Any) -> Nomenclater:
    for option in ("seed", "theme_file"):
        if getattr(args, option, None) is not None:
            flag = option.replace("_", "-")
            raise SystemExit(failed(f"error: --{flag} is for offline names", 2))
    return _built(args, **options)


def _built(args: argparse.Namespace, **options: Any) -> Nomenclater:
    try:
        return Nomenclater(args.model, args.base_url, **options)
    except InvalidOption as error:
        raise SystemExit(failed(f"error: {without_value(error)}", 2)) from None


def _refuse_endpoint(args: argparse.Namespace) -> None:
    for option in ("model", "base_url"):
        if getattr(args, option) is not None:
            flag = option.replace("_", "-")
            raise SystemExit(failed(f"error: --{flag} needs --source openai", 2))


def _demo(args: argparse.Namespace) -> int:
    if args.source == "openai":
        with closing(_nomenclater(args)) as source:
            print("-- everybody takes a name --", flush=True)
            return run_demo(args.agents, source, page_for_stdout())
    _refuse_endpoint(args)
    seed = random.randrange(10_000) if args.seed is None else args.seed
    print(f"-- everybody takes a name (the same ones again: --seed {seed}) --", flush=True)
    return run_demo(args.agents, OfflineNames(seed=seed), page_for_stdout())


def _doctor(args: argparse.Namespace) -> int:
    options = {"themes": args.theme, "headers": dict(args.header), "timeout": args.timeout}
    with closing(_built(args, **options)) as nomenclater:
        return run_doctor(nomenclater)
