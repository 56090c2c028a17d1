"""Pictures that are here already in another form."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import ImageOps
from PIL.Image import Image as PillowImage
from PIL.Image import fromarray

from gallery.models import User
from ingestion.models import HeldUpload
from ingestion.pipeline import Outcome
from tests.ingestion.scene import bring, data
from tests.pictures import photo

SIZE = (640, 480)


def whole(seed: int = 1) -> PillowImage:
    return photo(seed, *SIZE)


def crop(seed: int = 1) -> PillowImage:
    """Half the area, upper left."""
    return whole(seed).crop((0, 0, 453, 339))


def mirrored_crop(seed: int = 1) -> PillowImage:
    return ImageOps.mirror(crop(seed))


def half_size(seed: int = 1) -> PillowImage:
    return whole(seed).resize((320, 240))


def enlarged(seed: int = 1) -> PillowImage:
    return whole(seed).resize((1280, 960))


def double_size(seed: int = 1) -> PillowImage:
    """With detail that the small one cannot hold."""
    large = np.asarray(enlarged(seed)).astype(np.int16)
    grain = np.random.default_rng(seed).normal(0, 12, large.shape[:2])[..., None]
    return fromarray(np.clip(large + grain, 0, 255).astype(np.uint8))


def bring_edit(picture: PillowImage, name: str = "crop.jpg", edits: str = "hold", **origin: Any) -> Outcome:
    return bring(data(picture), name, edits=edits, **origin)


def hold(picture: PillowImage | None = None, by: User | None = None, name: str = "crop.jpg") -> HeldUpload:
    """A held upload; the picture that it is an edit of must be here."""
    outcome = bring_edit(picture or crop(), name, by=by)
    assert outcome.held, outcome
    return outcome.held
