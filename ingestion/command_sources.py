"""Sources as the command line names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError
from django.utils.datastructures import MultiValueDict

from ingestion.models import Source
from ingestion.sources import all_crawlers


def named(name: str) -> Source:
    """CommandError if there is none."""
    source = Source.objects.here().filter(name=name).first()
    if source is None:
        there = ", ".join(Source.objects.here().values_list("name", flat=True)) or "none yet"
        raise CommandError(f"There is no source called {name}. There are: {there}.")
    return source


def of_kind(kind: str, given: list[str], name: str = "") -> Source:
    """Not saved. ``given``: ["subreddit=EarthPorn", ...]. CommandError for each thing that is wrong with it."""
    crawler = all_crawlers().get(kind)
    if crawler is None:
        raise CommandError(f"There is no kind of source called {kind}. There are: {', '.join(all_crawlers())}.")
    fields = crawler.options().fields
    form = crawler.options(_filled(kind, fields, given))
    if not form.is_valid():
        wrong = [f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()]
        raise CommandError("\n".join(wrong).replace("__all__: ", "") + f"\n{_hint(kind, fields)}")
    return Source(name=name or kind, kind=kind, options=form.cleaned_data)


def _filled(kind: str, fields: Mapping[str, Any], given: list[str]) -> MultiValueDict:
    """As a page would send it: what is not given is as the form proposes it. A name may be given several times."""
    pairs: dict[str, list[Any]] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals:
            raise CommandError(f"--option {each}: write NAME=VALUE.")
        if key not in fields:
            raise CommandError(f"{kind} has no option {key}. {_hint(kind, fields)}")
        pairs.setdefault(key, []).append(value)
    for key, field in fields.items():
        initial = field.initial() if callable(field.initial) else field.initial
        if key not in pairs and initial is not None:
            pairs[key] = list(initial) if isinstance(initial, list | tuple) else [initial]
    return MultiValueDict(pairs)


def _hint(kind: str, fields: Mapping[str, Any]) -> str:
    return f"Options of {kind}: {', '.join(fields)}; like --option NAME=VALUE."
