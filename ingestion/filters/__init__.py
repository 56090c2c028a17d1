"""The filters: one file is one filter, found by its file name like a management command."""

from __future__ import annotations

import math
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingestion.filters._base import Filter, Score

LARGEST = 1e12
"""No option of a filter is meant to be larger."""
LONGEST_TEXT = 200


class OptionError(ValueError):
    """Why an option of a filter cannot be so, in a sentence."""


@cache
def all_filters() -> dict[str, Filter]:
    """{name: filter}, cheap ones first."""
    names = sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))
    found = [import_module(f"{__name__}.{name}") for name in names]
    filters = [module.FILTER for module in found if hasattr(module, "FILTER")]
    return {each.name: each for each in sorted(filters, key=lambda each: (each.order, each.name))}


def all_scores() -> dict[str, Score]:
    """{name: score} of all filters, in their order."""
    return {score.name: score for each in all_filters().values() for score in each.scores}


def checked_options(filter: Filter, given: Any) -> dict[str, Any]:
    """All options of a filter: its defaults, and what is given in their place. OptionError.

    An option is of the kind of its default: yes or no, a whole number, a number, a text. Numbers are never negative.
    """
    if not isinstance(given, dict):
        raise OptionError(f"{filter.label}: its options are an object, like {{{_example(filter)}}}.")
    unknown = [str(name)[:40] for name in given if name not in filter.defaults]
    if unknown:
        there_are = f"there are {', '.join(filter.defaults)}" if filter.defaults else "it has none"
        raise OptionError(f"{filter.label} has no option {unknown[0]!r}; {there_are}.")
    for name, value in given.items():
        if wanted := _wanted(filter.defaults[name], value):
            raise OptionError(f"{filter.label}: {name} must be {wanted}, not {str(value)[:40]!r}.")
    return filter.defaults | given


def _example(filter: Filter) -> str:
    name, value = next(iter(filter.defaults.items()), ("", None))
    return f'"{name}": {value}' if name else ""


def _wanted(usual: Any, value: Any) -> str:
    """What an option of this default must be, in words; "": this value will do."""
    if isinstance(usual, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(usual, int):
        return "" if type(value) is int and 0 <= value <= LARGEST else "a whole number that is not negative"
    if isinstance(usual, float):
        is_number = type(value) in (int, float) and math.isfinite(value) and 0 <= value <= LARGEST
        return "" if is_number else "a number that is not negative"
    is_text = isinstance(value, str) and len(value) <= LONGEST_TEXT and "\x00" not in value
    return "" if is_text else f"a text of at most {LONGEST_TEXT} characters"
