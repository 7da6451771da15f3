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


def speaks_everywhere(pool):
    def say():
        said.append(pool.speaker())

    class Speaking(threading.Thread):
        def run(self):
            say()

    said = []
    with pool.named(timeout=20) as name:
        for start in [
            lambda: threading.Thread(target=say),
            lambda: threading.Timer(0.0, say),
            Speaking,
            lambda: namepool.named_thread(say),
        ]:
            thread = start()
            thread.start()
            thread.join()
        for executor in [ThreadPoolExecutor(), namepool.NamedExecutor()]:
            with executor:
                executor.submit(say).result()
    assert said == [name] * 6, said


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
with namepool.open_pool() as pool, namepool.inherit_everywhere():
    speaks_everywhere(pool)
""",
    "ours first": """
with namepool.open_pool() as pool, namepool.inherit_everywhere():
    trace()
    speaks_everywhere(pool)
""",
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("tracer", TRACERS)
def test_names_are_handed_on_beside_a_tracer(tracer: str, order: str) -> None:
    program = PROGRAM.format(trace=TRACERS[tracer], begin=ORDERS[order])

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)

    assert (done.returncode, done.stderr.decode()) == (0, "")
