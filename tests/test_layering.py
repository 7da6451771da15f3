"""The arrows of the house point down one list only."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

import namepool

ROOT = Path(namepool.__file__).parent

# From what everything may build on to what nothing may: a package imports from its own row and
# from the rows above it, and no modules import each other in a circle.
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors", "events"),
    ("core",),
    ("actors",),
    ("call_sites", "colors", "ends", "owners", "process_tag", "speaking"),
    ("sources",),
    ("ledgers",),
    ("pool",),
    ("attribution", "metrics", "testing"),
    ("cli", "__main__", "_pyinstaller"),
)
SHARED = {f"namepool.actors.{name}" for name in ("backoff", "checks", "later", "never_copied")}
"""Pure, and so simple that the rows above its own may import it, too."""
PURE = (
    *("events", "core", "pool.fetches", "sources._alike", "sources.numbered", "sources.llm"),
    *("actors.backoff", "actors.checks", "actors.later", "actors.never_copied"),
)
"""With all that is in them, but for what meets threads, clocks or the network:"""
NOT_PURE = {
    *("sources.llm.endpoint", "sources.llm.connections", "sources.llm.logs", "sources.llm.chunk"),
    *("sources.llm.transport", "sources.llm.asking", "sources.llm.nomenclater"),
}
ALLOWED_IN_PURE = {
    *("__future__", "collections", "collections.abc", "dataclasses", "math", "random", "types"),
    *("bisect", "typing", "unicodedata", "json", "re", "datetime", "email.utils", "itertools"),
    *("base64", "codecs", "csv", "enum", "functools", "hashlib", "queue", "urllib.parse", "zlib"),
    "namepool.errors",
}


def modules() -> dict[str, Path]:
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = ["namepool", *path.relative_to(ROOT).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


MODULES = modules()


def imports(text: str) -> set[str]:
    """Return every module that a text imports, also inside functions and for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            assert node.module is not None
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(named & MODULES.keys() or {node.module})
    return found


def package(module: str) -> str:
    return f"{module}.".split(".")[1]  # "" is of ``namepool`` itself


def row(module: str) -> int:
    return next((n for n, row in enumerate(ROWS) if package(module) in row), len(ROWS))


def is_ours(module: str) -> bool:
    return f"{module}.".startswith("namepool.")


def is_pure(module: str) -> bool:
    inner = module.removeprefix("namepool.")
    return inner not in NOT_PURE and any(f"{inner}.".startswith(f"{pure}.") for pure in PURE)


def offences(graph: dict[str, set[str]]) -> list[str]:
    """Return what is wrong with who imports whom."""
    found = []
    for module, other in sorted((one, other) for one in graph for other in graph[one]):
        if is_ours(other) and row(other) > row(module) and other not in SHARED:
            found.append(f"{module} imports {other}, from a row below its own")
        if package(module) == "actors" and is_ours(other) and package(other) != "actors":
            found.append(f"{module} imports {other}: actors know nothing of names")
        if is_pure(module) and not is_pure(other) and other not in ALLOWED_IN_PURE:
            found.append(f"{module} is pure and imports {other}")
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found.append(f"a circle: {', '.join(error.args[1])}")
    return found


GRAPH = {name: imports(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def test_every_package_has_its_row() -> None:
    assert {name for row in ROWS for name in row} == {package(name) for name in MODULES} - {""}


def test_every_module_that_is_said_not_to_be_pure_is_there() -> None:
    assert {f"namepool.{name}" for name in NOT_PURE} <= MODULES.keys()


def test_arrows_point_down_the_list_without_a_circle_and_pure_modules_are_pure() -> None:
    assert offences(GRAPH) == []


@pytest.mark.parametrize(
    ("module", "text", "found"),
    [
        ("core.names", "import namepool", "core.names imports namepool, from a row below"),
        ("sources.base", "from namepool import pool", "base imports namepool.pool, from a row"),
        ("ends", "def f():\n    from namepool.pool import ref", "namepool.pool.ref, from a row"),
        ("ends", "if TYPE_CHECKING:\n    import namepool.cli", "namepool.cli, from a row below"),
        ("ends", "from namepool.owners import owner_id", "a circle: "),
        ("core.names", "from namepool.core.guard import Guard", "a circle: "),
        ("core.names", "from namepool.actors import latch", "actors.latch, from a row below"),
        ("actors.later", "import threading", "actors.later is pure and imports threading"),
        ("actors.reply", "from namepool.core import names", "core.names: actors know nothing"),
        ("core.names", "import threading", "core.names is pure and imports threading"),
        ("core.names", "import namepool.errors, os.path", "core.names is pure and imports os.path"),
        ("sources.llm.texts", "from namepool.sources.llm import chunk", "texts is pure and"),
    ],
)
def test_an_arrow_that_points_the_wrong_way_is_found(module: str, text: str, found: str) -> None:
    module = f"namepool.{module}"

    assert found in "\n".join(offences({**GRAPH, module: imports(text)}))


# What a reader holds in mind

LONGEST_CLASS, LONGEST_BODY = 200, 30
"""Lines, but for those of docstrings."""


def too_long(text: str) -> list[str]:
    """Return what in a file is longer than a reader holds in mind."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            lines = _lines(node) - sum(_lines(told) for told in _docstrings(node))
            if lines > LONGEST_CLASS:
                found.append(f"class {node.name}: {lines} lines")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and _lines(body[0], body[-1]) > LONGEST_BODY:
                found.append(f"{node.name}: {_lines(body[0], body[-1])} lines")
    return found


def _docstrings(node: ast.AST) -> list[ast.stmt]:
    """Return the strings that stand alone: docstrings, of attributes too."""
    return [
        n
        for n in ast.walk(node)
        if isinstance(n, ast.Expr)
        and isinstance(n.value, ast.Constant)
        and isinstance(n.value.value, str)
    ]


def _lines(first: ast.stmt, last: ast.stmt | None = None) -> int:
    end = (last or first).end_lineno
    assert end is not None
    return end - first.lineno + 1


def test_a_class_and_a_function_fit_in_a_readers_mind() -> None:
    found = {name: too_long(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

    assert {name: long for name, long in found.items() if long} == {}


@pytest.mark.parametrize(
    ("methods", "lines", "found"),
    [
        (1, 30, []),
        (1, 31, ["method: 31 lines"]),
        (6, 30, []),
        (6, 32, ["method: 32 lines"] * 6),
        (7, 30, ["class Long: 218 lines"]),
        (9, 32, ["class Long: 298 lines", *["method: 32 lines"] * 9]),
    ],
)
def test_what_is_too_long_is_found(methods: int, lines: int, found: list[str]) -> None:
    method = '    def method(self):\n        """Say."""\n' + "        pass\n" * lines

    assert too_long('"""Say."""\n' + "class Long:\n" + method * methods) == found
