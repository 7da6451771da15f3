"""Every text of the site has a contrast of at least 4.5 with its ground (WCAG 2.1, 1.4.3, AA)."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

CSS = (ROOT / "docs" / "assets" / "namepool.css").read_text(encoding="utf-8")
BLOCK = re.compile(r"\[data-md-color-scheme(?:=\"(\w+)\")?\] \{(.*?)\n\}", re.DOTALL)
COLOUR = re.compile(r"--md-([\w-]+): (#[0-9a-f]{6});")
SCHEMES = ("default", "slate")


def colours(scheme: str) -> dict[str, str]:
    """Return the colours of a scheme by their names."""
    own = [body for name, body in BLOCK.findall(CSS) if name in ("", scheme)]
    return dict(COLOUR.findall("".join(own)))


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2.1 defines it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def grounds(text: str) -> list[str]:
    """Return the grounds on which a text of this name stands."""
    if text.startswith("code-"):
        return ["code-bg-color"]
    if text.startswith("footer-"):
        return ["footer-bg-color"]
    if text.startswith("primary-bg"):  # the theme calls the words on the header so
        return ["primary-fg-color"]
    return ["default-bg-color", "code-bg-color"]


TEXTS = [
    (scheme, text)
    for scheme in SCHEMES
    for text in colours(scheme)
    if text != "primary-fg-color"
    and (text.startswith("primary-bg") or not re.search("bg-color(--dark)?$", text))
]


@pytest.mark.parametrize(("scheme", "text"), TEXTS)
def test_a_text_is_readable_on_its_ground(scheme: str, text: str) -> None:
    colour = colours(scheme)
    for ground in grounds(text):
        assert contrast(colour[text], colour[ground]) >= 4.5, ground


def test_both_schemes_set_the_same_colours() -> None:
    one, other = (set(colours(scheme)) for scheme in SCHEMES)
    assert one == other
    assert len(one) > 25


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.478), ("#123456", "#123456", 1.0)],
)
def test_a_contrast_is_computed_as_the_standard_says(one: str, other: str, expected: float) -> None:
    assert contrast(one, other) == pytest.approx(expected, abs=0.001)
