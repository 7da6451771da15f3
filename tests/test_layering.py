"""The arrows of the house point down one list only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import namepool

ROOT = Path(namepool.__file__).parent

# From what everything may build on to what nothing may: a module imports from rows above its own.
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("confusables",),
    ("names",),
    ("offence", "display"),
    ("guard",),
    ("options",),
    ("actors.latch", "actors.forks", "actors.child_spec", "actors.restarts"),
    ("actors.reply",),
    ("actors.inbox",),
    ("actors.ref",),
    ("actors.death_watch",),
    ("actors.service_actor",),
    ("actors.handle",),
    ("actors.supervision",),
    ("actors.supervisor",),
    ("actors",),
    ("state", "refill"),
    ("owners",),
    ("messages",),
    ("sources._alike", "sources._theme"),
    ("sources.base", "sources.offline", "sources.numbered", "sources._texts"),
    ("sources.prompts",),
    ("sources._endpoint", "sources._retry", "sources._chunk"),
    ("sources._http",),
    ("sources.nomenclater",),
    ("sources",),
    ("fetcher",),
    ("pool",),
    ("handle",),
    ("attribution", "attribution.logging"),
    ("service",),
    ("demo",),
    ("doctor",),
    ("cli",),
    ("__main__",),
)
PURE = {
    *(
        "confusables",
        "names",
        "display",
        "offence",
        "guard",
        "state",
        "refill",
        "options",
        "errors",
    ),
    *("sources._alike", "sources._texts", "sources.prompts", "sources._retry"),
}
ALLOWED_IN_PURE = {
    *("__future__", "codecs", "collections", "collections.abc", "dataclasses", "functools"),
    *("itertools", "math", "random", "types", "typing", "unicodedata", "json", "re", "datetime"),
    *("email.utils", "hashlib", "zlib"),
}


def modules() -> dict[str, Path]:
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def imports(path: Path) -> set[str]:
    """Return every module that a file imports, also inside functions and for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            assert node.module is not None
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            real = {f"namepool.{name}" for name in modules()}
            found.update(submodules & real or {node.module})
    return found


def rank(module: str) -> int:
    return next(n for n, row in enumerate(ROWS) if module in row)


MODULES = sorted(name for name in modules() if name)


def test_every_module_has_its_row() -> None:
    assert {name for row in ROWS for name in row} == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_rows_above_its_own(module: str) -> None:
    for imported in imports(modules()[module]):
        if imported == "namepool":
            raise AssertionError(f"{module} imports the package itself")
        if imported.startswith("namepool."):
            assert rank(imported.removeprefix("namepool.")) < rank(module), imported


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("actors")])
def test_actors_import_nothing_of_ours_but_themselves(module: str) -> None:
    ours = {name for name in imports(modules()[module]) if name.startswith("namepool")}
    assert all(name.startswith("namepool.actors") for name in ours)


@pytest.mark.parametrize("module", sorted(PURE - {"errors"}))
def test_a_pure_module_imports_no_thread_clock_or_io(module: str) -> None:
    outside = {name for name in imports(modules()[module]) if not name.startswith("namepool")}
    assert outside <= ALLOWED_IN_PURE
    ours = {name for name in imports(modules()[module]) if name.startswith("namepool")}
    assert ours <= {f"namepool.{name}" for name in PURE}
