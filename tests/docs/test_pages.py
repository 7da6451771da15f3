"""Every block of README and docs runs as it stands, and prints what the page says it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from namepool import OfflineNames
from tests.docs.pages import LANGUAGES, PAGES, ROOT, Block, blocks
from tests.docs.run import MODEL_SERVER, environment
from tests.sources.llm.scripted import Endpoint
from tests.support import PATIENCE

BIN = Path(sys.executable).parent
INSTALL = "python3 -m venv .venv && .venv/bin/pip install --quiet"
NOT_RUN = {
    f"{INSTALL} '.[rich]' && .venv/bin/namepool demo": ".ci/run runs it; it needs a package index",
    f"{INSTALL} -e '.[test]' && .venv/bin/pytest": ".ci/run runs it; it would run this test",
    f"{INSTALL} .": "it needs a package index; .ci/run runs it with the demo behind it",
    f"{INSTALL} build && .venv/bin/python -m build --wheel && .venv/bin/pip install dist/*.whl": (
        ".ci/run runs it; it needs a package index"
    ),
    "python -m tests.benchmarks.runtime": "it takes minutes; .ci/run runs it with --quick",
    "python -m tests.benchmarks.ledger": "it takes minutes; .ci/run runs it with --quick",
    "python -m tests.benchmarks.refill": "it takes minutes; .ci/run runs it with --quick",
}
"""Lines of the shell that no test runs, each with the reason."""

NEEDS = {
    "docs/frameworks/langgraph.md": "langgraph",
    "docs/frameworks/smolagents.md": "smolagents",
    "docs/frameworks/openai-agents.md": "agents.testing",
    "docs/frameworks/pydantic-ai.md": "pydantic_ai",
    "docs/frameworks/autogen.md": "autogen_core",
}
"""What a page needs beyond the extra ``dev``; ``.ci/run`` has a venv for them."""

IN_THE_SUITE = {"README.md", "docs/index.md", "docs/tutorial.md"}
"""The pages whose programs a quick suite runs; those of all the others are among the proofs."""

EACH_ALONE = {"README.md", "docs/index.md"}
"""The pages whose blocks are programs of their own; elsewhere a block goes on from the last."""

LOG = "examples/before_and_after.py"
"""The program whose two parts are the blocks of the language ``log``."""

IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]
PROGRAMS = [
    pytest.param(page, id=name, marks=[] if name in IN_THE_SUITE else pytest.mark.proof)
    for page, name in zip(PAGES, IDS, strict=True)
    if name not in EACH_ALONE and any(block.language == "python" for block in blocks(page))
]
ALONE = [
    pytest.param(block, id=f"{name}:{block.line}")
    for page, name in zip(PAGES, IDS, strict=True)
    if name in EACH_ALONE
    for block in blocks(page)
    if block.language == "python"
]
SHELL = [
    pytest.param(
        page,
        block,
        id=f"{name}:{block.line}",
        marks=[] if name in IN_THE_SUITE else pytest.mark.proof,
    )
    for page, name in zip(PAGES, IDS, strict=True)
    for block in blocks(page)
    if block.language == "sh"
]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Run a command in an empty folder; return what it printed. Fail if it failed."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **own, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("page", PROGRAMS)
def test_every_python_block_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    name = page.relative_to(ROOT).as_posix()
    if name in NEEDS:
        missing = f"{name} WAS NOT RUN: install 'namepool[frameworks]'"
        pytest.importorskip(NEEDS[name], reason=missing)
    assert "Traceback" not in run([sys.executable, "-m", "tests.docs.run", str(page)], tmp_path)


@pytest.mark.parametrize("block", ALONE)
def test_a_block_of_a_first_page_runs_in_a_file_of_its_own(block: Block, tmp_path: Path) -> None:
    (tmp_path / "pasted.py").write_text(block.text, encoding="utf-8")
    block.check(run([sys.executable, "pasted.py"], tmp_path))


@pytest.mark.parametrize("name", sorted(EACH_ALONE))
def test_the_log_of_a_first_page_is_that_of_the_example(name: str, tmp_path: Path) -> None:
    shown = [block.text for block in blocks(ROOT / name) if block.language == "log"]
    assert run([sys.executable, str(ROOT / LOG)], tmp_path) == "\n".join(shown)


@pytest.mark.parametrize("write", [(), ("--write",)])
def test_a_page_leaves_no_file_where_it_is_run(write: tuple[str, ...], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    code = 'open("farm.toml", "w").close(); print("written")'
    page.write_text(f"```python\n{code}\n```\n\n```text\nwritten\n```\n", encoding="utf-8")
    run([sys.executable, "-m", "tests.docs.run", "page.md", *write], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


@pytest.mark.parametrize(("page", "block"), SHELL)
def test_every_shell_line_runs_unless_it_is_listed(
    page: Path, block: Block, endpoint: Endpoint, tmp_path: Path
) -> None:
    lines = [line for line in block.text.splitlines() if line not in NOT_RUN]
    text = "\n".join(lines).replace(MODEL_SERVER, endpoint.url)
    shell = ["bash", "-euo", "pipefail", "-c", text]
    printed = run(shell, tmp_path, **environment(endpoint.url))
    block.check(printed.replace(endpoint.url, MODEL_SERVER))


def test_what_is_listed_as_not_run_is_still_somewhere() -> None:
    lines = {line for param in SHELL for line in param.values[1].text.splitlines()}  # type: ignore[union-attr]
    assert [line for line in NOT_RUN if line not in lines] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_block_is_of_a_language_that_is_run_or_drawn(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {block.language for block in blocks(page)} <= LANGUAGES
    fences = sum(line.lstrip().startswith("```") for line in text.splitlines())
    outputs = sum(block.printed is not None for block in blocks(page))
    assert fences == 2 * (len(blocks(page)) + outputs)


def test_every_link_of_the_readme_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGES[0].read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_wheel_that_the_docs_name_is_of_this_version() -> None:
    home = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"namepool-(.+?)-py3", home) == [version("namepool")]


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 130


def counts_told() -> set[int]:
    """Return the numbers that the docs tell of names before those that come back with a number."""
    told = set()
    for page in PAGES:
        for found in re.findall(
            r"first ([0-9,]{7,}) names are all different|have\s+([0-9,]{7,}) different names",
            page.read_text(encoding="utf-8"),
        ):
            told.add(int("".join(found).replace(",", "")))
    return told


def test_the_docs_tell_how_many_names_come_before_the_second_of_a_name() -> None:
    (count,) = counts_told()
    source = OfflineNames(seed=1)
    first = source._name_at(0)
    assert source._name_at(count) in (f"{first} the Second", f"{first} #2")
    assert not source._name_at(count - 1).endswith((" the Second", " #2"))


@pytest.mark.proof
def test_so_many_names_are_all_different_and_the_next_is_the_first_again() -> None:
    (count,) = counts_told()
    source = OfflineNames(seed=2)
    names = [name for _ in range(count // 1_000) for name in source.fetch(1_000, ())]
    names += source.fetch(count % 1_000 or 1, ())
    assert len({*names[:count]}) == count
    assert not any(name.endswith((" the Second", " #2")) for name in names[:count])
