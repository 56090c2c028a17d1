"""All pictures that a search finds, by the address of its answer or by its words, for whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import Http404, QueryDict
from django.urls import Resolver404, resolve, reverse

from gallery.models import Image
from gallery.paging import CursorError, order_from
from search.asked import GONE, Asked
from search.compiling.budget import TOO_LONG, TooSlow, within
from search.datasets.errors import CollectionError, NotYet
from search.errors import QueryError
from search.evidence import EvidenceError
from search.forms import AnswerForm
from search.listed import listing_of
from search.models import Collection
from search.query import Query, parse_colours
from search.retrieval import PATIENCE, query_of, retrieve

MOST = 100_000
MOST_COMPARED = 10_000
"""Of what is ranked by likeness or meaning: further down it is no answer any more."""
LONGEST = 4_000
_MILLISECONDS = 30_000
FOREIGN = "Only what a search of this gallery has found can be added."
Person = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True)
class Asker:
    """Who asks, for how many pictures at most, and whether engines get PATIENCE or what they have on a page."""

    user: Person
    limit: int
    is_patient: bool


@dataclass(frozen=True)
class Finding:
    images: list[int]
    """In the order of the answer."""
    via: str
    """The search, for people."""
    notices: list[str] = field(default_factory=list)
    """What could not be asked, and why: there may be more such pictures."""


def address_of(query: str) -> str:
    """Of the answer to a query in words."""
    return f"{reverse('search')}?{urlencode({'q': query})}"


def find(address: str, user: Person, limit: int, is_patient: bool) -> Finding:
    """The first ``limit`` pictures of the answer that has this address, weak ones aside.

    CollectionError if there is none, or if it cannot be read: a filter that is misunderstood would let everything in.
    NotYet while a network comes into memory. An engine that has no answer within its seconds on a page is NotYet too;
    who ``is_patient`` gives it PATIENCE, and gets what the others have found, with a notice, if that is not enough.
    """
    name, path, params, number = _resolved(address)
    limit = max(1, min(limit, MOST))
    try:
        return _FOUND[name](path, params, number, Asker(user, limit, is_patient))
    except (QueryError, CursorError, EvidenceError) as error:
        raise CollectionError(str(error), "query") from error


def said(address: str) -> str:
    """The search of this address, for people. CollectionError if it is none."""
    name, path, params, number = _resolved(address)
    if name == "browse":
        return "all pictures"
    if name == "collection":
        return "another collection"
    beside = " ".join([params.get("q", ""), *(chip.words for chip in AnswerForm(params, path).chips)]).strip()
    asked = {"like": f"like picture {number}", "query": "like a picture of yours", "colours": "colours"}.get(name, "")
    asked += f" {params.get('c', '')}" if name == "colours" else ""
    return ", ".join(part for part in (asked, beside) if part)[:1000] or "a search"


def _resolved(address: str) -> tuple[str, str, QueryDict, Any]:
    if not address.startswith("/") or address.startswith("//") or len(address) > LONGEST:
        raise CollectionError(FOREIGN)
    try:
        parts = urlsplit(address)
        match = resolve(parts.path)
        params = QueryDict(parts.query)
    except (ValueError, Resolver404) as error:
        raise CollectionError(FOREIGN) from error
    if parts.scheme or parts.netloc or match.url_name not in _FOUND:
        raise CollectionError(FOREIGN)
    return str(match.url_name), parts.path, params, next(iter(match.kwargs.values()), None)


def _form(path: str, params: QueryDict, kept: list[tuple[str, str]] | None = None, alone: bool = False) -> AnswerForm:
    form = AnswerForm(params, path, kept or [], alone)
    if form.mistake:
        raise CollectionError(f"This search cannot be read: {form.mistake.sentence}")
    if form.sentences:
        raise CollectionError(" ".join(form.sentences))
    return form


def _by_words(path: str, params: QueryDict, number: Any, asker: Asker) -> Finding:
    form = _form(path, params, alone=True)
    if form.is_letter:
        listing = listing_of(form, asker.user)
        most = asker.limit if listing.limit is None else min(asker.limit, listing.limit)
        return Finding(_ids(form.order.of(listing.images), most), said(f"{path}?{params.urlencode()}"))
    if not form.meaning:
        raise CollectionError("Nothing was asked: search for something first.")
    return _by_likeness(form, None, asker, said(f"{path}?{params.urlencode()}"))


def _by_image(path: str, params: QueryDict, number: Any, asker: Asker) -> Finding:
    image = Image.objects.visible_to(asker.user).filter(pk=min(int(number), 2**63 - 1)).first()
    if image is None:
        raise CollectionError("There is no such picture.")
    return _by_likeness(_form(path, params), query_of(image), asker, said(f"{path}?{params.urlencode()}"))


def _by_picture(path: str, params: QueryDict, number: Any, asker: Asker) -> Finding:
    try:
        asked = Asked.brought(str(number))
    except Http404 as error:
        raise CollectionError(GONE) from error
    return _by_likeness(_form(path, params), asked.query, asker, said(f"{path}?{params.urlencode()}"))


def _by_colours(path: str, params: QueryDict, number: Any, asker: Asker) -> Finding:
    form = _form(path, params, [("c", params.get("c", ""))])
    query = Query(colours=parse_colours(params.get("c", "")))
    return _by_likeness(form, query, asker, said(f"{path}?{params.urlencode()}"))


def _by_likeness(form: AnswerForm, query: Query | None, asker: Asker, via: str) -> Finding:
    answer = retrieve(
        form.asked(query),
        asker.user,
        limit=min(asker.limit, MOST_COMPARED),
        among=form.condition(asker.user),
        patience=PATIENCE if asker.is_patient else None,
    )
    if answer.is_loading or (answer.is_late and not asker.is_patient):
        raise NotYet
    found = sorted(answer.found, key=lambda one: one.match.grade) if form.sort == "relevance" else answer.found
    most = asker.limit if form.parsed.limit is None else min(asker.limit, form.parsed.limit)
    return Finding([one.match.image_id for one in found[:most]], via, answer.notices)


def _everything(path: str, params: QueryDict, number: Any, asker: Asker) -> Finding:
    order = order_from(params, draw=lambda: 0)
    return Finding(_ids(order.of(Image.objects.visible_to(asker.user)), asker.limit), "all pictures")


def _of_collection(path: str, params: QueryDict, number: Any, asker: Asker) -> Finding:
    other = Collection.objects.visible_to(asker.user).filter(token=str(number)).first()
    if other is None:
        raise CollectionError("There is no such collection.")
    ids = other.items_for(asker.user).order_by("pk").values_list("image", flat=True)[: asker.limit]
    return Finding(list(ids), f"the collection {other.name}"[:1000])


def _ids(images: Any, limit: int) -> list[int]:
    try:
        with within(_MILLISECONDS):
            return list(images.values_list("pk", flat=True)[:limit])
    except TooSlow as error:
        raise CollectionError(TOO_LONG) from error


_FOUND: dict[str, Callable[[str, QueryDict, Any, Asker], Finding]] = {
    "search": _by_words,
    "like": _by_image,
    "query": _by_picture,
    "colours": _by_colours,
    "browse": _everything,
    "collection": _of_collection,
}
