"""What pages of mining say of pictures that have no image yet."""

from __future__ import annotations

import base64

from django import template

from ingestion.filters import all_scores
from ingestion.models import Crawl
from search.networks import duration

register = template.Library()

OUTCOMES = {"pass": "passes", "hold": "held for a person", "reject": "rejected"}


@register.filter
def picture_uri(webp: bytes) -> str:
    """A thumbnail as an address of its own: it is shown once, and lies nowhere."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode()


@register.filter
def took(crawl: Crawl) -> str:
    """ "40 seconds", "3 minutes"."""
    seconds = (crawl.finished_at - crawl.created_at).total_seconds() if crawl.finished_at else 0.0
    return duration(max(1.0, seconds))


@register.filter
def outcome_word(outcome: str) -> str:
    return OUTCOMES.get(str(outcome), str(outcome))


@register.filter
def score_label(name: str) -> str:
    """A score whose filter is gone keeps its name."""
    score = all_scores().get(name)
    return score.label if score else name
