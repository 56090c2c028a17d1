from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingestion.own_gallery import OwnGallery


@pytest.fixture
def gallery() -> Iterator[OwnGallery]:
    """A gallery of its own, with its own database server, for tests that start and kill real processes."""
    with tempfile.TemporaryDirectory(prefix="lookalike-own-") as folder:
        Path(folder).chmod(0o755)  # as root, the database server runs as another user and must get in
        gallery = OwnGallery(Path(folder) / "var")
        try:
            yield gallery
        finally:
            gallery.end()
