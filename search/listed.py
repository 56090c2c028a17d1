"""The page of a query that is answered to the letter: all pictures that it means, page by page, and their number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from gallery.models import Image
from search.forms import AnswerForm
from search.language.tree import Parsed
from search.listing import Count, Listing
from search.marks import Mark, marks_of
from search.reasons import Reason, why_empty
from search.wording import wanted


@dataclass
class Listed:
    """One picture of the list, with what was asked of it marked."""

    image: Image
    marks: list[Mark] = field(default_factory=list)


def listing_of(form: AnswerForm, user: AbstractBaseUser | AnonymousUser) -> Listing:
    """QueryError for what this user cannot ask."""
    # The address says the order, as the form has read it: what the query says is the same, or was chosen otherwise.
    listing = Listing(replace(form.parsed, sort=""), user, form.order)
    listing.images = listing.images.filter(form.filters.condition)
    return listing


def listed_page(form: AnswerForm, user: AbstractBaseUser | AnonymousUser) -> dict[str, Any]:
    """What search/listed.html shows. CursorError for a broken address of a page; QueryError as above."""
    listing = listing_of(form, user)
    images, after = listing.page(form.after, settings.PAGE_SIZE)
    return {
        "form": form,
        "listed": as_listed(images, form.parsed),
        "after": after,
        "count": _count(listing, form, images, after),
        "reasons": reasons_of(form, user) if not images and not form.after else [],
        "notes": listing.notes,
        "address": form.path,
    }


def reasons_of(form: AnswerForm, user: AbstractBaseUser | AnonymousUser) -> list[tuple[Reason, str]]:
    """Why there is nothing, each with the address of what may have been meant."""
    if form.filters and Listing(replace(form.parsed, sort=""), user).count().number:
        return [(Reason("Pictures are like that, but none of them passes the filters."), "")]
    reasons = why_empty(form.parsed, user)
    return [(reason, form.address_of(reason.query)) for reason in reasons]


def as_listed(images: list[Image], parsed: Parsed) -> list[Listed]:
    marks = marks_of([image.pk for image in images], wanted(parsed.tree))
    return [Listed(image, marks.get(image.pk, [])) for image in images]


def _count(listing: Listing, form: AnswerForm, images: list[Image], after: str) -> Count | None:
    """Not needed for further pages."""
    if form.after:
        return None
    return listing.count() if after else Count(len(images))
