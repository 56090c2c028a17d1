"""Bringing pictures in: the bytes or an address, what became of them, and the questions about some."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja.responses import Status
from pydantic import Field

from gallery import api_edits
from gallery.api_access import Access
from gallery.api_bodies import WEBP, in_three_ways, read_body
from gallery.api_pages import REFUSALS, Cursor, Limit, Page, Problem, Token, page_by_id, reader_of
from gallery.images_schemas import image_out
from gallery.limits import take_as_visitor, upload_limit
from gallery.models import Image, ImageSource, Role, Scope, User, role_of
from gallery.originals import Incoming, IncomingFile, StorageError
from gallery.pictures import PictureError
from gallery.refusal import Refusal
from gallery.renditions import LONGEST, webp
from ingestion import decisions
from ingestion.addresses import decoded
from ingestion.by_url import Fetch
from ingestion.decisions import DecisionError
from ingestion.jobs_api import router
from ingestion.models import HeldUpload, Job
from ingestion.pipeline import Origin, Outcome, Result, import_incoming
from ingestion.questions import lines_of, questions
from ingestion.uploads_schemas import (
    Answer,
    QuestionOut,
    Stored,
    Upload,
    UploadOut,
    Words,
    alike_out,
    held_out,
    job_of,
    question_out,
    reachable,
)

STATE: dict[Result, Stored] = {
    Result.STORED: "stored",
    Result.KNOWN: "here_already",
    Result.HELD: "asked",
    Result.SKIPPED: "not_stored",
}
STATUS = {Result.STORED: 201, Result.HELD: 202}
WAITS = "Its tags and its caption are not kept while it waits: send them with the answer."


class ToUpload(Access):
    """Whoever may add pictures, as the settings say. ``counts``: visitors get only so many an hour."""

    def __init__(self, files: int = 0, counts: bool = False) -> None:
        super().__init__(Scope.WRITE, files=files)
        self.counts = counts

    def __call__(self, request: HttpRequest) -> Any:
        user = super().__call__(request)
        if self.counts:
            take_as_visitor(request, upload_limit())
        return user

    def _require_role(self, user: Any) -> None:
        if settings.UPLOADS != "anyone" or settings.ACCESS != "public":
            super()._require_role(user)


# --- bringing
@router.post(
    "",
    auth=ToUpload(files=1, counts=True),
    response={frozenset({200, 201, 202}): UploadOut, REFUSALS: Problem},
    summary="Add a picture",
    openapi_extra=in_three_ways(Upload, file="picture"),
)
def upload(request: HttpRequest) -> Status[UploadOut]:
    """201: it is stored. 200: the same bytes are here already, or it was skipped as you wished. 202: it is proven to be
    an edit of a picture that is here, and waits for your answer. In each case it is safe when this is answered."""
    asked = read_body(request, Upload)
    file = request.FILES.get("picture") if request.content_type == "multipart/form-data" else None
    if (file is None) == (not asked.url):
        raise Refusal(422, "empty" if file is None else "invalid", "Send a picture in the field picture, or its url.")
    _require_words(request, asked)
    outcome = _brought_by_url(request, asked) if file is None else _brought(request, file, asked)
    if outcome.error:
        raise outcome.error
    if outcome.image:
        _say(outcome.image, asked, request)
    return Status(STATUS.get(outcome.result, 200), _upload_out(request, outcome, asked))


def _require_words(request: HttpRequest, words: Words) -> None:
    if (words.tags or words.caption) and role_of(reader_of(request)) < Role.MEMBER:
        raise Refusal(401, "unauthorized", "Sign in to add tags and captions.")


def _brought(request: HttpRequest, file: Any, asked: Upload) -> Outcome:
    assert isinstance(file, IncomingFile)  # what our upload handler makes
    return _imported(file.incoming, _origin(request, asked, file.name or ""))


def _brought_by_url(request: HttpRequest, asked: Upload) -> Outcome:
    with Fetch(asked.url, request).incoming() as incoming:
        return _imported(incoming, _origin(request, asked, decoded(asked.url)))


def _imported(incoming: Incoming, origin: Origin) -> Outcome:
    try:
        return import_incoming(incoming, origin)
    except OSError as error:
        raise StorageError(error) from error


def _origin(request: HttpRequest, asked: Upload, address: str) -> Origin:
    user = reader_of(request)
    if asked.private and not user.is_authenticated:
        raise Refusal(401, "unauthorized", "Sign in: a private picture needs somebody whose it is.")
    by = user if user.is_authenticated else None
    return Origin(
        ImageSource.Kind.UPLOAD,
        asked.source or address,
        by=by,
        may_restore=bool(by and by.is_staff),
        edits=asked.edits,
        private=asked.private,
        title=asked.title,
        author=asked.author,
        licence=asked.licence,
    )


def _say(image: Image, words: Words, request: HttpRequest) -> None:
    user = reader_of(request)
    here = Image.objects.reachable_by(user).filter(pk=image.pk, trashed_at__isnull=True)
    if not (words.tags or words.caption) or not here.exists():
        return
    if words.caption:
        api_edits.caption(image, words.caption, user)
    if words.tags:
        api_edits.tag(image, words.tags.split(","), [], user)


def _upload_out(request: HttpRequest, outcome: Outcome, asked: Upload) -> UploadOut:
    if outcome.held and outcome.result == Result.HELD:
        return held_out(outcome.held, request, WAITS if asked.tags or asked.caption else "")
    (line,) = lines_of([outcome], request.user)
    image = reachable(outcome.image.pk, request) if outcome.image else None
    job = Job.objects.open().filter(image=outcome.image).first() if outcome.image else None
    return UploadOut(
        state=STATE[outcome.result],
        job=str(job.pk) if job and image else None,
        ready=bool(image and image.state == Image.State.READY),
        image=image_out(image, request.user, request) if image else None,
        question=None,
        alike=[alike_out(one, request) for one in line.others],
        notice=outcome.reason,
    )


# --- the questions
@router.get(
    "/questions",
    auth=Access(Scope.READ, Role.MEMBER),
    response={200: Page[QuestionOut], REFUSALS: Problem},
    summary="Pictures that wait for an answer",
)
def list_questions(
    request: HttpRequest,
    decided: Annotated[bool, Field(description="Instead, those whose answer can still be undone.")] = False,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> dict[str, Any]:
    """Yours, and for moderators all; the oldest first."""
    mine = HeldUpload.objects.of(request.user)
    rows = (mine.undoable(request.user) if decided else mine.waiting()).select_related("by", "image")
    found, onward = page_by_id(rows, limit, cursor, "questions", decided, rising=True)
    items = [question_out(question, request) for question in questions(found, request.user)]
    return {"items": items, "next": onward}


@router.get("/{job}", auth=ToUpload(), response={200: UploadOut, REFUSALS: Problem}, summary="What became of one")
def read_upload(request: HttpRequest, job: Token) -> UploadOut:
    """``job``: as it was answered when the picture was sent."""
    if job.isdecimal():
        return job_of(_job(request, job), request)
    return held_out(_held(request, job), request)


@router.get(
    "/{token}/picture",
    auth=ToUpload(),
    response={REFUSALS: Problem},
    url_name="upload_picture",
    summary="A picture that waits",
    openapi_extra=WEBP,
)
def read_picture(request: HttpRequest, token: Token) -> HttpResponse:
    """Small, encoded again without metadata."""
    held = _held(request, token)
    try:
        response = HttpResponse(webp(held.picture(longest=LONGEST[1]).pil()), content_type="image/webp")
    except (OSError, PictureError) as error:
        raise Refusal(410, "lost", decisions.LOST) from error
    response["Cache-Control"] = "no-store, private"
    return response


@router.post(
    "/{token}/answer",
    auth=ToUpload(),
    response={200: UploadOut, REFUSALS: Problem},
    url_name="answer_upload",
    summary="Answer the question about one",
)
def answer(request: HttpRequest, token: Token, said: Answer) -> UploadOut:
    """Keep it beside what is here, put it in the place of one of them, or do not store it."""
    held, user = _held(request, token), _person(request)
    if (said.image is None) == (said.action == "replace"):
        raise Refusal(422, "invalid", "image: say it for replace, and only then.")
    _require_words(request, said)
    try:
        if said.action == "drop":
            decisions.drop(held, request.user)
        elif said.image is not None:
            decisions.replace(held, said.image, user)
        else:
            decisions.keep(held, user)
    except DecisionError as error:
        raise Refusal(error.status, error.code, str(error)) from error
    held.refresh_from_db()
    if held.image:
        _say(held.image, said, request)
    return held_out(held, request)


@router.post(
    "/{token}/undo",
    auth=ToUpload(),
    response={200: UploadOut, REFUSALS: Problem},
    url_name="undo_upload",
    summary="Take an answer back",
)
def undo(request: HttpRequest, token: Token) -> UploadOut:
    """Of a drop: it waits again. Of a replacement: the one that was replaced comes back beside the new one."""
    held, sentences = _held(request, token), []
    try:
        if held.state == HeldUpload.State.STORED:
            sentences = decisions.undo_replace(held, request.user)
        else:
            decisions.take_back(held, request.user)
    except DecisionError as error:
        raise Refusal(error.status, error.code, str(error)) from error
    held.refresh_from_db()
    return held_out(held, request, " ".join(sentences))


def _held(request: HttpRequest, token: str) -> HeldUpload:
    """404 for all who may not decide: nobody learns what others bring."""
    found = HeldUpload.objects.open_to(request.user).select_related("image").filter(token=token).first()
    if found is None:
        raise Refusal(404, "not_found", "There is no such upload, or its answer is too long ago.")
    return found


def _job(request: HttpRequest, number: str) -> Job:
    found = Job.objects.filter(pk=int(number) if len(number) < 19 else 0).first()
    if found is None or reachable(found.image_id, request) is None:
        raise Refusal(404, "not_found", "There is no such upload, or it was done long ago.")
    return found


def _person(request: HttpRequest) -> User | None:
    user = reader_of(request)
    return user if user.is_authenticated else None
