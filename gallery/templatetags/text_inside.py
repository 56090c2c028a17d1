"""Words inside a picture, for its page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template

from gallery.models import Image, OcrText
from gallery.text_inside import Inside, inside

register = template.Library()


@register.simple_tag(takes_context=True)
def text_inside(context: dict[str, Any], image: Image, texts: Iterable[OcrText]) -> Inside:
    """Words that are asked for in the address (?mark=word) are marked."""
    return inside(image, texts, context["request"].GET.get("mark", "")[:1000])
