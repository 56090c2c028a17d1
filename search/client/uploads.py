"""Pictures on their way in, and the questions about some of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Literal, TypeAlias, TypedDict, Unpack

from .answers import Job, Page, Question, Retried, Upload
from .calls import Call, Reply, Steps, batches, given, listed, many, on_disk, one, page_of, pause, together
from .errors import GalleryError, Invalid, NotFound, mistake
from .pictures import Picture, file_of
from .reading import made

SUFFIXES = re.compile(r"\.(avif|bmp|gif|hei[cf]|jfif|jp2|jpe|jpe?g|jxl|png|p[gp]m|tga|tiff?|webp)", re.IGNORECASE)
BATCH = 64
LOOK = 0.5
"""Seconds between two questions whether a picture is ready."""
UploadProgress: TypeAlias = Callable[[int, int, Upload], None]
"""Called after each file: how many are done, of how many, and what became of this one."""


JobState: TypeAlias = Literal["", "queued", "running", "done", "failed", "quarantined"]


class Described(TypedDict, total=False):
    """What is said of a picture that comes in."""

    private: bool
    """Only you see it."""
    tags: str | Iterable[str]
    caption: str
    edits: Literal["hold", "keep", "skip"]
    """If it is proven to be here in another form: ask, keep both, or skip it."""
    source: str
    """Web address of where it is from."""
    author: str
    licence: str


def upload(picture: Picture, *, title: str = "", name: str = "", **described: Unpack[Described]) -> Call[Upload]:
    """One picture. It is safe on the disk of the gallery when this returns.

    It may be sent again when the line breaks, for the gallery keeps each content (its SHA-256) once: the second time
    it says ``here_already``, which then also means that the first time went well.
    """
    files = {"picture": file_of(picture, name)}
    form = given(title=title, **_said(described))
    return Call("POST", "/api/uploads", one(Upload), form=form, files=files, repeatable=True)


def upload_url(url: str, *, title: str = "", **described: Unpack[Described]) -> Call[Upload]:
    """The picture at an address of the web; the gallery fetches it."""
    form = given(url=url, title=title, **_said(described))
    return Call("POST", "/api/uploads", one(Upload), form=form, repeatable=True)


def upload_folder(
    folder: str | Path, *, jobs: int = 2, progress: UploadProgress | None = None, **described: Unpack[Described]
) -> Steps[list[Upload]]:
    """All pictures of a folder and the folders in it, in the order of their names. What the gallery cannot take is
    ``failed``, and its ``notice`` says why; the others go on. Broken off, just do it again: what is there is not stored
    twice."""
    root = Path(folder)
    if not root.is_dir():
        raise mistake(f"There is no folder {folder}.")
    paths = yield from on_disk(lambda: list(_pictures(root)))
    return (yield from upload_files(paths, jobs=jobs, progress=progress, **described))


def upload_files(
    paths: Sequence[str | Path],
    *,
    jobs: int = 2,
    progress: UploadProgress | None = None,
    **described: Unpack[Described],
) -> Steps[list[Upload]]:
    """The same with files."""
    lock, done = Lock(), 0

    def counted(path: str | Path) -> Steps[Upload]:
        nonlocal done
        came = yield from _tried(path, described)
        with lock:
            done += 1
            if progress:
                progress(done, len(paths), came)
        return came

    uploads: list[Upload] = []
    for batch in batches(iter(paths), BATCH):
        uploads += yield from together([counted(path) for path in batch], jobs)
    return uploads


def upload_state(job: str) -> Call[Upload]:
    """What became of one: ``job`` as it was answered."""
    return Call("GET", "/api/uploads/{job}", one(Upload), {"job": job})


def until_ready(upload: Upload, *, patience: float = 600.0) -> Steps[Upload]:
    """Wait until the picture is shown and can be found. GalleryError if that takes longer than ``patience`` seconds, or
    if it waits for somebody's answer."""
    waited = 0.0
    while upload.image is not None and not upload.ready:
        if upload.state == "failed" or waited >= patience:
            raise GalleryError(0, "not_ready", upload.notice or f"It is not ready after {waited:.0f} seconds.")
        yield from pause(LOOK)
        waited += LOOK
        upload = yield from _now(upload)
    if upload.image is None:
        raise GalleryError(0, upload.state, upload.notice or "This picture is not in the gallery.")
    return upload


def _now(upload: Upload) -> Steps[Upload]:
    """A job that is done is forgotten after a while; then the picture itself is asked."""
    from .browsing import image

    assert upload.image is not None
    try:
        if upload.job:
            return (yield from upload_state(upload.job))
    except NotFound:
        pass
    shown = yield from image(upload.image.id)
    return replace(upload, image=shown, ready=True)


# --- questions
def questions(*, decided: bool = False) -> Callable[[str], Call[Page[Question]]]:
    """Pictures that wait for your answer (``decided``: whose answer can be undone), oldest first."""
    query = given(decided=decided or None)
    return lambda cursor: Call(
        "GET", "/api/uploads/questions", page_of(Question), query={**query, **given(cursor=cursor)}
    )


def answer_upload(
    token: str,
    action: Literal["keep", "replace", "drop"],
    *,
    image: int | None = None,
    tags: str | Iterable[str] = (),
    caption: str = "",
) -> Call[Upload]:
    """Keep it beside what is here, put it in the place of ``image``, or do not store it."""
    said = given(action=action, image=image, tags=_words(tags), caption=caption)
    return Call("POST", "/api/uploads/{token}/answer", one(Upload), {"token": token}, json=said)


def undo_upload(token: str) -> Call[Upload]:
    """Take an answer back."""
    return Call("POST", "/api/uploads/{token}/undo", one(Upload), {"token": token})


def question_picture(token: str) -> Call[bytes]:
    """A small WebP of a picture that waits."""
    return Call("GET", "/api/uploads/{token}/picture", lambda reply: reply.body, {"token": token})


# --- what is done to pictures that have come in
def jobs(state: JobState = "") -> Callable[[str], Call[Page[Job]]]:
    """For moderators: work on pictures, newest first; without a state all that is not done."""
    return lambda cursor: Call("GET", "/api/uploads/jobs", page_of(Job), query=given(state=state, cursor=cursor))


def jobs_of(image: int) -> Call[tuple[Job, ...]]:
    """Work on one picture, newest first."""
    return Call("GET", "/api/uploads/jobs/of/{image}", many(Job), {"image": image})


def retry_jobs(ids: Sequence[int] | None = None, *, image: int | None = None) -> Call[int]:
    """For moderators: begin anew what failed or was set aside: all, some jobs, or those of one image. How many."""
    said = given(ids=None if ids is None else list(ids), image=image)
    return Call("POST", "/api/uploads/jobs/retry", _retried, json=said, repeatable=True)


def _retried(reply: Reply) -> int:
    return made(Retried, reply.json()).retried


# --- folders
def _tried(path: str | Path, described: Described) -> Steps[Upload]:
    try:
        came = yield from upload(path, **described)
    except Invalid as error:
        return Upload("failed", notice=str(error), path=str(path))
    return replace(came, path=str(path))


def _pictures(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if SUFFIXES.fullmatch(path.suffix) and not hidden and path.is_file():
            yield path


def _said(described: Described) -> dict[str, object]:
    return {**described, "tags": _words(described.get("tags", ()))}


def _words(tags: str | Iterable[str]) -> str:
    return tags if isinstance(tags, str) else listed(list(tags))
