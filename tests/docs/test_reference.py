"""The reference leaves out nothing that is exported."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import namepool
import namepool.actors
import namepool.attribution
from namepool.actors import Supervisor
from namepool.core.options import PoolOptions
from tests.docs.pages import ROOT

REFERENCE = ROOT / "docs" / "reference"
EXPORTED = [(module, name) for module in (namepool, namepool.actors) for name in module.__all__]


def error_rows() -> dict[str, list[str]]:
    """Return the rows of the tables of errors, cause and remedy by the name of the error."""
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`[^|]*\| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    return {name: [cause, remedy] for name, cause, remedy in rows}


def is_error(exported: object) -> bool:
    return inspect.isclass(exported) and issubclass(exported, Exception)


ERRORS = sorted({name for module, name in EXPORTED if is_error(getattr(module, name))})


@pytest.mark.parametrize("error", ERRORS)
def test_every_exported_error_is_listed_with_its_cause_and_its_remedy(error: str) -> None:
    cause, remedy = error_rows()[error]
    assert cause.strip()
    assert remedy.strip()


@pytest.mark.parametrize(("module", "name"), EXPORTED)
def test_every_exported_name_is_in_the_reference(module: ModuleType, name: str) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    places = {f"::: {package}.{name}" for package in ("namepool", "namepool.actors")}
    listed = set(pages.splitlines())
    assert places & listed or is_error(getattr(module, name)), name


ATTRIBUTION = sorted(
    path.stem for path in Path(namepool.attribution.__file__).parent.glob("[!_]*.py")
)


@pytest.mark.parametrize("name", ATTRIBUTION)
def test_what_attributes_logs_and_spans_is_in_the_reference(name: str) -> None:
    module = importlib.import_module(f"namepool.attribution.{name}")
    listed = (REFERENCE / "attribution.md").read_text(encoding="utf-8").splitlines()
    for public, value in vars(module).items():
        own = getattr(value, "__module__", "") == module.__name__ and public[0] != "_"
        if own and (inspect.isclass(value) or inspect.isfunction(value)):
            exported = name == "who" or public in namepool.__all__
            assert exported or f"::: namepool.attribution.{name}.{public}" in listed, public


@pytest.mark.parametrize("page", sorted(path.name for path in REFERENCE.glob("*.md")))
def test_the_contents_of_a_page_have_at_most_20_entries(page: str) -> None:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    with_members = re.compile(
        r"^::: ([\w.]+)\n    options:\n      show_root_heading: false\n(?! )", re.M
    )
    whole = with_members.findall(text + "\n")
    classes = sum(len(_classes(module)) for module in whole)
    assert len(re.findall(r"^(?:## |::: )", text, re.MULTILINE)) + classes <= 20


def _classes(module: str) -> list[str]:
    own = vars(importlib.import_module(module)).items()
    return [name for name, value in own if getattr(value, "__module__", "") == module]


def test_a_signature_shows_the_values_of_its_defaults() -> None:
    griffe = pytest.importorskip("griffe", reason="THE REFERENCE WAS NOT READ: install its extra")
    values = str(ROOT / "scripts" / "griffe_values.py")
    package = griffe.load(
        "namepool",
        search_paths=[str(ROOT)],
        docstring_parser="google",
        extensions=griffe.load_extensions("unpack_typeddict", values),
    )

    def shown(path: str) -> dict[str, object]:
        keywords = [one for one in package[path].parameters if one.kind.value == "keyword-only"]
        return {one.name: ast.literal_eval(str(one.default)) for one in keywords}

    pool = {one.name: one.default for one in dataclasses.fields(PoolOptions)}
    assert shown("open_pool") == {**pool, "source": None, "state": None}
    supervisor = inspect.signature(Supervisor.__init__).parameters.values()
    assert shown("Supervisor.start") == {
        one.name: one.default for one in supervisor if one.name != "self"
    }
    assert package["PoolHandle.checkout_name"].parameters["timeout"].default == "30.0"
