"""Collections, and the datasets that are made of them.

What is done to a collection is a work. A small one is over with its answer; for others these methods wait, unless they
are told not to (``wait=False``), and ``wait_for`` does it later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from .answers import Collected, Collection, Page, Scores, Work
from .calls import Call, Steps, given, listed, nothing, one, page_of, pause
from .errors import GalleryError, mistake
from .pictures import Picture, file_of

PAGE = 200
FIRST_LOOK, LONGEST_LOOK = 0.1, 5.0
"""Seconds between two questions how far a work is: growing from one to the other."""
PATIENCE = 600.0
"""Seconds without a sign that it goes on."""
Token: TypeAlias = Collection | str
WorkProgress: TypeAlias = Callable[[Work], None]
"""Called whenever it was asked how far the work is."""


def collections(*, mine: bool = False) -> Callable[[str], Call[Page[Collection]]]:
    """Yours, and those that others share; newest first."""
    return lambda cursor: Call(
        "GET", "/api/collections", page_of(Collection), query=given(mine=mine or None, limit=PAGE, cursor=cursor)
    )


def collection(token: str) -> Call[Collection]:
    """One, by its token."""
    return Call("GET", "/api/collections/{token}", one(Collection), {"token": token})


def create_collection(name: str, *, note: str = "", shared: bool = False) -> Call[Collection]:
    """An empty one. ``shared``: everybody who may look at the gallery sees it."""
    return Call("POST", "/api/collections", one(Collection), json={"name": name, "note": note, "shared": shared})


def change_collection(
    collection: Token, *, name: str | None = None, note: str | None = None, shared: bool | None = None
) -> Call[Collection]:
    """What is not given stays. One that is shared no more gets another token."""
    wish: dict[str, object] = {} if note is None else {"note": note}
    return Call(
        "PATCH",
        "/api/collections/{token}",
        one(Collection),
        _of(collection),
        json={**wish, **given(name=name, shared=shared)},
    )


def delete_collection(collection: Token) -> Call[None]:
    """Its pictures stay in the gallery. For 30 days it can be restored."""
    return Call("DELETE", "/api/collections/{token}", nothing, _of(collection))


def restore_collection(collection: Token) -> Call[Collection]:
    """Bring it back."""
    return Call("POST", "/api/collections/{token}/restore", one(Collection), _of(collection))


# --- its pictures
def collected(collection: Token) -> Callable[[str], Call[Page[Collected]]]:
    """Its pictures, in the order in which they came."""
    return lambda cursor: Call(
        "GET",
        "/api/collections/{token}/images",
        page_of(Collected),
        _of(collection),
        query=given(limit=PAGE, cursor=cursor),
    )


def add_to_collection(
    collection: Token,
    ids: Sequence[int] = (),
    *,
    query: str = "",
    like: int | None = None,
    colours: str | Sequence[str] = (),
    address: str = "",
    limit: int | None = None,
    wait: bool = True,
) -> Steps[Work]:
    """Pictures by their ids (at most 10,000 at once), or all that one search finds, up to ``limit``: a ``query``, what
    is ``like`` a picture of the gallery, ``colours``, or the ``address`` of a page of answers."""
    wish = given(ids=list(ids) or None, query=query, like=like, colours=listed(colours), address=address, limit=limit)
    return _begun(Call("POST", "/api/collections/{token}/images", one(Work), _of(collection), json=wish), wait)


def remove_from_collection(collection: Token, ids: Sequence[int], *, wait: bool = True) -> Steps[Work]:
    """They stay in the gallery."""
    path = "/api/collections/{token}/images/remove"
    return _begun(Call("POST", path, one(Work), _of(collection), json={"ids": list(ids)}), wait)


def send_scores(collection: Token, scores: Picture) -> Call[Scores]:
    """What a model of yours says: a CSV file with the columns image (id, file name or sha256) and score (0..1)."""
    files = {"scores": file_of(scores, "scores.csv")}
    # A score that is sent again is the same score.
    path = "/api/collections/{token}/scores"
    return Call("POST", path, one(Scores), _of(collection), files=files, repeatable=True)


# --- what is done with them
def thin_collection(
    collection: Token,
    *,
    bits: int | None = None,
    likeness: float | None = None,
    engine: str = "",
    dry_run: bool = True,
    preview: Work | str = "",
    wait: bool = True,
) -> Steps[Work]:
    """Take out near-duplicates; the best of each stays. By itself it only says what would go: give that work as
    ``preview`` to do exactly this, or ``dry_run=False``. ``bits`` of 576 of the hash that may differ, and/or the
    ``likeness`` (cosine) from which on two look alike."""
    seen = preview.token if isinstance(preview, Work) else preview
    wish = given(bits=bits, likeness=likeness, engine=engine, dry_run=dry_run, preview=seen)
    return _begun(Call("POST", "/api/collections/{token}/thin", one(Work), _of(collection), json=wish), wait)


def sample_collection(
    collection: Token,
    count: int | None = None,
    how: Literal["diverse", "spread", "random", "uncertain"] = "diverse",
    *,
    into: str = "",
    seed: int | None = None,
    low: float | None = None,
    high: float | None = None,
    engine: str = "",
    wait: bool = True,
) -> Steps[Work]:
    """Choose few that stand for many. ``uncertain``: those with scores between ``low`` and ``high``. ``into``: name of
    a new collection (its token is in ``outcome["collection"]``); without one the rest is taken out of this one."""
    wish = given(count=count, how=how, into=into, seed=seed, low=low, high=high, engine=engine)
    return _begun(Call("POST", "/api/collections/{token}/sample", one(Work), _of(collection), json=wish), wait)


def export_collection(
    collection: Token,
    path: str | Path,
    *,
    index: Literal["jsonl", "csv", "coco"] = "jsonl",
    longest: int | None = None,
    metadata: bool | None = None,
    patience: float = PATIENCE,
    progress: WorkProgress | None = None,
) -> Steps[Path]:
    """Have it packed, wait as ``wait_for`` does, and write the ZIP to ``path``: pictures, an index and the licences.

    ``longest``: resized to so many pixels. ``metadata``: byte by byte, with what cameras wrote into them, places too.
    """
    wish = given(index=index, longest=longest, metadata=metadata)
    work = yield from Call("POST", "/api/collections/{token}/export", one(Work), _of(collection), json=wish)
    work = yield from wait_for(work, patience=patience, progress=progress)
    into, where = Path(path), {"token": work.collection, "work": work.token}
    file: Call[Path] = Call("GET", "/api/collections/{token}/works/{work}/file", lambda reply: into, where, into=into)
    return (yield from file)


# --- works
def works(collection: Token) -> Callable[[str], Call[Page[Work]]]:
    """What you have done to it, newest first."""
    query = {"limit": PAGE}
    return lambda cursor: Call(
        "GET", "/api/collections/{token}/works", page_of(Work), _of(collection), query=query | given(cursor=cursor)
    )


def work(work: Work) -> Call[Work]:
    """How far it is now."""
    return _on(work, "GET", "")


def undo_work(work: Work) -> Call[Work]:
    """As it was before."""
    return _on(work, "POST", "/undo")


def stop_work(work: Work) -> Call[Work]:
    """What is done stays, and can be undone."""
    return _on(work, "POST", "/stop")


def wait_for(work: Work, *, patience: float = PATIENCE, progress: WorkProgress | None = None) -> Steps[Work]:
    """Until it is over, however long that takes. GalleryError with the reason if it was given up, or if nothing has
    happened to it for ``patience`` seconds; it is not stopped by that."""
    look, waited = FIRST_LOOK, 0.0
    while not work.is_over:
        if waited >= patience:
            raise GalleryError(0, "not_done", _stands_still(work, waited))
        yield from pause(look)
        before, work = work, (yield from _on(work, "GET", ""))
        waited = waited + look if (work.state, work.done) == (before.state, before.done) else 0.0
        look = min(LONGEST_LOOK, look * 1.5)
        if progress:
            progress(work)
    if work.state == "failed":
        raise GalleryError(0, "failed", work.problem or f"The work “{work.kind}” was given up.")
    return work


def _stands_still(work: Work, seconds: float) -> str:
    if work.state == "waiting":
        what = "has not been begun for {:.0f} seconds: is the worker of the gallery running?"
    else:
        what = f"has stood at {work.done} of {work.total} for {{:.0f}} seconds."
    return f"The work “{work.kind}” {what.format(seconds)} It stays in the list of works, and wait_for goes on waiting."


def _begun(call: Call[Work], wait: bool) -> Steps[Work]:
    work = yield from call
    return (yield from wait_for(work)) if wait else work


def _on(work: Work, method: str, action: str) -> Call[Work]:
    where = {"token": work.collection, "work": work.token}
    return Call(method, "/api/collections/{token}/works/{work}" + action, one(Work), where)


def _of(collection: Token) -> dict[str, object]:
    token = collection.token if isinstance(collection, Collection) else collection
    if not token:
        raise mistake("Which collection? Give it, or its token.")
    return {"token": token}
