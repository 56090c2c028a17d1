"""The way from a page, a template of Django, to the parts that Jinja2 draws: see gallery/jinja.py."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString

from gallery.jinja import asset, drawn, htmx, place

register = template.Library()
register.simple_tag(asset, name="asset")
register.simple_tag(place, name="place")
register.simple_tag(htmx, name="htmx")


@register.simple_tag
def jinja(name: str, **context: Any) -> SafeString:
    """Draw a whole list at once: ``{% jinja "gallery/_tiles.jinja" images=images %}``.

    The template knows what is named here and nothing else of the page. It escapes what it is given.
    """
    return SafeString(drawn(name, **context))
