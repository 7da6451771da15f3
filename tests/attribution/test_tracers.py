"""Names on threads beside libraries that replace the same methods: Sentry and OpenTelemetry."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import threading
from concurrent.futures import ThreadPoolExecutor

import namepool


def trace():
    {trace}


OURS = [namepool.named_thread, namepool.NamedExecutor]
PLAIN = [
    lambda say: threading.Thread(target=say),
    lambda say: threading.Timer(0.0, say),
    lambda say: type("Speaking", (threading.Thread,), {{"run": lambda self: say()}})(),
    ThreadPoolExecutor,
]


def speak(pool, on):
    # each says who speaks, an executor in the work that is submitted to it
    said = []
    say = lambda: said.append(pool.speaker())
    with pool.named(timeout=20) as name:
        for make in on:
            if isinstance(make, type):
                with make() as executor:
                    executor.submit(say).result()
            else:
                thread = make(say)
                thread.start()
                thread.join()
    assert said == [name] * len(on), said


{begin}
"""
TRACERS = {
    "sentry": "import sentry_sdk; sentry_sdk.init()",
    "opentelemetry": "from opentelemetry.instrumentation.threading import ThreadingInstrumentor; "
    "ThreadingInstrumentor().instrument()",
}
ORDERS = {
    "theirs first": """
trace()
with namepool.open_pool() as pool:
    speak(pool, OURS)
    with namepool.inherit_everywhere():
        speak(pool, OURS + PLAIN)
    speak(pool, OURS)
""",
    "ours first": """
with namepool.open_pool() as pool, namepool.inherit_everywhere():
    trace()
    speak(pool, OURS + PLAIN)
""",
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("tracer", TRACERS)
def test_names_are_handed_on_beside_a_tracer(tracer: str, order: str) -> None:
    program = PROGRAM.format(trace=TRACERS[tracer], begin=ORDERS[order])

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)

    assert (done.returncode, done.stderr.decode()) == (0, "")
