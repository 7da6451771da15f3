"""A parser of command lines. Its errors repeat no value, as any value may be a password."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from namepool.core.names import one_line
from namepool.errors import InvalidOption


class Parser(argparse.ArgumentParser):
    """A parser that prints an error in one line, without the usage above it.

    The user must write the name of an option in full. An error names the argument and the values
    that the argument takes. If the ``type`` function of an argument refuses a value, the function
    raises the error from ``expected``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "allow_abbrev": False})

    def parse_known_args(  # type: ignore[override]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse all arguments; refuse an argument that the command does not know."""
        known, others = super().parse_known_args(args, namespace)
        if others:
            self.refuse(f"an argument is unknown, or too many: {self.prog} takes {self.takes()}")
        return known, others

    def error(self, message: str) -> NoReturn:
        """End the command with an error that repeats no value.

        If the text of argparse's own ``message`` may repeat a value, another text replaces it.
        """
        argument, what = re.fullmatch("(argument [^:]+: )?(.*)", message, re.S).groups("")  # type: ignore[union-attr]
        if not what.startswith(("must be ", "expected ", "the following arguments are required")):
            what = f"it takes no such value; see {self.prog} --help"
        self.refuse(argument + what)

    def refuse(self, text: str) -> NoReturn:
        """End the command, because its arguments are wrong."""
        raise SystemExit(failed(f"error: {one_line(text, 1000)}", 2))

    def takes(self) -> str:
        """Return a list of the options and arguments, as a text."""
        return ", ".join(
            "/".join(action.option_strings) or str(action.metavar or action.dest)
            for action in self._actions
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        what = f"must be one of {', '.join(action.choices)}"
        if not action.option_strings:  # an unknown option may stand before it
            what += f"; {self.prog} takes {self.takes()}"
        raise argparse.ArgumentError(action, what)


def expected(what: str) -> argparse.ArgumentTypeError:
    """Return the error that says that the value of an argument must be ``what``."""
    return argparse.ArgumentTypeError(f"must be {what}")


def number(most: int) -> Callable[[str], int]:
    """Return the type of an argument that is an integer from 1 to ``most``."""

    def number(text: str) -> int:
        if re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= most:
            return int(text)
        raise expected(f"an integer from 1 to {most}")

    return number


def failed(message: str, code: int) -> int:
    """Print the error; return the exit code."""
    print(f"namepool: {message}", file=sys.stderr)
    return code


def without_value(error: InvalidOption) -> str:
    """Return the text of an error of ours, up to the value that it shows."""
    return one_line(str(error).partition(", not ")[0], 400)
