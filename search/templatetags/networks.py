"""How pages that everybody reads call a network: its name may be the path of a folder of this server."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django import template
from django.conf import settings

from search.encoders import get_network
from search.errors import WeightsMissing

register = template.Library()


@register.filter
def network_label(name: str) -> str:
    """ "CLIP ViT-B-16/openai" of "clip:ViT-B-16/openai"; whatever is no network stays as it is."""
    return _label(name, settings.WEIGHTS) if ":" in name else name


@lru_cache(maxsize=256)
def _label(name: str, folder: Path) -> str:
    model = Path(name.partition(":")[2])
    try:
        label = get_network(name, folder).label
    except WeightsMissing:
        return model.name or name
    if model.is_absolute() or ".." in model.parts:
        label = label.replace(str(model), model.name)
    return label.removeprefix("Captions by ")  # the page says "by" itself
