"""Imports run one way: ingestion -> search -> gallery; mathematics has no Django in it; torch waits for its leaf."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ["gallery", "search", "ingestion"]
PURE = [
    "gallery/database/cluster.py",
    "gallery/decoder.py",
    "gallery/disk.py",
    "gallery/exif.py",
    "gallery/history_words.py",
    "gallery/justified.py",
    "gallery/names.py",
    "gallery/pictures.py",
    "ingestion/addresses.py",
    "ingestion/answers.py",
    "ingestion/archive_formats.py",
    "ingestion/declared.py",
    "ingestion/download_errors.py",
    "ingestion/judgement.py",
    "ingestion/measures.py",
    "ingestion/mixture.py",
    "ingestion/novelty_curve.py",
    "ingestion/reading.py",
    "ingestion/sources/_news.py",
    "ingestion/tars.py",
    "ingestion/text_detector.py",
    "ingestion/watermarks",
    "search/compiling/contradictions.py",
    "search/compiling/walk.py",
    "search/datasets/cleaning.py",
    "search/datasets/errors.py",
    "search/datasets/file_names.py",
    "search/datasets/index.py",
    "search/datasets/sampling.py",
    "search/datasets/scores.py",
    "search/datasets/thinning.py",
    "search/encoders",
    "search/engines",
    "search/errors.py",
    "search/expansion.py",
    "search/fusion.py",
    "search/half_written.py",
    "search/indexes",
    "search/kernels.py",
    "search/language",
    "search/learned.py",
    "search/meaning.py",
    "search/phonetic.py",
    "search/query.py",
    "search/vlad.py",
    "search/vocabulary.py",
    "search/whitening.py",
]
ALONE = "search/client"
"""Is installed without the rest, too: it imports itself relatively, and of others httpx2 only."""
HEAVY = {"cv2", "faiss", "kornia", "numba", "open_clip", "scipy", "timm", "torch", "transformers"}


def files(*folders: str) -> list[Path]:
    found = [ROOT / f for f in folders]
    return sorted(p for f in found for p in (f.rglob("*.py") if f.is_dir() else [f]))


def imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"{path} imports relatively: write the whole name"
            assert name(path).startswith(ALONE), f"{path} imports relatively: write the whole name"
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", files(*LAYERS), ids=name)
def test_nothing_imports_upwards(path):
    above = LAYERS[LAYERS.index(path.relative_to(ROOT).parts[0]) + 1 :]
    assert not [module for module in imports(path) if module.split(".")[0] in above]


@pytest.mark.parametrize("path", files(*PURE), ids=name)
def test_pure_modules_have_no_django(path):
    assert not [module for module in imports(path) if module.split(".")[0] in ("django", "huey")]


@pytest.mark.parametrize("path", files(ALONE), ids=name)
def test_the_client_stands_alone(path):
    assert {module.split(".")[0] for module in imports(path)} <= {*sys.stdlib_module_names, "httpx2"}


def test_heavy_libraries_are_not_loaded_at_start():
    """Nor by looking at the engines: a process that does not search pays nothing for them."""
    program = (
        "import sys, django; django.setup(); import gallery.urls, search.tasks, ingestion.tasks;"
        "from search.engines import all_engines; all_engines(); print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(run.stdout.split())
