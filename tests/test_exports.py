"""What users may import is a promise."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import namepool

EXPORTED = """
ActorHandle AssociateName AsyncPoolHandle Backoff CheckinLease CheckinName CheckoutLease
CheckoutName CheckoutTimeout ChildSpec DEFAULT_NAME DissociateName FallbackSource GetNameByOwner
InvalidName InvalidOption InvalidOwner Lease LeaseInfo LeasesRequest Ledger LedgerBusy LedgerError
ListedNames NameHeld NamePool NamePoolError NamePoolOptions NamePoolProxy NamePoolRef NameSource
NamedActor NamedExecutor NamesUnavailable Nomenclater NumberedNames OfflineNames OwnerRequired
PoolHandle PoolState PoolStats PoolStatsRequest Reset SourceError SourceExhausted Subscription
Supervisor SupervisorRef UnknownTheme WouldDeadlock color_of current_owner inherit_everywhere
inherit_owner name_key named_thread open_async_pool open_pool owner_id owner_scope short_name slug
validate_name
""".split()  # noqa: SIM905  easier to read


def test_the_exported_names_are_these() -> None:
    assert sorted(namepool.__all__) == sorted(EXPORTED)
    assert all(hasattr(namepool, name) for name in EXPORTED)


def test_every_exported_name_has_a_docstring_of_its_own() -> None:
    for name in EXPORTED:
        exported = getattr(namepool, name)
        if inspect.isclass(exported) or inspect.isfunction(exported):
            assert exported.__doc__, name


def test_every_public_method_of_what_is_exported_has_a_docstring() -> None:
    for name in EXPORTED:
        exported = getattr(namepool, name)
        if not inspect.isclass(exported):
            continue
        for attribute, value in vars(exported).items():
            if inspect.isfunction(value) and not attribute.startswith("_"):
                assert inspect.getdoc(value), f"{name}.{attribute}"


def test_every_exported_name_is_in_the_changelog() -> None:
    changelog = Path(__file__).parent.parent.joinpath("CHANGELOG.md").read_text(encoding="utf-8")
    assert [name for name in EXPORTED if f"`{name}`" not in changelog] == []


def test_the_package_is_typed_and_versioned() -> None:
    assert Path(namepool.__file__).with_name("py.typed").exists()
    assert metadata.version("namepool")


def test_importing_the_package_imports_neither_requests_nor_asyncio() -> None:
    code = "import sys, namepool; print({'requests', 'asyncio', 'tomllib'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_who_asks_no_model_does_not_import_the_nomenclater() -> None:
    code = (
        "import sys, namepool\n"
        "before = [m for m in sys.modules if m.startswith('namepool.sources.llm')]\n"
        "from namepool import Nomenclater\n"
        "print(before, Nomenclater.__module__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[] namepool.sources.llm.nomenclater\n"
