"""``namepool doctor``: a question to an endpoint, and a table of the answer."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator

from namepool.cli.columns import columns
from namepool.cli.vendors import Vendor, likely
from namepool.core.names import one_line
from namepool.sources.llm.chunk import Probe
from namepool.sources.llm.ladder import RUNGS
from namepool.sources.llm.nomenclater import Nomenclater

LABELS = 18  # columns
NARROWEST = 40  # columns; a narrower terminal breaks the lines itself

BY_PROXY = re.compile("(?:no connection within .* by )?the proxy ?")
"""The beginning of an error that comes from a proxy, and not from the endpoint."""

ADVICE = {
    rf"\A{BY_PROXY.pattern}": "look at HTTPS_PROXY, HTTP_PROXY and ALL_PROXY: does that proxy run? "
    "NO_PROXY names the hosts that need no proxy",
    "no (?:answer|connection) within|time for this chunk": "allow more time: --timeout 120 here, "
    "timeout= and the pool's fetch_timeout= in a program; for a model that reasons, "
    "extra_body={'reasoning_effort': 'low'}",
    "HTTP 401|api[ _-]?key|unauthori[sz]ed|no connected db": "set OPENAI_API_KEY to a key of this "
    "endpoint, or send another header: --header 'api-key: ...'",
    "HTTP 403": "the key is known but may not use this model: look at its rights",
    "HTTP 404|not exist|not found|(?:invalid|not a valid|unknown) model": "look at --base-url "
    "(mostly it ends in /v1) and at the name of the model",
    "HTTP 402|quota|billing|balance|credit": "look at the account: its quota or balance is used up",
    "HTTP 429": "wait, or ask less often, with a larger chunk_size",
    "context|too long|maximum|max_tokens": "the model reads too little: set "
    "max_used_in_prompt=0, or give it a larger context",
    "finish_reason: length": "the answer ended before the names: set a larger max_tokens, "
    "or extra_body={'reasoning_effort': 'low'}",
    "refused|unreachable|Name or service|resolution|gaierror": "is the server running, and is "
    "--base-url its address?",
    "certificate": "set REQUESTS_CA_BUNDLE to the certificates of the endpoint's authority",
    "redirect": "set --base-url to the address that the endpoint redirects to",
    "not JSON|no chat completion|the reply is|HTTP 405": "this is no chat completion: look at "
    "--base-url (mostly it ends in /v1)",
    "no names in|did not keep|wrote nothing": "ask again; if that fails, take a larger model",
}
"""The advice for an error, by a pattern of its text. The first pattern that fits counts."""


def run_doctor(nomenclater: Nomenclater) -> int:
    """Ask the endpoint and print its answer; return 0 if a usable name came, else 1.

    Blocks as ``Nomenclater.fetch`` does.
    """
    width = max(shutil.get_terminal_size().columns, NARROWEST)
    for line in _wrapped(f"{nomenclater}: a question for 12 names", width):
        print(line, flush=True)
    probe = nomenclater.probe(12)
    for label, value in _rows(probe):
        _print_row(label, str(value), width)
    print("\nIt gives names." if probe.names else "\nIt gives no names.")
    return 0 if probe.names else 1


def _print_row(label: str, value: str, width: int) -> None:
    """Print a row, its value broken to the width of the terminal."""
    for line in _wrapped(value, width - LABELS - 3):
        print(f"{label:<{LABELS}} | {line}")
        label = ""


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Yield lines of at most ``width`` columns; escape characters that stdout cannot encode."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    line = ""
    for word in text.encode(encoding, "backslashreplace").decode(encoding).split():
        if line and columns(f"{line} {word}") > width:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
        while columns(line) > width:
            fitting = next(n for n in range(len(line), 0, -1) if columns(line[:n]) <= width)
            yield line[:fitting]
            line = line[fitting:]
    yield line


def _rows(probe: Probe) -> Iterator[tuple[str, object]]:
    yield "reachable", _reachable(probe)
    yield "HTTP status", probe.status or "-"
    yield "latency", f"{probe.seconds:.2f} s" if probe.status else "-"
    yield "looks like", " or ".join(vendor.name for vendor in _vendors(probe)) or "nobody known"
    yield "form it takes", _form(probe.form)
    label = "forms tried"
    for form, outcome in probe.tried.items():
        yield label, f"{form}: {outcome}"
        label = ""
    yield "names received", probe.received
    yield "valid", len(probe.names)
    if probe.names:
        yield "names", ", ".join(probe.names)
    yield "rejected", len(probe.rejected)
    for name, why in probe.rejected.items():
        yield "", one_line(f"{name!a} {why}")
    if probe.error is not None:
        yield "error", probe.error
    if not probe.names:
        yield "try this", advice(probe)


def _vendors(probe: Probe) -> list[Vendor]:
    return likely(probe.host, probe.headers)


def _reachable(probe: Probe) -> str:
    if probe.status is not None:
        return "yes"
    if BY_PROXY.match(probe.error or ""):
        return "not by the proxy"
    return f"it took too long: {probe.error}" if probe.late else "no"


def _form(form: str | None) -> str:
    if form is None:
        return "-"
    return f"{form} (rung {RUNGS.index(form) + 1} of {len(RUNGS)})"


def advice(probe: Probe) -> str:
    """Return the advice for the error, and the hints for the vendor of the endpoint."""
    said = probe.error or "no names in the reply may be given"
    told = next((text for fits, text in ADVICE.items() if re.search(fits, said, re.I)), "")
    hints = [f"{vendor.name}: {vendor.hint}" for vendor in _vendors(probe) if vendor.hint]
    return "; ".join(filter(None, [told, *hints])) or "see the guide on sources and models"
