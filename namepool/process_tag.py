"""The tag of this process: it sets the ids of its leases apart from those of other processes."""

from __future__ import annotations

import os

_made: dict[str, str] = {}
"""The tag, once it is made."""


def process_tag() -> str:
    """Return the tag of this process: 12 random hexadecimal digits, made at the first call.

    Any thread may call it, and all of them get the same tag. A forked child has a tag of its own.
    """
    tag = _made.get("tag")
    return _made.setdefault("tag", os.urandom(6).hex()) if tag is None else tag


def _after_fork_in_child() -> None:
    global _made
    _made = {}  # a new dict, because another thread may have been in the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
