"""Collections, and the datasets that are made of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import FileResponse, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import File, Query, Router
from ninja.files import UploadedFile
from ninja.responses import Status

from gallery.api_access import Access
from gallery.api_bodies import answers_with
from gallery.api_pages import REFUSALS, Cursor, Limit, Page, Problem, Token, page_by_id
from gallery.images_schemas import ImageOut, images_out
from gallery.models import Image, Role, Scope, User
from gallery.refusal import Refusal
from search.api_errors import refusing
from search.collections_schemas import (
    EXAMPLES,
    AddIn,
    CollectedOut,
    CollectionEdit,
    CollectionIn,
    CollectionOut,
    ExportIn,
    Outcome,
    RemoveIn,
    SampleIn,
    ScoresOut,
    ThinIn,
    WorkOut,
)
from search.datasets import keeping, packing, scoring, wishes, works
from search.datasets.answers import address_of
from search.datasets.errors import CollectionError
from search.datasets.scores import ScoresError, read_scores
from search.datasets.tasks import start
from search.language import parse
from search.models import Collection, CollectionItem, CollectionWork
from search.query import parse_colours

router = Router(tags=["collections"])
READ, WRITE = Access(Scope.READ), Access(Scope.WRITE)
FETCH = Access(Scope.READ, role=Role.MEMBER)


# --- collections
@router.get("", auth=READ, response={200: Page[CollectionOut], REFUSALS: Problem}, summary="Collections, newest first")
def list_collections(
    request: HttpRequest,
    limit: Limit = 100,
    cursor: Cursor = "",
    mine: bool = Query(False, description="Only one's own."),
) -> Any:
    """One's own, and those that others share."""
    found = Collection.objects.visible_to(request.user).select_related("owner")
    found = found.filter(keeping.owned_by(request.user)) if mine else found
    rows, onward = page_by_id(found, limit, cursor, "collections", mine)
    return {"items": _collections(request, rows), "next": onward}


@router.post("", auth=WRITE, response={201: CollectionOut, REFUSALS: Problem}, summary="Make a collection")
def make_collection(request: HttpRequest, wish: CollectionIn) -> Any:
    """An empty one. 409 if you have another of this name."""
    made = _refusing(lambda: keeping.make(_person(request), wish.name, wish.note, wish.shared))
    return Status(201, _collections(request, [made])[0])


@router.get("/{token}", auth=READ, response={200: CollectionOut, REFUSALS: Problem}, summary="One collection")
def read_collection(request: HttpRequest, token: Token) -> Any:
    """Your own, or a shared one."""
    return _collections(request, [_visible(request, token)])[0]


@router.patch("/{token}", auth=WRITE, response={200: CollectionOut, REFUSALS: Problem}, summary="Rename or share it")
def edit_collection(request: HttpRequest, token: Token, wish: CollectionEdit) -> Any:
    """What is left out stays as it is. Only your own."""
    collection = _own(request, token)
    _refusing(lambda: keeping.edit(collection, wish.name, wish.note, wish.shared))
    return _collections(request, [collection])[0]


@router.delete("/{token}", auth=WRITE, response={204: None, REFUSALS: Problem}, summary="Delete a collection")
def delete_collection(request: HttpRequest, token: Token) -> Any:
    """Its pictures stay in the gallery. For 30 days it can be brought back."""
    keeping.delete(_own(request, token))
    return Status(204, None)


@router.post("/{token}/restore", auth=WRITE, response={200: CollectionOut, REFUSALS: Problem}, summary="Bring it back")
def restore_collection(request: HttpRequest, token: Token) -> Any:
    """With all its pictures. 409 if another one of yours has its name by now."""
    collection = keeping.deleted_of(request.user).filter(token=token).first()
    if collection is None:
        raise Refusal(404, "not_found", "You have deleted no such collection.")
    _refusing(lambda: keeping.restore(collection))
    return _collections(request, [collection])[0]


# --- its pictures
@router.get(
    "/{token}/images",
    auth=READ,
    response={200: Page[CollectedOut], REFUSALS: Problem},
    summary="Pictures of a collection",
)
def list_collected(request: HttpRequest, token: Token, limit: Limit = 100, cursor: Cursor = "") -> Any:
    """In the order in which they came; those that the asker may see."""
    collection = _visible(request, token)
    items = collection.items_for(request.user).select_related("image")
    rows, onward = page_by_id(items, limit, cursor, "collected", token, rising=True)
    images = images_out([row.image for row in rows], request.user, request)
    tells = collection.tells_how(request.user)
    said = [_collected(row, image, tells) for row, image in zip(rows, images, strict=True)]
    return {"items": said, "next": onward}


@router.post(
    "/{token}/images", auth=WRITE, response={200: WorkOut, 202: WorkOut, REFUSALS: Problem}, summary="Add pictures"
)
def add_pictures(request: HttpRequest, token: Token, wish: AddIn) -> Any:
    """By their numbers, or all that a search finds, up to ``limit``. What is in it already stays as it is."""
    given = [bool(wish.ids), bool(wish.query), wish.like is not None, bool(wish.colours), bool(wish.address)]
    if sum(given) != 1:
        raise Refusal(422, "invalid", "Give exactly one of ids, query, like, colours and address.")
    collection, address = _own(request, token), _address(request, wish)
    return _begun(request, lambda: wishes.add(collection, _person(request), wish.ids, address, wish.limit))


@router.post(
    "/{token}/images/remove",
    auth=WRITE,
    response={200: WorkOut, 202: WorkOut, REFUSALS: Problem},
    summary="Take pictures out",
)
def remove_pictures(request: HttpRequest, token: Token, wish: RemoveIn) -> Any:
    """They stay in the gallery; the work can be undone."""
    collection = _own(request, token)
    return _begun(request, lambda: wishes.remove(collection, _person(request), wish.ids))


@router.post(
    "/{token}/scores",
    auth=Access(Scope.WRITE, files=1),
    response={200: ScoresOut, REFUSALS: Problem},
    summary="Send in what a model says",
)
def send_scores(request: HttpRequest, token: Token, scores: File[UploadedFile]) -> Any:
    """A CSV file with the columns ``image`` (number, file name or sha256) and ``score`` (0 to 1)."""
    collection = _own(request, token)
    matched, unmatched = _refusing(
        lambda: scoring.note_scores(collection, _person(request), read_scores(content_of(scores)))
    )
    return {"matched": matched, "unmatched": len(unmatched), "lines": unmatched[: EXAMPLES * 20]}


# --- what is done with them
@router.post(
    "/{token}/thin",
    auth=WRITE,
    response={200: WorkOut, 202: WorkOut, REFUSALS: Problem},
    summary="Take out near-duplicates",
)
def thin_collection(request: HttpRequest, token: Token, wish: ThinIn) -> Any:
    """The best of each stays. A dry run says what would go; its token as ``preview`` does exactly that."""
    collection = _own(request, token)
    if wish.preview:
        preview = _work(request, collection, wish.preview)
        return _begun(request, lambda: wishes.thin_as_seen(preview, _person(request)))
    return _begun(
        request,
        lambda: wishes.thin(collection, _person(request), wish.bits, wish.likeness, wish.engine, wish.dry_run),
    )


@router.post(
    "/{token}/sample", auth=WRITE, response={200: WorkOut, 202: WorkOut, REFUSALS: Problem}, summary="Choose a sample"
)
def sample_collection(request: HttpRequest, token: Token, wish: SampleIn) -> Any:
    """diverse: each next one is the farthest from all chosen (k-centre greedy); spread: drawn as k-means++ draws its
    seeds; random; uncertain: scores between ``low`` and ``high``."""
    collection = _own(request, token)
    return _begun(request, lambda: wishes.sample(collection, _person(request), **wish.dict()))


@router.post(
    "/{token}/export",
    auth=Access(Scope.READ, role=Role.MEMBER),
    response={202: WorkOut, REFUSALS: Problem},
    summary="Pack it",
)
def export_collection(request: HttpRequest, token: Token, wish: ExportIn) -> Any:
    """A ZIP file with pictures, index and licences, of a collection of one's own or a shared one."""
    collection, base = _visible(request, token), request.build_absolute_uri("/").rstrip("/")
    work = _refusing(lambda: wishes.export(collection, _person(request), wish.dict(), base))
    start(work)
    return Status(202, work_out(request, work))


# --- works
@router.get(
    "/{token}/works", auth=FETCH, response={200: Page[WorkOut], REFUSALS: Problem}, summary="What was done to it"
)
def list_works(request: HttpRequest, token: Token, limit: Limit = 100, cursor: Cursor = "") -> Any:
    """By the asker, newest first."""
    found = CollectionWork.objects.visible_to(request.user).filter(collection=_visible(request, token))
    rows, onward = page_by_id(found.select_related("collection"), limit, cursor, "works", token)
    return {"items": [work_out(request, row) for row in rows], "next": onward}


@router.get(
    "/{token}/works/{work}", auth=FETCH, response={200: WorkOut, REFUSALS: Problem}, summary="How far a work is"
)
def read_work(request: HttpRequest, token: Token, work: Token) -> Any:
    """Ask again until its state is neither waiting nor working."""
    return work_out(request, _work(request, _visible(request, token), work))


@router.post(
    "/{token}/works/{work}/undo", auth=WRITE, response={200: WorkOut, REFUSALS: Problem}, summary="Undo a work"
)
def undo_work(request: HttpRequest, token: Token, work: Token) -> Any:
    """As it was before, for 30 days."""
    found = _work(request, _own(request, token), work)
    _refusing(lambda: works.undo(found))
    return work_out(request, found)


@router.post(
    "/{token}/works/{work}/stop", auth=FETCH, response={200: WorkOut, REFUSALS: Problem}, summary="Stop a work"
)
def stop_work(request: HttpRequest, token: Token, work: Token) -> Any:
    """What is done stays, and can be undone."""
    found = _work(request, _visible(request, token), work)
    works.stop(found)
    return work_out(request, found)


@router.get(
    "/{token}/works/{work}/file",
    auth=FETCH,
    response={REFUSALS: Problem},
    summary="The file of an export",
    openapi_extra=answers_with("application/zip", "A ZIP file."),
)
def read_file(request: HttpRequest, token: Token, work: Token) -> Any:
    """A ZIP file, for a day, for whoever had it packed."""
    found = _work(request, _visible(request, token), work)
    return file_response(found)


# --- between the two
def content_of(file: Any) -> bytes:
    """Of an upload; CollectionError if it is too large."""
    if file.error:
        raise CollectionError(str(file.error), file.error.code, file.error.status)
    return bytes(file.incoming.finish().path.read_bytes())


def file_response(work: CollectionWork) -> HttpResponse | FileResponse:
    """The file of an export that is done. Refusal if its day is over."""
    if work.kind != CollectionWork.Kind.EXPORT or work.state != CollectionWork.State.DONE:
        raise Refusal(409, "not_done", "There is no file: this export is not done.")
    try:
        file = packing.file_of(work).open("rb")
    except OSError as error:
        raise Refusal(410, "over", "This file is gone: it is kept for a day. Pack the collection again.") from error
    name = f"{packing.file_name(0, work.collection.name, 'zip').removeprefix('0-').replace('0.zip', 'collection.zip')}"
    response = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
    response["Cache-Control"] = "private, no-store"
    return response


def work_out(request: HttpRequest, work: CollectionWork) -> dict[str, Any]:
    told = {name: value for name, value in work.outcome.items() if name in Outcome.model_fields and name != "examples"}
    near = [
        {"removed": removed, "kept": kept, "why": why, "near": far}
        for removed, kept, why, far in work.outcome.get("examples", [])[:EXAMPLES]
    ]
    here = {"token": work.collection.token, "work": work.token}
    done = work.kind == CollectionWork.Kind.EXPORT and work.state == CollectionWork.State.DONE
    file = request.build_absolute_uri(reverse("api:read_file", kwargs=here)) if done else None
    return {
        "token": work.token,
        "collection": work.collection.token,
        "kind": work.kind,
        "state": work.state,
        "total": work.total,
        "done": work.done,
        "problem": work.problem,
        "dry_run": work.is_preview,
        "can_be_undone": work.can_be_undone,
        "outcome": told | {"examples": near},
        "at": work.at,
        "ended_at": work.ended_at,
        "address": request.build_absolute_uri(reverse("api:read_work", kwargs=here)),
        "file": file if done and packing.file_of(work).exists() else None,
    }


def _collections(request: HttpRequest, rows: list[Collection]) -> list[dict[str, Any]]:
    counts = keeping.counts(rows, request.user)
    return [
        {
            "token": row.token,
            "name": row.name,
            "note": row.note,
            "shared": row.is_shared,
            "mine": row.owner_id == request.user.pk,
            "owner": row.owner.get_username(),
            "count": counts.get(row.pk, 0),
            "created_at": row.created_at,
            "page": request.build_absolute_uri(row.get_absolute_url()),
        }
        for row in rows
    ]


def _collected(row: CollectionItem, image: ImageOut, tells: bool) -> dict[str, Any]:
    return {"image": image, "via": row.via if tells else "", "score": row.score, "added_at": row.added_at}


@refusing
def _address(request: HttpRequest, wish: AddIn) -> str:
    """What no search could answer is refused here: a work that fails is for what turns out later."""
    if wish.query:
        parse(wish.query)
        return address_of(wish.query)
    if wish.like is not None:
        if not Image.objects.visible_to(request.user).filter(pk=wish.like).exists():
            raise Refusal(404, "not_found", "There is no such picture.")
        return reverse("like", args=[wish.like])
    if wish.colours:
        parse_colours(wish.colours)
        return f"{reverse('colours')}?{urlencode({'c': wish.colours.replace('#', '')})}"
    return wish.address


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # Access has seen to it
    return request.user


def _visible(request: HttpRequest, token: str) -> Collection:
    found = Collection.objects.visible_to(request.user).select_related("owner").filter(token=token).first()
    if found is None:
        raise Refusal(404, "not_found", "There is no such collection.")
    return found


def _own(request: HttpRequest, token: str) -> Collection:
    found = _visible(request, token)
    if found.owner_id != request.user.pk:
        raise Refusal(403, "forbidden", "Only its owner changes a collection.")
    return found


def _work(request: HttpRequest, collection: Collection, token: str) -> CollectionWork:
    mine = CollectionWork.objects.visible_to(request.user).select_related("collection")
    found = mine.filter(collection=collection, token=token).first()
    if found is None:
        raise Refusal(404, "not_found", "You have begun no such work.")
    return found


def _begun(request: HttpRequest, begin: Any) -> Any:
    work = _refusing(begin)
    return Status(200 if start(work) else 202, work_out(request, work))


def _refusing(do: Any) -> Any:
    try:
        return do()
    except CollectionError as error:
        raise Refusal(422 if error.code == "invalid" else error.status, error.code, str(error)) from error
    except ScoresError as error:
        raise Refusal(422, "scores", str(error)) from error
