"""The addresses of feeds, beside those of the searches that they follow."""

from __future__ import annotations

from urllib.parse import urlsplit

from django import template
from django.http import QueryDict
from django.urls import reverse

from search.forms import AnswerForm, Chip
from search.models import SavedSearch
from search.saved_address import SaveError, storable

register = template.Library()


@register.filter
def feed(address: str, kind: str) -> str:
    """Of the search that has this address; "" if it cannot be followed. ``kind``: "atom" or "json"."""
    try:
        parts = urlsplit(storable(str(address)))
    except SaveError:
        return ""
    if parts.path != reverse("search"):
        return ""
    asked = AnswerForm(QueryDict(parts.query), parts.path, alone=True)
    is_followed = asked.parsed.tree is not None or not asked.meaning
    return f"{reverse(f'feed_{kind}')}?{parts.query}" if is_followed else ""


@register.filter
def asked(search: SavedSearch) -> list[Chip]:
    """What it asks, part by part: the query as it was written, filters, the order."""
    params = QueryDict(search.query)
    form = AnswerForm(params, urlsplit(search.address).path, alone=search.is_in_words)
    parts = [form.written, ", ".join(f"#{code}" for code in params.get("c", "").split(",") if code)]
    parts += [chip.words for chip in form.chips]
    parts += [form.orders[form.sort]] if params.get("sort") and form.sort != form.natural_sort else []
    return [Chip(part, "") for part in parts if part]


@register.filter
def can_be_saved(address: str) -> bool:
    try:
        return bool(storable(str(address)))
    except SaveError:
        return False
