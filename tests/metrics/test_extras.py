"""Who wants no metrics needs no library for them; who lacks it is told how to get it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("library", ["prometheus_client", "opentelemetry"])
def test_the_package_does_not_import_it(library: str) -> None:
    assert run(f"import sys, namepool, namepool.metrics; print('{library}' in sys.modules)") == (
        "False"
    )


@pytest.mark.parametrize(
    ("library", "extra"), [("prometheus_client", "prometheus"), ("opentelemetry", "otel")]
)
def test_without_it_the_error_says_what_to_install(library: str, extra: str) -> None:
    printed = run(
        f"import sys; sys.modules['{library}'] = None\n"
        f"try:\n    import namepool.metrics.{extra}\n"
        "except ImportError as error:\n    print(error)"
    )
    assert printed.endswith(f"install namepool with the extra '{extra}'")
