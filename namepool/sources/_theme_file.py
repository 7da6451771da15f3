"""Reads the text of a theme file. The file may hold anything, but the time stays bounded."""

from __future__ import annotations

import os
import re
import stat

from namepool.core.names import one_line
from namepool.errors import InvalidOption

MAX_BYTES = 64 * 1024
"""The most bytes in a theme file. A file of the package has about 4000."""

_MOST_DOTS = 100
# Strings and comments, because their dots make no dotted keys. An unclosed string ends where a TOML
# parser stops.
_QUOTED = re.compile(
    r"""
    \"{3} (?: \\. | [^\\] )*? (?: \"{3,5} | \Z )
    | '{3} .*? (?: '{3,5} | \Z )
    | " (?: \\[^\n] | [^"\\\n] )* "?
    | ' [^'\n]* '?
    | \# [^\n]*
    """,
    re.DOTALL | re.VERBOSE,
)


def text_of(
    path: str | os.PathLike[str], option: str = "theme_files", most: int = MAX_BYTES
) -> tuple[str, str]:
    """Return two texts: the path of a file, as errors show it, and the text of the file.

    ``option`` is the option that gave the path, and ``most`` is the most bytes of the file.

    Raises:
        InvalidOption: the file cannot be read, is no regular file, is too large or is not UTF-8
    """
    try:
        name = os.fsdecode(path)
        with open(name, "rb", opener=_open) as stream:
            status = os.fstat(stream.fileno())
            data = stream.read(most + 1) if stat.S_ISREG(status.st_mode) else None
    except (OSError, TypeError, ValueError) as error:
        raise InvalidOption(f"{option}: {one_line(error, 1000)}") from error
    file = one_line(name, 1000)
    if data is None:
        raise InvalidOption(f"{file}: must be a regular file, not a pipe or a device")
    if len(data) > most:
        size = max(status.st_size, len(data))
        kilobytes = most // 1024
        raise InvalidOption(f"{file}: must have at most {most} bytes ({kilobytes} kB), not {size}")
    try:
        text = data.decode("utf-8-sig")  # some editors write a byte order mark
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"must be UTF-8, which {data[error.start]:#04x} is not: save it as UTF-8"
        raise InvalidOption(f"{file}, line {line}: {reason}") from None
    return file, text.replace("\r\n", "\n").replace("\r", "\n")


def _open(file: str, flags: int) -> int:
    """Open a file. The call does not wait for the writer of a FIFO."""
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))


def check_dots(text: str) -> None:
    """Refuse text with many dotted keys. They take seconds to parse, and a theme has none."""
    dots = _QUOTED.sub('""', text).count(".")
    if dots > _MOST_DOTS:
        raise ValueError(f"must have at most {_MOST_DOTS} dots outside of strings, not {dots}")
