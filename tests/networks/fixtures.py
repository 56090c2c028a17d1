"""Fixtures for tests that need a network that has learned something, and what its training came to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.networks.made import made, seconds

FIGURES: list[str] = []
"""Shown when the tests are over."""


@pytest.fixture(scope="session")
def small_clip() -> Path:
    """A folder of weights with ``clip:scenes/tests`` (tests.networks.small_clip.NAME), which knows drawn scenes.

    Trained once, in about a minute, and kept in the cache of the user: read-only."""
    return _told(made("small_clip"), "A small CLIP")


@pytest.fixture(scope="session")
def small_blip() -> Path:
    """A folder of weights with ``blip:scenes/tests``, which says "a red thing at night". As small_clip."""
    return _told(made("small_blip"), "A small BLIP")


def _told(folder: Path, what: str) -> Path:
    FIGURES.append(f"{what} was trained in {seconds(folder):.0f} s: {folder}")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES:
        terminalreporter.write_line(line)
