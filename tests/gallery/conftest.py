from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCH = Path(__file__).parents[3] / "shared" / "bench"


@pytest.fixture(scope="session")
def bad_images(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The corpus of awkward and hostile files: ``root`` (a folder) and ``manifest`` (what must become of each)."""
    generator = BENCH / "make_bad_images.py"
    if not generator.exists():
        pytest.skip(f"the corpus generator {generator} is not beside this checkout")
    root = tmp_path_factory.mktemp("bad_images")
    subprocess.run([sys.executable, generator, root], check=True, stdout=subprocess.DEVNULL)
    return SimpleNamespace(root=root, manifest=json.loads((root / "manifest.json").read_text()))
