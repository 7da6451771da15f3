"""The pinned versions of the tools fit the project's requirements, and .ci/run has them."""

from __future__ import annotations

import os
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
TOOLS = [*EXTRAS["dev"], *EXTRAS["docs"], *PROJECT["build-system"]["requires"]]
"""The requirements that are tools, and the extras of this project that `dev` includes."""


def pins() -> dict[str, Version]:
    """Return the pinned version of each tool."""
    found: dict[str, Version] = {}
    for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, pinned = line.partition("==")
            assert canonicalize_name(name) not in found, f"{name} is pinned twice"
            found[canonicalize_name(name)] = Version(pinned)
    return found


def test_each_tool_of_the_project_is_pinned() -> None:
    tools = {canonicalize_name(Requirement(text).name) for text in TOOLS} - {"namepool"}
    assert tools - set(pins()) == set()


@pytest.mark.parametrize("text", [*TOOLS, *(text for extra in EXTRAS.values() for text in extra)])
def test_a_pinned_version_fits_the_requirement(text: str) -> None:
    requirement = Requirement(text)
    pinned = pins().get(canonicalize_name(requirement.name))
    assert pinned is None or pinned in requirement.specifier


def test_no_library_that_programs_use_is_pinned() -> None:
    extras = [
        EXTRAS[extra] for extra in ("redis", "prometheus", "structlog", "loguru", "rich", "otel")
    ]
    texts = [*PROJECT["project"]["dependencies"], *(text for extra in extras for text in extra)]
    assert {canonicalize_name(Requirement(text).name) for text in texts} & set(pins()) == set()


@pytest.mark.skipif("NAMEPOOL_CI" not in os.environ, reason="elsewhere other versions may be used")
def test_ci_has_installed_the_pinned_versions() -> None:
    wanted = pins()
    del wanted["setuptools"]  # it is pinned for builds; a new environment may have an older one
    assert {name: installed(name, pinned) for name, pinned in wanted.items()} == wanted


def installed(name: str, otherwise: Version) -> Version:
    """Return the version in this environment, which need not have each tool."""
    try:
        return Version(version(name))
    except PackageNotFoundError:
        return otherwise
