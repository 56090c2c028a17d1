"""Which tag somebody means who writes its name, to look only: gallery.tags makes those that are missing."""

from __future__ import annotations

from gallery.models import Tag
from gallery.words import tag_name


def find_tag(written: str) -> Tag | None:
    """The tag whose other name it is, or that has this name. WordError."""
    name = tag_name(written)
    return Tag.objects.filter(aliases__name=name).first() or Tag.objects.filter(name=name).first()
