"""Strike an operation at the k-th place where CPython looks for exceptions from outside.

It looks after a call returned, at a function's entry and at a backward jump, and nowhere else; so
the trace raises only where the bytecode before, in the same frame, is one of these. (It does so
where an ``await`` goes on, too, where CPython does not look: there it is stricter. It does not do
so after a call that raised. CPython does not look there either, and 3.11 never frees the exception
of a call if a trace raises another one at the entry of its handler.)
"""

from __future__ import annotations

import contextlib
import dis
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import namepool
from namepool import ends

PACKAGE = str(Path(namepool.__file__).parent) + os.sep
LEDGERS = PACKAGE + "ledgers" + os.sep
"""Not struck: a trace can raise in the midst of ``with lock: return work()``, CPython cannot."""

LOOKS_AFTER = frozenset(
    name for name in ("CALL", "CALL_KW", "CALL_FUNCTION_EX", "RESUME") if name in dis.opmap
)
LOOKS_IF_IT_JUMPS = frozenset(
    name
    for name in dis.opmap
    if "JUMP_BACKWARD" in name and not name.startswith(("INSTRUMENTED", "JUMP_BACKWARD_NO"))
)
"""Some jump on a condition, on CPython 3.11."""

_places: dict[CodeType, dict[int, str]] = {}


def _names(code: CodeType) -> dict[int, str]:
    """Return the opcode's name at each offset of un-specialised code, caches left out."""
    known = _places.get(code)
    if known is None:
        known = _places[code] = {i.offset: i.opname for i in dis.get_instructions(code)}
    return known


class Striker:
    """A trace that raises ``error`` at the k-th place, once; ``struck`` says where."""

    def __init__(self, k: int, error: BaseException, files: str) -> None:
        self.left = k
        self.error = error
        self._files = files
        self.struck: str | None = None
        self._before: dict[FrameType, tuple[int, str]] = {}
        """Frame → the offset of its last bytecode, and which that was."""

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if self.struck is not None or not self._is_in(frame):
            return None
        if event == "call":
            frame.f_trace = self.trace  # first: CPython 3.13 heeds f_trace_opcodes only then
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            self._note(frame)  # RESUME, which CPython 3.11 does not report as an opcode
        elif event == "opcode":
            self._look(frame)
        elif event in ("return", "exception"):  # of a call, or closed, which 3.14 calls a call
            self._before.pop(frame, None)
        return self.trace

    def _is_in(self, frame: FrameType) -> bool:
        """Tell whether a frame is of the files, or of what of the standard library serves them."""
        user: FrameType | None = frame
        while user is not None and user.f_code.co_filename == contextlib.__file__:
            user = user.f_back
        if user is None or user.f_code.co_filename.startswith(LEDGERS):
            return False
        return user.f_code.co_filename.startswith(self._files)

    def _note(self, frame: FrameType) -> None:
        self._before[frame] = frame.f_lasti, _names(frame.f_code).get(frame.f_lasti, "")

    def _look(self, frame: FrameType) -> None:
        offset, name = self._before.get(frame, (0, ""))
        self._note(frame)
        if name in LOOKS_AFTER or (name in LOOKS_IF_IT_JUMPS and frame.f_lasti < offset):
            if self.left == 0:
                file = frame.f_code.co_filename.removeprefix(PACKAGE)
                self.struck = f"{file}:{frame.f_lineno} {frame.f_code.co_name}"
                self._before.clear()
                sys.settrace(None)
                raise self.error
            self.left -= 1


class Strike(Exception):
    """What strikes; most programs stop their agents with an exception of their own."""


class HardStrike(BaseException):
    """A strike that is no ``Exception``."""


def strike_at(
    k: int,
    operation: Callable[[], Any],
    kind: type[BaseException] = Strike,
    files: str = PACKAGE,
) -> tuple[str | None, bool]:
    """Run ``operation``, struck at its k-th place; return the place, and whether it came out.

    So it did, too, where it hit the end of a task or a thread, which is told of in a finaliser.
    """
    striker, before, hook = Striker(k, kind("struck"), files), sys.gettrace(), sys.unraisablehook
    told: list[object] = []

    def unraisable(what: Any) -> None:
        # CPython 3.14 says in the text which callback it was.
        told_by = what.object is ends._died or repr(ends._died) in (what.err_msg or "")
        if what.exc_value is striker.error and told_by:
            told.append(what)
        else:
            hook(what)

    trace = striker.trace  # kept: CPython 3.11 calls it once more, if a finaliser was struck
    sys.unraisablehook = unraisable
    sys.settrace(trace)
    try:
        operation()
    except BaseException as error:
        if error is not striker.error:
            raise
        # What the frames hold is let go of, as if the program had dealt with the error.
        error.__traceback__ = error.__context__ = None
        return striker.struck, True
    finally:
        sys.settrace(before)
        sys.unraisablehook = hook
        striker._before.clear()
        striker.error.__traceback__ = None
    return striker.struck, bool(told)


strike_at(0, lambda: namepool.current_owner())  # CPython 3.12 reports opcodes from the second on
