"""Who has not installed an optional library is told how to."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORT = """
import sys
sys.modules[{library!r}] = None  # as if it were not installed
import namepool.attribution.{module}
"""


@pytest.mark.parametrize(("library", "module"), [("rich", "rich"), ("opentelemetry", "otel")])
def test_a_missing_library_is_named_with_what_to_install(library: str, module: str) -> None:
    code = IMPORT.format(library=library, module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"install namepool with the extra '{module}'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(("library", "module"), [("structlog",) * 2, ("loguru",) * 2])
def test_what_needs_no_library_can_be_imported_without(library: str, module: str) -> None:
    code = IMPORT.format(library=library, module=module)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_imports_none_of_them() -> None:
    code = (
        "import sys, namepool, namepool.attribution.logging\n"
        "print({'rich', 'opentelemetry', 'structlog', 'loguru'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
