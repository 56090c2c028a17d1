"""Drawn duplicates, and the words of a page."""

from __future__ import annotations

import re

from PIL import Image as PillowImage

from gallery.models import Image
from search.duplicates import versions
from search.engines._base import Grade
from search.groups import regroup
from search.models import Group, Pair
from tests.pictures import photo

LIST = "/search/duplicates/"


def text(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode())).replace("\xa0", " ")


def large(seed: int) -> PillowImage.Image:
    return photo(seed, 800, 600)


def pair(one: Image, other: Image, grade: Grade = Grade.SAME, whole: Image | None = None) -> Group:
    low, high = sorted((one, other), key=lambda image: image.pk)
    Pair.objects.create(low=low, high=high, grade=grade, score=0.9, whole=whole, versions=versions())
    regroup([low.pk, high.pk])
    return Group.objects.get(members__image=low, grade=grade)
