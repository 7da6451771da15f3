"""A parser of command lines. Its errors repeat no value, as any may be a password."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn

from namepool.core.names import one_line
from namepool.errors import InvalidOption


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage above it; guesses no option.

    An error names the argument and what it may be. A type of an argument raises ``expected``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "allow_abbrev": False})

    def parse_known_args(  # type: ignore[override]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse all: what is unknown to a command is unknown to the others, too."""
        known, others = super().parse_known_args(args, namespace)
        if others:
            self.refuse(f"an argument is unknown, or too many: {self.prog} takes {self.takes()}")
        return known, others

    def error(self, message: str) -> NoReturn:
        """Refuse in argparse's own words where they repeat nothing."""
        argument, what = re.fullmatch("(argument [^:]+: )?(.*)", message, re.S).groups("")  # type: ignore[union-attr]
        if not what.startswith(("must be ", "expected ", "the following arguments are required")):
            what = f"it takes no such value; see {self.prog} --help"
        self.refuse(argument + what)

    def refuse(self, text: str) -> NoReturn:
        """End the command: its arguments are wrong."""
        raise SystemExit(failed(f"error: {one_line(text, 1000)}", 2))

    def takes(self) -> str:
        """Return the options and arguments there are."""
        return ", ".join(
            "/".join(action.option_strings) or str(action.metavar or action.dest)
            for action in self._actions
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        what = f"must be one of {', '.join(action.choices)}"
        if not action.option_strings:  # it may be what belongs to an option that does not exist
            what += f"; {self.prog} takes {self.takes()}"
        raise argparse.ArgumentError(action, what)


def expected(what: str) -> argparse.ArgumentTypeError:
    """Return the error of a type, for a value that is not ``what``."""
    return argparse.ArgumentTypeError(f"must be {what}")


def failed(message: str, code: int) -> int:
    """Print what is wrong; return the exit code."""
    print(f"namepool: {message}", file=sys.stderr)
    return code


def without_value(error: InvalidOption) -> str:
    """Return what an error of ours says, up to the value that it shows."""
    return one_line(str(error).partition(", not ")[0], 400)
