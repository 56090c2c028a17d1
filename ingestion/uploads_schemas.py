"""Pictures that come in, and the questions about some of them, as the API tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from ninja import Schema
from pydantic import ConfigDict, Field, field_validator

from gallery.api_pages import NO_NUL, Id, example, reader_of
from gallery.images_schemas import ImageOut, image_out
from gallery.models import Image
from gallery.words import LONGEST_CAPTION, LONGEST_TAG, MOST_TAGS, caption_text, tag_names
from ingestion.addresses import MAX_URL, decoded, parse
from ingestion.download_errors import DownloadError
from ingestion.models import HeldUpload, Job
from ingestion.pipeline import MAX_ADDRESS
from ingestion.questions import Beside, Question, questions

Short = Annotated[str, Field(max_length=255, pattern=NO_NUL)]
Address = Annotated[str, Field(max_length=MAX_URL, pattern=NO_NUL)]

Stored = Literal["stored", "here_already", "asked", "keeping", "not_stored", "failed"]
STATES: dict[str, Stored] = {
    HeldUpload.State.WAITING: "asked",
    HeldUpload.State.KEEPING: "keeping",
    HeldUpload.State.STORED: "stored",
    HeldUpload.State.DROPPED: "not_stored",
}


class Words(Schema):
    """What is said of a picture once it is stored."""

    model_config = ConfigDict(extra="forbid")
    tags: Annotated[str, Field(max_length=(LONGEST_TAG + 2) * MOST_TAGS, pattern=NO_NUL)] = Field(
        "", description=f"Comma separated, at most {MOST_TAGS}."
    )
    caption: Annotated[str, Field(max_length=LONGEST_CAPTION, pattern=NO_NUL)] = ""

    @field_validator("tags")
    @classmethod
    def _are_tags(cls, written: str) -> str:
        if written.strip():
            tag_names(written)  # WordError, a ValueError
        return written.strip()

    @field_validator("caption")
    @classmethod
    def _is_a_caption(cls, written: str) -> str:
        return caption_text(written) if written.strip() else ""


class Upload(Words):
    """A picture: a file in the field ``picture`` of a form, or the ``url`` of one that this server fetches."""

    url: Address = ""
    private: bool = Field(False, description="Only you see it.")
    edits: Literal["hold", "keep", "skip"] = Field(
        "hold", description="If it is proven to be here in another form: ask (hold), keep both, or skip it."
    )
    title: Short = ""
    source: Annotated[str, Field(max_length=MAX_ADDRESS, pattern=NO_NUL)] = Field(
        "", description="Web address of where it is from."
    )
    author: Short = ""
    licence: Short = ""

    @field_validator("source")
    @classmethod
    def _is_an_address(cls, written: str) -> str:
        if not written.strip():
            return ""
        try:
            parse(written)
        except DownloadError as error:
            raise ValueError(str(error)) from error
        return decoded(written)


class Answer(Words):
    """What shall become of a picture that waits."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(action="keep"))
    action: Literal["keep", "replace", "drop"]
    image: Id | None = Field(None, description="For replace: the picture whose place it takes; that goes to the trash.")


class AlikeOut(Schema):
    """A picture of the gallery, and how the new one is proven to be like it."""

    id: int
    name: str
    page: str
    width: int
    height: int
    bytes: int
    grade: str = Field(description="same or contains.")
    relation: str = Field(description="The new one is the same, a part of it, the whole around it, or they overlap.")
    evidence: str
    sentence: str
    mirrored: bool
    covers: float = Field(description="Share of the one here that the new one shows.")
    covered: float = Field(description="Share of the new one that shows the one here.")
    may_replace: bool = Field(description="You may answer with replace and its id.")


class QuestionOut(Schema):
    """A picture that is safe, but not in the gallery: it waits until somebody says what shall become of it."""

    token: str
    state: Stored
    name: str
    width: int
    height: int
    format: str
    bytes: int
    created_at: datetime
    picture: str
    alike: list[AlikeOut]
    advice: str = Field(description="keep, replace or drop.")
    reason: str = Field(description="Of the advice.")
    answer: str = Field(description="POST here: {action, image}.")
    undo: str = Field(description="POST here to take a drop or a replacement back, for a day.")
    may_undo: bool
    undo_until: datetime | None
    error: str = Field(description="Why an answer could not be carried out.")


class UploadOut(Schema):
    """What became of a picture."""

    state: Stored
    job: str | None = Field(description="GET /api/uploads/{job} says how it goes on; null if nothing is left to do.")
    ready: bool = Field(description="It is shown, and can be found.")
    image: ImageOut | None
    question: QuestionOut | None = Field(description="If it was asked.")
    alike: list[AlikeOut] = Field(description="Of one that was stored or skipped: what it is like.")
    notice: str = Field(description="A sentence for a person; often empty.")


class JobOut(Schema):
    """Work on one picture: its thumbnails, what engines compare, what is said of it."""

    id: int
    image: int
    state: str
    attempts: int
    error: str
    created_at: datetime
    not_before: datetime
    finished_at: datetime | None


# --- rows as they are told
def alike_out(one: Beside, request: HttpRequest) -> AlikeOut:
    image, likeness = one.image, one.likeness
    facts = {name: getattr(image, name) for name in ("name", "width", "height", "bytes")}
    seen = {name: getattr(likeness, name) for name in ("grade", "relation", "evidence", "sentence", "mirrored")}
    return AlikeOut(
        id=image.pk,
        page=request.build_absolute_uri(image.get_absolute_url()),
        covers=likeness.covers,
        covered=likeness.covered,
        may_replace=one.may_replace,
        **facts,
        **seen,
    )


def question_out(question: Question, request: HttpRequest) -> QuestionOut:
    held = question.held
    facts = {name: getattr(held, name) for name in ("token", "name", "width", "height", "format", "bytes")}

    def at(name: str) -> str:
        return request.build_absolute_uri(reverse(f"api:{name}", args=[held.token]))

    return QuestionOut(
        **facts,
        state=STATES[held.state],
        created_at=held.created_at,
        picture=at("upload_picture"),
        alike=[alike_out(one, request) for one in question.others],
        advice=question.advice.action,
        reason=question.advice.reason,
        answer=at("answer_upload"),
        undo=at("undo_upload"),
        may_undo=question.may_undo,
        undo_until=held.undo_until,
        error=question.sentence,
    )


def held_out(held: HeldUpload, request: HttpRequest, notice: str = "") -> UploadOut:
    (question,) = questions([held], request.user)
    image = reachable(held.image_id, request)
    return UploadOut(
        state=STATES[held.state],
        job=held.token,
        ready=bool(image and image.state == Image.State.READY),
        image=image_out(image, request.user, request) if image else None,
        question=question_out(question, request),
        alike=[],
        notice=notice or question.sentence,
    )


def job_of(job: Job, request: HttpRequest) -> UploadOut:
    image = reachable(job.image_id, request)
    failed = job.state in (Job.State.FAILED, Job.State.QUARANTINED)
    return UploadOut(
        state="failed" if failed else "stored",
        job=str(job.pk),
        ready=bool(image and image.state == Image.State.READY),
        image=image_out(image, request.user, request) if image else None,
        question=None,
        alike=[],
        notice="It could not be prepared. The owner of the gallery can see why." if failed else "",
    )


def job_out(job: Job, told: bool = True) -> dict[str, Any]:
    """``told``: also why it has failed, which names things of the machine."""
    same = ("state", "attempts", "created_at", "not_before", "finished_at")
    facts = {name: getattr(job, name) for name in same}
    return {"id": job.pk, "image": job.image_id, "error": job.error if told else "", **facts}


def reachable(pk: int | None, request: HttpRequest) -> Image | None:
    """As for everybody; and what is being prepared for all, of which its job is told."""
    mine = Image.objects.reachable_by(reader_of(request)).values("pk")
    coming = Q(private=False, trashed_at=None, state=Image.State.NEW)
    return Image.objects.filter(Q(pk__in=mine) | coming).filter(pk=pk).first() if pk else None
