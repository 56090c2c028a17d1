"""Pictures that are similar by their tags, for a strip."""

from __future__ import annotations

from typing import Any

from django import template

from gallery.models import Image
from search.tag_likeness import Alike, similar_by_tags

register = template.Library()


@register.simple_tag
def by_tags(image: Image, user: Any, most: int) -> list[Alike]:
    """One more than ``most`` says that there are more."""
    return similar_by_tags(image, user, most + 1)
