"""Programs that are frozen, zipped or stripped of docstrings take names as all others do."""

from __future__ import annotations

import ast
import os
import runpy
import shutil
import subprocess
import sys
import venv
import zipapp
from importlib import import_module
from importlib.metadata import entry_points, version
from pathlib import Path
from zipfile import ZipFile

import pykka
import pytest

import namepool
from namepool import OfflineNames
from namepool.sources.offline import available_themes

PACKAGE = Path(namepool.__file__).parent
ROOT = PACKAGE.parent
PROGRAM = """\
import logging.config, sys
import namepool
from namepool.ledgers import SQLiteLedger

with namepool.open_pool(source=namepool.OfflineNames(seed=5), ledger="sqlite:///ledger") as pool:
    agent = {"()": "namepool.attribution.logging.AgentFilter", "pool": pool}
    logging.config.dictConfig({"version": 1, "filters": {"agent": agent}})
    print(pool.checkout_name())
print(namepool.slug("\\u0410da"), namepool.__file__, *sys.path, sep="\\n")
"""
NAME = OfflineNames(seed=5).fetch(1, ())[0]
ASKING = """
try:
    namepool.Nomenclater("model", "http://127.0.0.1:9/v1", timeout=0.5).fetch(1, ())
except namepool.SourceError as error:  # nobody is there; but it was asked
    if "127.0.0.1" not in str(error):
        raise
"""


def _run(*command: str | Path, cwd: Path) -> str:
    """Run a command that finds no module by the environment's variables; return what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"PYINSTALLER_CONFIG_DIR": str(cwd), "no_proxy": "*"}
    run = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


# Frozen by PyInstaller


@pytest.mark.proof
def test_the_hook_that_pyinstaller_finds_collects_every_theme() -> None:
    (found,) = [e for e in entry_points(group="pyinstaller40") if e.value.startswith("namepool.")]
    assert found.name == "hook-dirs"
    (folder,) = found.load()()
    hook = runpy.run_path(str(Path(folder) / "hook-namepool.py"))
    themes = {Path(source).stem for source, into in hook["datas"] if into.endswith("themes")}
    assert themes == set(available_themes())
    assert len(hook["datas"]) == len(themes)
    assert all(import_module(name) for name in hook["hiddenimports"])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, and the Python of an environment that has it and PyInstaller."""
    folder = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    _run(python, "-m", "pip", "install", "--quiet", wheel, "pyinstaller", cwd=folder)
    return wheel, python


def _freeze(python: str | Path, folder: Path, *options: str) -> None:
    """Freeze the program, run it where only its own files are, and check what it prints."""
    (folder / "program.py").write_text(PROGRAM + ASKING, encoding="utf-8")
    freeze = ("-m", "PyInstaller", "--log-level", "ERROR", *options, "program.py")
    _run(python, *freeze, cwd=folder)
    bundle = folder / "elsewhere"
    shutil.move(folder / "dist" / "program", bundle)
    lines = _run(bundle / "program", cwd=bundle).splitlines()
    assert lines[:2] == [NAME, "ada"]
    assert [path for path in lines[2:] if not Path(path).is_relative_to(bundle)] == []


@pytest.mark.proof
def test_a_program_frozen_from_the_wheel_has_names(
    installed: tuple[Path, Path], tmp_path: Path
) -> None:
    wheel, python = installed
    with ZipFile(wheel) as archive:
        assert "namepool/_pyinstaller/hook-namepool.py" in archive.namelist()
        (listed,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "[pyinstaller40]\nhook-dirs = namepool._pyinstaller:get_hook_dirs\n" in (
            archive.read(listed).decode()
        )
    _freeze(python, tmp_path)


@pytest.mark.proof
@pytest.mark.parametrize("options", [(), ("--optimize", "2")])
def test_a_program_frozen_from_this_environment_has_names(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    _freeze(sys.executable, tmp_path, *options)


@pytest.mark.proof
def test_the_frozen_command_works(installed: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("from namepool.cli import main\nraise SystemExit(main())")
    freeze = ("-m", "PyInstaller", "--log-level", "ERROR", "--onefile", "program.py")
    _run(installed[1], *freeze, cwd=tmp_path)
    program = tmp_path / "dist" / "program"
    assert _run(program, "--version", cwd=tmp_path) == f"namepool {version('namepool')}\n"
    assert _run(program, "names", "1", "--seed", "5", cwd=tmp_path) == f"{NAME}\n"
    assert "every name came home" in _run(program, "demo", "--agents", "3", cwd=tmp_path)


# In a zip file


def _check_zipped(tree: Path, program: str, *options: str) -> None:
    """Zip a tree, run the program in it where it can import nothing else, check what it prints."""
    (tree / "__main__.py").write_text(program, encoding="utf-8")
    archive = tree.with_name("program.pyz")
    zipapp.create_archive(tree, archive)
    folder = tree.with_name("-".join(("run", *options)))
    folder.mkdir()
    lines = _run(sys.executable, "-I", "-S", *options, archive, cwd=folder).splitlines()
    assert lines[:2] == [NAME, "ada"]
    assert lines[2].startswith(str(archive))


def test_a_zipped_program_has_names(tmp_path: Path) -> None:
    for package in (PACKAGE, Path(pykka.__file__).parent):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, tmp_path / "tree" / package.name, ignore=ignored)
    _check_zipped(tmp_path / "tree", PROGRAM)


@pytest.mark.proof
def test_a_program_zipped_with_all_that_it_needs_has_names(
    installed: tuple[Path, Path], tmp_path: Path
) -> None:
    wheel, python = installed
    into = ("-m", "pip", "install", "--quiet", "--target", tmp_path / "tree", wheel)
    _run(python, *into, cwd=tmp_path)
    _check_zipped(tmp_path / "tree", PROGRAM + ASKING)
    _check_zipped(tmp_path / "tree", PROGRAM + ASKING, "-OO")


# Without asserts and docstrings


@pytest.mark.proof
def test_without_asserts_and_docstrings_a_program_has_names(tmp_path: Path) -> None:
    lines = _run(sys.executable, "-I", "-OO", "-c", PROGRAM + ASKING, cwd=tmp_path).splitlines()
    assert lines[:2] == [NAME, "ada"]
    for command in (("demo", "--agents", "3"), ("themes",), ("--help",), ("names", "--help")):
        stripped = _run(sys.executable, "-I", "-OO", "-m", "namepool", *command, cwd=tmp_path)
        if "--help" in command:
            assert stripped == _run(sys.executable, "-I", "-m", "namepool", *command, cwd=tmp_path)


def test_no_assert_of_the_package_does_anything_and_no_docstring_is_read() -> None:
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            assert not (isinstance(node, ast.Attribute) and node.attr == "__doc__"), path
            if isinstance(node, ast.Assert):
                called = {
                    ast.unparse(n.func) for n in ast.walk(node.test) if isinstance(n, ast.Call)
                }
                assert called <= {"isinstance", "len"}, path
