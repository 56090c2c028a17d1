"""A network for watermarks that learns in seconds what large marks on plain pictures are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from ingestion.watermarks.lesson import Lesson, learn, network
from ingestion.watermarks.pupils import Material
from ingestion.watermarks.training import Course
from ingestion.watermarks.typefaces import OWN
from search.encoders import watermark
from search.encoders._pixels import Preparation
from search.encoders.watermark import Architecture, Watermark
from tests.pictures import photo

MODEL = "tiny"
STEPS = 60
NAME = f"watermark:{MODEL}"


def _built() -> Any:
    from search.encoders._watermark_small import Small

    return Small(widths=(8, 8, 16, 16), blocks=(0, 0, 0))


def known(monkeypatch: Any) -> None:
    """Until the end of the test, or of whatever ``monkeypatch`` belongs to."""
    preparation = Preparation(80, (0.5,) * 3, (0.25,) * 3, mode="squash")
    monkeypatch.setitem(watermark.ARCHITECTURES, MODEL, Architecture(MODEL, preparation, _built))
    monkeypatch.setattr("ingestion.watermarks.training._WARM_STEPS", 5)
    monkeypatch.setattr("ingestion.watermarks.drawing.KINDS", ("centre",))
    monkeypatch.setattr("ingestion.watermarks.drawing.SIZES", (90, 110))
    monkeypatch.setattr("ingestion.watermarks.drawing.FAINTEST", 0.6)
    monkeypatch.setattr("ingestion.watermarks.drawing._WEIGHTS", (1,))
    monkeypatch.setattr("ingestion.watermarks.drawing._SIGNS", 0)


def plain(seed: int) -> Image.Image:
    """A picture in which nothing could be taken for a mark."""
    return photo(seed).resize((8, 6)).resize((200, 150), Image.Resampling.BICUBIC)


def pictures(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        plain(seed).save(folder / f"{seed}.png")
    return sorted(folder.iterdir())


def trained(folder: Path, steps: int = STEPS) -> Watermark:
    """``folder``: of all weights."""
    files = pictures(folder / "pictures", 12)
    material = Material(tuple(files[2:]), tuple(files[:2]), (OWN,), (OWN,))
    found = network(MODEL, folder, None)
    learn(Lesson(found, material, Course(1, steps, rate=2e-2)), lambda progress: None)
    return found
