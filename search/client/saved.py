"""Searches that have a name."""

from __future__ import annotations

from collections.abc import Callable

from .answers import Answer, Page, Saved
from .calls import Call, given, nothing, one, page_of


def saved_searches() -> Callable[[str], Call[Page[Saved]]]:
    """Yours, and those that others share; oldest first."""
    return lambda cursor: Call("GET", "/api/saved", page_of(Saved), query=given(cursor=cursor))


def save_search(name: str, q: str = "", *, address: str = "", shared: bool = False) -> Call[Saved]:
    """Give a query a name, or the ``address`` of an answer on the pages of the gallery."""
    return Call("POST", "/api/saved", one(Saved), json=given(name=name, q=q, address=address, shared=shared))


def saved_results(
    token: str, k: int = 20, *, weak: bool | None = None, cursor: str = "", explain: bool | None = None
) -> Call[Answer]:
    """What a saved search finds now."""
    query = given(limit=k, weak=weak, cursor=cursor, explain=explain)
    return Call("GET", "/api/saved/{token}/results", one(Answer), {"token": token}, query=query)


def change_saved(token: str, *, name: str | None = None, shared: bool | None = None) -> Call[Saved]:
    """Rename or share it. One that is shared no more gets another token."""
    return Call("PATCH", "/api/saved/{token}", one(Saved), {"token": token}, json=given(name=name, shared=shared))


def delete_saved(token: str) -> Call[None]:
    """For a day it can be restored."""
    return Call("DELETE", "/api/saved/{token}", nothing, {"token": token})


def restore_saved(token: str) -> Call[Saved]:
    """Take it back."""
    return Call("POST", "/api/saved/{token}/restore", one(Saved), {"token": token})
