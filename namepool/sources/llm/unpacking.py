"""Unpacks bodies up to a limit. In urllib3, a small piece can grow without a limit."""

from __future__ import annotations

import zlib
from collections.abc import Callable

Unpack = Callable[[bytes, int], bytes]
"""Takes a piece and the most bytes to return. Returns the unpacked piece."""


def unpacking(coding: str) -> Unpack | None:
    """Return the function that reads a body of this ``Content-Encoding``, ``None`` if unknown."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return lambda piece, most: piece[:most]
    return _Members() if coding in ("gzip", "x-gzip", "deflate") else None


class _Members:
    """Unpacks consecutive gzip members, or one zlib stream."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(47)  # takes gzip and zlib, by their headers
        self._left = b""

    def __call__(self, piece: bytes, most: int) -> bytes:
        body = bytearray()
        self._left += piece
        while self._left and len(body) < most and self._begun():
            body += self._member.decompress(self._left, most - len(body))
            self._left = self._member.unused_data
        return bytes(body)

    def _begun(self) -> bool:
        """Begin the next member, if one follows. Return ``False`` for padding or no data."""
        if self._member.eof:
            if not self._left.startswith(b"\x1f\x8b"):
                self._left = self._left if self._left == b"\x1f" else b""
                return False
            self._member = zlib.decompressobj(47)
        return True
