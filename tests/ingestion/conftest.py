from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ingestion.own_gallery import OwnGallery, own_gallery


@pytest.fixture(scope="session")
def empty_gallery(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The folder of one whose database is made, and whose server has stopped: making one takes seconds, a copy none."""
    return made_once("empty_gallery", _make_gallery)


def _make_gallery(made: Path) -> None:
    with own_gallery() as gallery:
        gallery.run("jobs")  # and stops the server, for nobody else uses it
        subprocess.run(["cp", "-a", gallery.var, made], check=True)  # with the owners of its files


@pytest.fixture
def new_gallery() -> Iterator[OwnGallery]:
    """A gallery of its own, not yet made."""
    with own_gallery() as gallery:
        yield gallery


@pytest.fixture
def gallery(empty_gallery: Path) -> Iterator[OwnGallery]:
    """The same, made."""
    with own_gallery(empty_gallery) as gallery:
        yield gallery
