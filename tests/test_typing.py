"""What type checkers know of the options: the same as what a pool and a supervisor check."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack, get_type_hints

import pytest

import namepool
from namepool import ChildSpec, NamePool, NamePoolOptions, Supervisor, open_async_pool, open_pool
from namepool.actors import SupervisorOptions
from namepool.actors.supervision import messages as protocol
from namepool.core.options import PoolOptions
from namepool.pool import options
from tests.docs.pages import ROOT

# The calls that checkers accept, and those that they refuse, with mypy's word for why

PRELUDE = """
from collections.abc import AsyncIterator, Iterator
from typing import Any, Unpack, assert_type
import pykka
import namepool as n
from namepool import actors, ledgers

class Planets:
    def fetch(self, count: int, used: object) -> list[str]:
        return []

def mine(**options: Unpack[n.NamePoolOptions]) -> n.PoolHandle:
    return n.open_pool(**options)

async def opened() -> None:
    async with n.open_async_pool(chunk_size=3) as pool:
        assert_type(pool, n.AsyncPoolHandle)

specs = [n.NamePool.child_spec(), n.Supervisor.child_spec()]
pool, ref = n.open_pool(), n.NamePool.start()
tasks = n.AsyncPoolHandle(pool)

def in_a_block() -> str:
    with pool.named() as name:
        return name

async def in_blocks() -> str:
    async with tasks.named() as one, pool.speaking_as("Ada") as two, tasks.speaking_as(two):
        with tasks.named() as three, pool.unnamed(), tasks.unnamed():
            assert_type(one, str)
            assert_type(two, str)
            assert_type(three, str)
            return three

@pool.named()
def tool(number: int, *, text: str = "") -> bytes:
    return text.encode() * number

@tasks.named(default=True)
async def agent(number: int) -> bytes:
    return tool(number)

@pool.speaking_as("Ada")
def steps(number: int) -> Iterator[bytes]:
    yield tool(number)

@tasks.named()
async def stream(number: int) -> AsyncIterator[bytes]:
    yield tool(number)

async def call() -> None:
    assert_type(await agent(1), bytes)
    assert_type(stream(1), AsyncIterator[bytes])
    assert_type(await tasks.checkout_name(), str)
    assert_type(await tasks.associate_name("Ada"), str | None)
"""
GOOD = """
assert_type(n.open_pool(), n.PoolHandle)
assert_type(n.NamePool.start(), n.NamePoolRef)
assert_type(n.NamePool.child_spec(), n.ChildSpec)
assert_type(n.Supervisor.start(), n.SupervisorRef)
assert_type(n.Supervisor.child_spec(), n.ChildSpec)
mine(source=n.OfflineNames(seed=1), ledger="sqlite:///names.db")
n.open_pool(source=None, chunk_size=3, max_chunk_size=None, low_water_mark=None, max_fetches=1)
n.open_pool(fetch_timeout=5, prefetch=True, reclaim_after=None, leak_after=None, ledger=None)
n.open_pool(source=n.FallbackSource(n.Nomenclater(), n.NumberedNames()), state=n.PoolState())
n.open_pool(source=Planets(), ledger=ledgers.MemoryLedger(), reclaim_after=0.5)
n.NamePool.start(max_chunk_size=3, low_water_mark=0, leak_after=60)
n.open_pool(reserved=["Acme"], source=n.ListedNames(["Ada"]))
n.NamePool.child_spec(reserved=iter({"Acme"}))
n.NamePool.child_spec("names", restart="transient", shutdown=None, significant=True, prefetch=True)
n.NamePool.child_spec(id="names", shutdown=2.5, chunk_size=3)
n.Supervisor.start(children=specs, strategy="rest_for_one", max_restarts=1, max_seconds=2.5)
n.Supervisor.start(children=iter(specs), backoff=n.Backoff(), auto_shutdown="any_significant")
n.Supervisor.child_spec("crew", children=specs, backoff=None, on_abandon=print, shutdown=0)
assert_type(ref.ask(n.CheckoutName(), block=False), pykka.Future[Any])
assert_type(ref.ask(n.CheckoutName(), timeout=5), Any)
assert_type(ref.proxy().checkout_name(), pykka.Future[str])
assert_type(pool.checkout_name(), str)
assert_type(pool.speaker(), str)
assert_type(tool(1, text="a"), bytes)
assert_type(steps(1), Iterator[bytes])
assert_type(n.inherit_owner(tool)(1), bytes)
lease: n.Lease = ref.ask(n.CheckoutLease())
assert_type(lease.token, int)
assert_type(lease.id, str)
ref.ask(n.CheckinLease(lease))
"""
BAD = """
n.open_pool(chunk=3)  # call-arg
n.open_pool(reclaim_after="soon")  # arg-type
n.open_pool(chunk_size="3")  # arg-type
n.open_pool(chunk_size=None)  # arg-type
n.open_pool(low_water_mark=0.5)  # arg-type
n.open_pool(fetch_timeout=None)  # arg-type
n.open_pool(prefetch="yes")  # arg-type
n.open_pool(leak_after=b"1")  # arg-type
n.open_pool(ledger=5)  # arg-type
n.open_pool(reserved=[5])  # list-item
n.open_pool(source=n.NumberedNames)  # arg-type
n.open_pool(source=["Ada"])  # arg-type
n.open_pool(state={})  # arg-type
n.open_pool(n.NumberedNames())  # call-arg
n.open_pool(restart="permanent")  # call-arg
mine(chunk=3)  # call-arg
n.open_async_pool(chunk=3)  # call-arg
n.open_async_pool(reclaim_after="soon")  # arg-type
n.NamePool(chunk=3)  # call-arg
n.NamePool.start(chunk=3)  # call-arg
n.NamePool.start(reclaim_after="soon")  # arg-type
n.NamePool.start(n.NumberedNames())  # arg-type
n.NamePool.child_spec(chunk=3)  # call-arg
n.NamePool.child_spec(reclaim_after="soon")  # arg-type
n.NamePool.child_spec(id=3)  # arg-type
n.NamePool.child_spec(restart="always")  # arg-type
n.NamePool.child_spec(shutdown="soon")  # arg-type
n.NamePool.child_spec(significant="yes")  # arg-type
n.Supervisor.start(child=specs)  # call-arg
n.Supervisor.start(specs)  # arg-type
n.Supervisor.start(children=[n.NamePool])  # list-item
n.Supervisor.start(strategy="one_for_none")  # arg-type
n.Supervisor.start(max_restarts=1.5)  # arg-type
n.Supervisor.start(max_seconds="5")  # arg-type
n.Supervisor.start(backoff=1.0)  # arg-type
n.Supervisor.start(auto_shutdown=True)  # arg-type
n.Supervisor.child_spec(child=specs)  # call-arg
n.Supervisor.child_spec(restart="always")  # arg-type
n.Supervisor.child_spec(strategy="one_for_none")  # arg-type
tool("1")  # arg-type
tool(1, "a")  # call-arg
steps()  # call-arg
stream("1")  # arg-type
n.inherit_owner(tool)("1")  # arg-type
pool.named(5, "sea")  # call-arg
ref.ask(n.CheckoutName(), False)  # call-overload
n.CheckinLease("Ada")  # arg-type
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    path = tmp_path / "calls.py"
    path.write_text(PRELUDE + GOOD + BAD)
    return path


def expected() -> dict[int, str]:
    """Return the lines that are refused, with mypy's code."""
    lines = (PRELUDE + GOOD + BAD).splitlines()
    return {n: line.split("  # ")[1] for n, line in enumerate(lines, 1) if "  # " in line}


def run(*command: str | Path) -> str:
    run = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return run.stdout + run.stderr


@pytest.mark.proof
def test_mypy_refuses_every_bad_call_and_no_good_one(calls: Path) -> None:
    pytest.importorskip("mypy")
    told = run("mypy", "--strict", "--no-error-summary", "--output=json", calls)
    found = [json.loads(line) for line in reversed(told.splitlines())]  # of a line the first counts
    errors = {one["line"]: one["code"] for one in found if one["severity"] == "error"}
    assert errors == expected(), told


@pytest.mark.proof
def test_pyright_refuses_every_bad_call_and_no_good_one(calls: Path) -> None:
    pytest.importorskip("pyright")
    told = run("pyright", "--outputjson", "--pythonpath", sys.executable, calls)
    found = json.loads(told)["generalDiagnostics"]
    assert {error["range"]["start"]["line"] + 1 for error in found} == set(expected()), told


# One definition


def documented(module: Any, options: str) -> dict[str, str]:
    """Return what a module's source says below each key of a class of options."""
    tree = ast.parse(inspect.getsource(module))
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == options)
    told = {}
    for key, text in itertools.pairwise(body):
        if isinstance(key, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(key.target, ast.Name)
            told[key.target.id] = " ".join(ast.literal_eval(text.value).split())
    return told


def default(text: str) -> Any:
    """Return the default that the documentation of an option ends with."""
    words = text.rpartition("Default: ")[2].removesuffix(".").partition(", or")[0]
    return ast.literal_eval(words)


CHECKED = {field: getattr(PoolOptions(), field) for field in PoolOptions.__dataclass_fields__}
GIVEN = {"source": None, **CHECKED, "state": None}
RULES = {
    name: parameter.default for name, parameter in inspect.signature(Supervisor).parameters.items()
}

SPEC = {"id": "", "restart": "permanent", "shutdown": "default", "significant": False}


@pytest.fixture(scope="module")
def reference() -> Any:
    """Return the package as the tool that writes the reference sees it."""
    griffe = pytest.importorskip("griffe", reason="the reference is written by namepool[docs]")
    extensions = griffe.load_extensions("unpack_typeddict")
    return griffe.load(
        "namepool", extensions=extensions, search_paths=[str(ROOT)], docstring_parser="google"
    )


def test_the_options_that_checkers_know_are_those_that_a_pool_checks() -> None:
    assert list(NamePoolOptions.__annotations__) == list(GIVEN)
    assert NamePoolOptions.__required_keys__ == frozenset()


def test_the_options_that_checkers_know_are_those_that_a_supervisor_takes() -> None:
    assert list(SupervisorOptions.__annotations__) == list(RULES)
    assert SupervisorOptions.__required_keys__ == frozenset()
    hints, taken = get_type_hints(SupervisorOptions), get_type_hints(Supervisor.__init__)
    assert hints == {name: taken[name] for name in RULES}


def test_each_option_is_documented_with_its_default() -> None:
    told = {name: default(text) for name, text in documented(options, "NamePoolOptions").items()}
    assert told == GIVEN
    told = {name: default(text) for name, text in documented(protocol, "SupervisorOptions").items()}
    assert told == RULES


def test_the_guide_lists_each_option() -> None:
    guide = (ROOT / "docs/guides/operations.md").read_text(encoding="utf-8")
    table = guide.partition("| option |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(GIVEN)


def test_each_option_in_seconds_says_so() -> None:
    for name, text in documented(options, "NamePoolOptions").items():
        in_seconds = name.endswith(("_timeout", "_after"))
        assert text.startswith("Seconds ") == in_seconds, name
        assert ("None" in str(get_type_hints(NamePoolOptions)[name])) == ("None" in text) or (
            name == "max_chunk_size"
        )


@pytest.mark.parametrize(
    "taker", [open_pool, open_async_pool, NamePool.start, NamePool.child_spec, NamePool.__init__]
)
def test_all_who_take_the_options_of_a_pool_take_those(taker: Callable[..., Any]) -> None:
    assert get_type_hints(taker)["options"] == Unpack[NamePoolOptions]


@pytest.mark.parametrize("taker", [Supervisor.start, Supervisor.start_for, Supervisor.child_spec])
def test_all_who_take_the_options_of_a_supervisor_take_those(taker: Callable[..., Any]) -> None:
    assert get_type_hints(taker)["options"] == Unpack[SupervisorOptions]


@pytest.mark.parametrize("taker", [NamePool.child_spec, Supervisor.child_spec])
def test_the_fields_of_a_spec_have_the_types_and_defaults_of_the_spec(
    taker: Callable[..., Any],
) -> None:
    fields, taken = inspect.signature(ChildSpec).parameters, inspect.signature(taker).parameters
    for name in set(taken) - {"id", "options"}:
        assert taken[name].default == fields[name].default, name
        assert get_type_hints(taker)[name] == get_type_hints(ChildSpec)[name], name


@pytest.mark.parametrize(
    ("place", "listed"),
    [
        ("pool.service.open_pool", GIVEN),
        ("pool.service.open_async_pool", GIVEN),
        ("pool.actor.NamePool.start", GIVEN),
        ("pool.actor.NamePool.child_spec", SPEC | GIVEN),
        ("actors.supervision.supervisor.Supervisor.start", RULES),
        ("actors.supervision.supervisor.Supervisor.child_spec", SPEC | RULES),
    ],
)
def test_the_reference_describes_each_option_where_it_is_taken(
    reference: Any, place: str, listed: dict[str, Any]
) -> None:
    function = reference[place]
    assert [name for name in listed if name not in function.parameters] == []
    sections = function.docstring.parsed
    told = {p.name: p.description for s in sections if s.kind == "parameters" for p in s.value}
    assert [name for name in listed if not told.get(name)] == []


def test_options_that_are_handed_on_are_those_of_the_pool() -> None:
    options: NamePoolOptions = {"source": namepool.NumberedNames(), "chunk_size": 3}
    with open_pool(**options) as pool:
        assert pool.pool_stats().chunk_size == 3
    assert options.keys() == {"source", "chunk_size"}
