"""Work that waits, fails or was set aside; for moderators, and of one picture for who may see it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from gallery.api_access import Access
from gallery.api_pages import MOST, REFUSALS, Cursor, Id, Limit, Page, Problem, example, page_by_id, reader_of
from gallery.models import Image, Role, Scope, role_of
from gallery.refusal import Refusal
from ingestion.models import Job, JobQuerySet
from ingestion.uploads_schemas import JobOut, job_out

Asked = Literal["", "queued", "running", "done", "failed", "quarantined"]
MOST_JOBS = 50

router = Router(tags=["uploads"])
"""ingestion/uploads_api.py adds to it: these come first, for "jobs" is no token of an upload."""


class Retried(Schema):
    retried: int = Field(description="Jobs that begin anew.")


class Retry(Schema):
    """Which; without both, all that have failed or were set aside."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(ids=[1, 2]))
    ids: list[Id] | None = Field(None, max_length=MOST)
    image: Id | None = None


class Counts(Schema):
    """Of all jobs that are not done."""

    queued: int = 0
    running: int = 0
    failed: int = 0
    quarantined: int = 0


class Jobs(Page[JobOut]):
    counts: Counts


@router.get("/jobs", auth=Access(Scope.MODERATE), response={200: Jobs, REFUSALS: Problem}, summary="Work on pictures")
def list_jobs(
    request: HttpRequest,
    state: Annotated[Asked, Field(description="Empty: all that is not done.")] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> dict[str, Any]:
    """The newest first."""
    mine = _mine(request)
    rows = mine.filter(state=state) if state else mine.exclude(state="done")
    found, onward = page_by_id(rows, limit, cursor, "jobs", state)
    return {
        "items": [job_out(job) for job in found],
        "next": onward,
        "counts": {name: n for name, n in mine.unfinished().items() if name != "done"},
    }


@router.get(
    "/jobs/of/{image}",
    auth=Access(Scope.READ, Role.MEMBER),
    response={200: list[JobOut], REFUSALS: Problem},
    summary="Work on one picture",
)
def jobs_of(request: HttpRequest, image: Id) -> list[dict[str, Any]]:
    """The newest first, at most 50. Why something failed is told to moderators."""
    user = reader_of(request)
    if not Image.objects.reachable_by(user).filter(pk=image).exists():
        raise Refusal(404, "not_found", f"There is no picture {image} here.")
    told = role_of(user) >= Role.MODERATOR
    return [job_out(job, told) for job in Job.objects.filter(image=image).order_by("-pk")[:MOST_JOBS]]


@router.post(
    "/jobs/retry",
    auth=Access(Scope.MODERATE),
    response={200: Retried, REFUSALS: Problem},
    summary="Try again what failed",
)
def retry(request: HttpRequest, which: Retry) -> dict[str, int]:
    """With a fresh start. Of a picture that is being worked on nothing has to be tried again."""
    from ingestion.tasks import ring  # the queue is not needed by those who only look

    chosen = _mine(request)
    chosen = chosen.filter(pk__in=which.ids) if which.ids is not None else chosen
    chosen = chosen.filter(image=which.image) if which.image else chosen
    count = chosen.retry()
    if count:
        ring()
    return {"retried": count}


def _mine(request: HttpRequest) -> JobQuerySet:
    """Without the work on what others keep for themselves."""
    return Job.objects.filter(image__in=Image.objects.reachable_by(reader_of(request)))
