"""The picture on the home page is drawn from what the demo prints."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.docs.pages import ROOT
from tests.support import PATIENCE


def lines(picture: Path) -> list[str]:
    """Return the lines of text in a picture, sorted: which agent speaks first is up to threads."""
    root = ET.parse(picture).getroot()  # noqa: S314  our own file
    rows = root.iter("{http://www.w3.org/2000/svg}text")
    return sorted("".join(row.itertext()).replace("\N{NO-BREAK SPACE}", " ") for row in rows)


def test_the_picture_shows_what_the_demo_prints(tmp_path: Path) -> None:
    drawn = tmp_path / "demo.svg"
    command = [sys.executable, str(ROOT / "scripts" / "picture.py"), str(drawn)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    now, committed = lines(drawn), lines(ROOT / "docs" / "demo.svg")
    assert "$ namepool demo --agents 6 --seed 7" in now
    assert len(now) == len(committed)
    assert beginnings(now) == beginnings(committed)


def beginnings(lines: list[str]) -> set[str]:
    """Return what the lines begin with: the agents, what the books count, and the titles."""
    return {line.partition(" | ")[0] for line in lines}
