"""``namepool doctor``: one question to an endpoint, and a table of how it went."""

from __future__ import annotations

from collections.abc import Iterator

from namepool.names import one_line
from namepool.sources.llm.nomenclater import Nomenclater, Probe
from namepool.sources.llm.ladder import RUNGS

WIDTH = 18


def run_doctor(nomenclater: Nomenclater) -> int:
    """Print what the endpoint does; return 0 if a usable name came, else 1.

    Blocks as ``Nomenclater.fetch`` does.
    """
    print(f"{nomenclater}: one question for 12 names", flush=True)
    probe = nomenclater.probe(12)
    for label, value in _rows(probe):
        print(f"{label:<{WIDTH}} | {value}")
    print("\nIt gives names." if probe.names else "\nIt gives no names.")
    return 0 if probe.names else 1


def _rows(probe: Probe) -> Iterator[tuple[str, object]]:
    yield "reachable", "no" if probe.status is None else "yes"
    yield "HTTP status", probe.status or "-"
    yield "latency", f"{probe.seconds:.2f} s" if probe.status else "-"
    yield "form it takes", _form(probe.form)
    yield "names received", probe.received
    yield "valid", len(probe.names)
    yield "rejected", len(probe.rejected)
    for name, why in probe.rejected.items():
        yield "", one_line(f"{name!a} {why}")
    if probe.error is not None:
        yield "error", probe.error


def _form(form: str | None) -> str:
    if form is None:
        return "-"
    return f"{form} (rung {RUNGS.index(form) + 1} of {len(RUNGS)})"
