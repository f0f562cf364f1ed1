"""Contrast of every colour pair that the pages use, by WCAG 2.1 (success criteria 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import pytest

from monitor.web import app

CSS = (Path(app.__file__).parent / "static/style.css").read_text()
ROOTS = re.findall(r":root[^{]*\{([^}]*--page[^}]*)\}", CSS)
BLOCKS = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block)) for block in ROOTS]
DARK, LIGHT = BLOCKS[0], BLOCKS[-1]
GROUNDS = ("page", "panel", "tile")


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.1."""
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Between 1 and 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("ink", ["text", "muted", "accent", "up-text", "degraded-text", "down-text"])
def test_text_can_be_read(theme: dict[str, str], ground: str, ink: str) -> None:
    assert contrast(theme[ink], theme[ground]) >= 4.5


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("state", ["up", "down", "unknown"])
def test_states_stand_out_from_their_tile(theme: dict[str, str], state: str) -> None:
    """Three to one for what carries meaning; the half-filled square has its shape and the dot is meant to be faint."""
    assert contrast(theme[state], theme["tile"]) >= 3


def test_the_banner_can_be_read() -> None:
    for theme in (DARK, {**DARK, **LIGHT}):
        assert contrast(theme["banner"], theme["banner-text"]) >= 4.5


def test_both_ways_to_the_light_theme_are_the_same() -> None:
    """Once for those whose system is light, once for those who ask for it."""
    assert BLOCKS[1] == BLOCKS[2]
    assert len(BLOCKS) == 3
