"""Draw docs/demo.svg from what ``namepool demo`` prints: ``python scripts/picture.py [FILE]``.

The picture is plain SVG text in the reader's own fixed-width font: no font is embedded or fetched.
Which agent speaks first is up to the threads, so two pictures differ in the order of their lines.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

COMMAND = ("namepool", "demo", "--agents", "6", "--seed", "7")
PICTURE = Path(__file__).parent.parent / "docs" / "demo.svg"

LINE, LETTER, MARGIN = 19, 8.45, 18  # pixels: the height of a line, the width of a letter
GROUND, PLAIN, FAINT, GOOD = "#1b1f27", "#d8dee9", "#7d8799", "#a3d977"
AGENTS = ("#7fc8f8", "#f9a8c9", "#f6c177", "#b9a5f5", "#8fe0c0", "#f28f79", "#d3d06b", "#9db4ff")


def demo() -> list[str]:
    """Run the demo; return the lines it prints."""
    command = [sys.executable, "-m", *COMMAND]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def picture(lines: list[str]) -> str:
    """Return an SVG document that shows ``lines`` as a terminal does."""
    shown = [f"$ {' '.join(COMMAND)}", *lines]
    width = round(max(map(len, shown)) * LETTER) + 2 * MARGIN
    height = len(shown) * LINE + 2 * MARGIN
    colours: dict[str, str] = {}
    rows = [_row(n, line, colours) for n, line in enumerate(shown)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-label="What namepool demo prints">',
            f'<rect width="{width}" height="{height}" rx="10" fill="{GROUND}"/>',
            f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" '
            f'font-size="14" fill="{PLAIN}">',
            *rows,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _escape(text: str) -> str:
    """Return ``text`` for XML; its spaces are such that none is left out where several stand."""
    return escape(text).replace(" ", "\N{NO-BREAK SPACE}")


def _row(number: int, line: str, colours: dict[str, str]) -> str:
    y = MARGIN + number * LINE + 14
    agent, bar, rest = line.partition(" | ")
    if not bar or rest.strip().isdigit():
        return f'<text x="{MARGIN}" y="{y}" fill="{_colour_of(line)}">{_escape(line)}</text>'
    colour = colours.setdefault(agent, AGENTS[len(colours) % len(AGENTS)])
    return (
        f'<text x="{MARGIN}" y="{y}"><tspan fill="{colour}">{_escape(agent)}</tspan>'
        f'<tspan fill="{FAINT}">{_escape(" | ")}</tspan>{_escape(rest)}</text>'
    )


def _colour_of(line: str) -> str:
    if line.startswith(("--", "$")):
        return FAINT
    return GOOD if line.startswith("Every name") else PLAIN


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description="Draw what the demo prints.")
    parser.add_argument("file", nargs="?", type=Path, default=PICTURE)
    target: Path = parser.parse_args().file
    target.write_text(picture(demo()), encoding="utf-8")
    print(f"drew {target}")


if __name__ == "__main__":
    main()
