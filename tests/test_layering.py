"""The arrows of the house point down one list only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import namepool

ROOT = Path(namepool.__file__).parent

# From what everything may build on to what nothing may: a module imports from rows above its own.
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors", "events"),
    ("core.confusables",),
    ("core.names",),
    ("core.offence", "core.display"),
    ("core.guard",),
    ("core.options", "core.refill", "core.stats", "core.events", "core.waiters"),
    ("core.stock",),
    ("core.leases",),
    ("core.bindings", "core.log"),
    ("core.state",),
    ("core.observed",),
    ("core",),
    ("actors.latch", "actors.forks", "actors.never_copied", "actors.supervision.intensity"),
    ("actors.supervision.child_spec",),
    ("actors.lifecycle",),
    ("actors.replies.resolving", "actors.replies.suspending"),
    ("actors.replies.giving_up",),
    ("actors.replies.waiting",),
    ("actors.replies",),
    ("actors.reply",),
    ("actors.inbox",),
    ("actors.ref",),
    ("actors.launch",),
    ("actors.service_ref",),
    ("actors.actor_loop", "actors.at_exit"),
    ("actors.service_actor",),
    ("actors.supervision.handle", "actors.supervision.protocol"),
    ("actors.supervision.children",),
    ("actors.supervision.procedures",),
    ("actors.supervision.deaths",),
    ("actors.supervision.supervisor",),
    ("actors.supervision",),
    ("actors",),
    ("ends",),
    ("lineage",),
    ("owners",),
    ("sources._alike", "sources._theme_file"),
    ("sources._theme", "sources._walk"),
    ("sources.base", "sources.offline", "sources.numbered"),
    ("sources.llm", "sources.llm.subjects", "sources.llm.ladder", "sources.llm.secrets"),
    ("sources.llm.lines",),
    ("sources.llm.values",),
    ("sources.llm.vendors", "sources.llm.prompt", "sources.llm.fragments", "sources.llm.retry"),
    (
        "sources.llm.endpoint",
        "sources.llm.connections",
        "sources.llm.logs",
        "sources.llm.unpacking",
    ),
    ("sources.llm.transport", "sources.llm.texts"),
    ("sources.llm.reply",),
    ("sources.llm.chunk",),
    ("sources.llm.asking",),
    ("sources.llm.nomenclater",),
    ("sources",),
    ("ledgers.base", "ledgers.processes", "ledgers.schema", "ledgers.files"),
    ("ledgers.session", "ledgers.database", "ledgers.lua", "ledgers.server"),
    ("ledgers.memory", "ledgers.sqlite", "ledgers.redis"),
    ("ledgers.urls",),
    ("ledgers",),
    (
        "pool.messages",
        "pool.warnings",
        "pool.fetches",
        "pool.fetcher",
        "pool.call_sites",
        "pool.options",
        "pool.chunk",
    ),
    ("pool.claims", "pool.counting"),
    ("pool.claim_renewal", "pool.supply"),
    ("pool.ref", "pool.waiting_list", "pool.scopes"),
    ("pool.refilling", "pool.identities", "pool.observing", "pool.subscriptions"),
    ("pool.async_scopes",),
    ("pool.requests",),
    ("pool.actor",),
    ("pool.handle",),
    ("pool.async_handle",),
    ("attribution",),
    ("attribution.who", "attribution.threads", "attribution.named_actor"),
    ("attribution.logging", "attribution.structlog", "attribution.loguru", "attribution.otel"),
    ("attribution.rich",),
    ("pool.service",),
    ("pool",),
    ("metrics",),
    ("metrics.table",),
    ("metrics.prometheus", "metrics.otel"),
    ("testing",),
    ("testing.pytest_plugin",),
    ("cli.parser",),
    ("_pyinstaller", "_pyinstaller.hook-namepool"),
    ("cli.page", "cli.doctor", "cli.ledger", "cli.names"),
    ("cli.board",),
    ("cli.demo",),
    ("cli.command",),
    ("cli",),
    ("__main__",),
)
PURE = {
    *("core", "core.names", "core.state", "core.refill", "core.options", "core.stats", "errors"),
    *("core.events", "core.waiters", "core.leases", "core.stock", "core.bindings", "pool.fetches"),
    *("events", "core.log", "core.observed"),
    *("core.confusables", "core.offence", "core.guard", "core.display", "sources._alike"),
    *("sources.numbered", "actors.never_copied"),
    *("sources.llm", "sources.llm.subjects", "sources.llm.ladder", "sources.llm.secrets"),
    *("sources.llm.prompt", "sources.llm.fragments", "sources.llm.retry", "sources.llm.texts"),
    *("sources.llm.values", "sources.llm.lines"),
    *("sources.llm.reply", "sources.llm.unpacking", "sources.llm.vendors"),
}
ALLOWED_IN_PURE = {
    *("__future__", "collections", "collections.abc", "dataclasses", "math", "random", "types"),
    *("bisect", "typing", "unicodedata", "json", "re", "datetime", "email.utils", "itertools"),
    *("base64", "codecs", "functools", "hashlib", "urllib.parse", "zlib"),
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


# What a reader holds in mind

LONGEST_MODULE, LONGEST_CLASS, LONGEST_BODY = 300, 200, 30
"""Lines; those of docstrings do not count against a class or a function."""


def too_long(path: Path) -> list[str]:
    """Return what in a file is longer than a reader holds in mind."""
    text = path.read_text(encoding="utf-8")
    found = [f"{len(text.splitlines())} lines"] if len(text.splitlines()) > LONGEST_MODULE else []
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


@pytest.mark.parametrize("module", MODULES)
def test_a_module_a_class_and_a_function_fit_in_a_readers_mind(module: str) -> None:
    assert too_long(modules()[module]) == []


@pytest.mark.parametrize(
    ("methods", "lines", "found"),
    [
        (1, 30, []),
        (1, 31, ["method: 31 lines"]),
        (6, 30, []),
        (6, 32, ["method: 32 lines"] * 6),
        (7, 30, ["class Long: 218 lines"]),
        (9, 32, ["308 lines", "class Long: 298 lines", *["method: 32 lines"] * 9]),
    ],
)
def test_what_is_too_long_is_found(
    tmp_path: Path, methods: int, lines: int, found: list[str]
) -> None:
    path = tmp_path / "long.py"
    method = '    def method(self):\n        """Say."""\n' + "        pass\n" * lines
    path.write_text('"""Say."""\n' + "class Long:\n" + method * methods)

    assert too_long(path) == found
