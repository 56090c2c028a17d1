"""What the pages say in words and marks: icons, sizes, camera facts, addresses."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django import template
from django.contrib.messages.storage.base import Message
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gallery.addresses import address_of
from gallery.models import Image

register = template.Library()

ROW_HEIGHT, ROW_HEIGHT_PHONE = 260, 150
"""Pixels: what a row of static/css/rows.css usually grows to."""
NO_BREAK = "\u00a0"
CAMERA_WORDS = {
    "DateTimeOriginal": "Taken",
    "FNumber": "Aperture",
    "FocalLengthIn35mmFilm": "In 35 mm",
    "ExposureTime": "Exposure",
    "OffsetTimeOriginal": "Time zone",
}
CAMERA_ORDER = ("Camera", "Lens", "Exposure", "Aperture", "ISO", "Focal length")
UNSAID = {"Make", "Model", "LensMake", "LensModel", "Orientation", "DateTime", "DateTimeDigitized"}


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """A drawing of static/img/icons.svg. The words beside it say what it means."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("img/icons.svg"), name)


register.simple_tag(address_of)


@register.filter
def undo(message: Message) -> str:
    """The image that a message offers to bring back: the 12 of its tag "undo-12", or ""."""
    found = re.fullmatch(r"undo-(\d+)", message.extra_tags or "")
    return found[1] if found else ""


@register.filter
def megapixels(image: Image) -> str:
    """As "12.2 MP"; nothing for pictures so small that the number would say less than their sides."""
    millions = image.width * image.height / 1e6
    return f"{millions:.0f} MP" if millions >= 20 else f"{millions:.1f} MP" if millions >= 0.1 else ""


@register.filter
def row_sizes(image: Image) -> str:
    """What the rows show of an image, for its ``sizes``: browsers that know "auto" measure it themselves."""
    ratio = min(3.2, max(0.4, image.width / image.height))
    return f"auto, (max-width: 600px) {ratio * ROW_HEIGHT_PHONE:.0f}px, {ratio * ROW_HEIGHT:.0f}px"


@register.filter
def percent(share: float | None) -> str:
    """0.834 -> "83 %"; "" for None."""
    return "" if share is None else f"{100 * share:.0f}{NO_BREAK}%"


@register.filter
def unbroken(words: str) -> str:
    """Keeps a number and its % in one line."""
    return words.replace(" %", f"{NO_BREAK}%")


@register.filter
def camera_words(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    """[(word, value), ...]: the camera's facts as a photographer says them, the most telling first."""
    said = {
        "Camera": _named(facts.get("Make"), facts.get("Model")),
        "Lens": _named(facts.get("LensMake"), facts.get("LensModel")),
    }
    said |= {_word(key): value for key, value in facts.items() if key not in UNSAID}
    if "Aperture" in said:
        said["Aperture"] = f"f/{said['Aperture']:g}" if isinstance(said["Aperture"], int | float) else said["Aperture"]
    said.pop("Taken", None)  # image.taken_at says it
    order = {word: place for place, word in enumerate(CAMERA_ORDER)}
    return sorted(((w, v) for w, v in said.items() if v != ""), key=lambda item: order.get(item[0], len(order)))


def _named(make: Any, model: Any) -> str:
    """Of "Canon" and "Canon EOS 5D": "Canon EOS 5D"."""
    make, model = str(make or ""), str(model or "")
    return model if model.lower().startswith(make.lower()) and model else f"{make} {model}".strip()


def _word(key: str) -> str:
    """The field "ExposureBias" is an "Exposure bias"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key)
    return CAMERA_WORDS.get(key) or (spaced if spaced.isupper() else spaced.capitalize())


@register.simple_tag
def address_with(address: str, **params: Any) -> str:
    """The address with more parameters; those that are empty are left out."""
    query = urlencode({key: value for key, value in params.items() if value})
    return f"{address}{'&' if '?' in address else '?'}{query}" if query else address
