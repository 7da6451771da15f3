"""Bodies that are packed, unpacked to a limit: urllib3 lets a small piece grow without one."""

from __future__ import annotations

import zlib
from collections.abc import Callable

Unpack = Callable[[bytes, int], bytes]
"""From a piece, and the most bytes that are of use, to what it holds."""


def unpacking(coding: str) -> Unpack | None:
    """Return how to read a body of this ``Content-Encoding``; ``None``: nobody knows."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return lambda piece, most: piece[:most]
    return _Members() if coding in ("gzip", "x-gzip", "deflate") else None


class _Members:
    """A stream of gzip members one after another, or one of zlib."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(47)  # gzip and zlib, told by their headers
        self._left = b""

    def __call__(self, piece: bytes, most: int) -> bytes:
        body = bytearray()
        self._left += piece
        while self._left and len(body) < most and self._begun():
            body += self._member.decompress(self._left, most - len(body))
            self._left = self._member.unused_data
        return bytes(body)

    def _begun(self) -> bool:
        """Begin the next member if one follows; padding does not count."""
        if self._member.eof:
            if not self._left.startswith(b"\x1f\x8b"):
                self._left = self._left if self._left == b"\x1f" else b""
                return False
            self._member = zlib.decompressobj(47)
        return True
