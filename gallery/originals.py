"""The files of the pictures, named by their content: media/originals/ab/cd/<sha256>.<extension>.

The order is what keeps them: stream to .incoming, count and hash on the way, flush to disk, decode, rename to the
content's name, flush the folder; only then may a row speak of the file.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.db import connection

from gallery.disk import flush_folder, make_folders
from gallery.names import safe_name
from gallery.pictures import EXTENSION, PictureError

BLOCK = 2**18


class Incoming:
    """A file on its way in. Use it in a ``with``: what is not kept is removed."""

    kind = "file"
    """In the sentence about one that is too large."""

    def __init__(self, name: str, most: int | None = None) -> None:
        """``most``: bytes, if it may be larger or has to be smaller than a picture."""
        self.name = safe_name(name)
        self.most = settings.MAX_BYTES if most is None else most
        self.bytes = 0
        self.path = _folder(".incoming") / uuid.uuid4().hex
        self._hash = hashlib.sha256()
        self._file: IO[bytes] = open(self.path, "xb")  # noqa: SIM115 - closed by finish() or discard()

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, block: bytes) -> None:
        """PictureError ("too_large") as soon as the limit is passed: the rest is never read."""
        self.bytes += len(block)
        if self.bytes > self.most:
            raise self.too_large()
        self._hash.update(block)
        self._file.write(block)

    def too_large(self) -> PictureError:
        return too_large(self.most, self.kind)

    def fill(self, blocks: Iterable[bytes]) -> Incoming:
        for block in blocks:
            self.write(block)
        return self.finish()

    def restart(self) -> None:
        """What has come is of no use: begin with an empty file again."""
        if self._file.closed:
            self._file = open(self.path, "r+b")  # noqa: SIM115 - as above
        self._file.seek(0)
        self._file.truncate()
        self.bytes, self._hash = 0, hashlib.sha256()

    def finish(self) -> Incoming:
        """All bytes are there: flush them to the disk."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return self

    def keep(self, format: str) -> Path:
        """Give the file the name of its content. Two processes may do this for the same content at once."""
        target = path_of(self.sha256, format)
        make_folders(target.parent)
        os.replace(self.path, target)
        flush_folder(target.parent)
        return target

    def discard(self) -> None:
        with suppress(OSError):  # what it still wants to write to a full disk
            self._file.close()
        self.path.unlink(missing_ok=True)

    def __del__(self) -> None:
        # A connection that breaks off in the middle of a form leaves nobody else to do it.
        if hasattr(self, "_file"):
            self.discard()


class StorageError(PictureError):
    """The picture may be good, but the disk is full or read-only."""

    status = 507

    def __init__(self, error: OSError) -> None:
        super().__init__("storage", f"The picture cannot be stored now: {error.strerror or error}.")


def too_large(most: int | None = None, kind: str = "file") -> PictureError:
    mib = (settings.MAX_BYTES if most is None else most) / 2**20
    return PictureError("too_large", f"This {kind} is larger than {mib:g} MiB, the most that is taken here.")


def path_of(sha256: str, format: str) -> Path:
    return settings.MEDIA_ROOT / "originals" / sha256[:2] / sha256[2:4] / f"{sha256}.{EXTENSION[format]}"


def remove(sha256: str, format: str) -> None:
    path_of(sha256, format).unlink(missing_ok=True)


def lock(sha256: str) -> None:
    """Until the end of this transaction nobody else stores or removes the file of this content.

    Without it, a purge could remove the file that an upload of the same bytes has just acknowledged.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [sha256])


def sweep_incoming(older_than: float = 24 * 3600) -> int:
    """Remove what crashed imports left, in seconds of age. Returns how many files."""
    removed = 0
    for path in _folder(".incoming").iterdir():
        with suppress(FileNotFoundError):  # its upload has ended in between
            if time.time() - path.stat().st_mtime > older_than:
                path.unlink()
                removed += 1
    return removed


def _folder(name: str) -> Path:
    folder = settings.MEDIA_ROOT / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class IncomingUploadHandler(FileUploadHandler):
    """Uploaded files of a form go straight to .incoming: hashed once, and cut off at the limit.

    ``request.FILES`` then holds IncomingFile objects; one that is over the limit carries the error.
    Files beyond ``request.most_files`` are passed over: see gallery/middleware.py.
    """

    files = 0
    incoming: Incoming | None = None
    error: PictureError | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        self.files += 1
        if self.request and self.files > getattr(self.request, "most_files", 0):
            raise SkipFile
        super().new_file(*args, **kwargs)
        self.incoming = None
        self.error = None
        with self._noting_errors():
            self.incoming = Incoming(self.file_name or "")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        # After an error it is read on, so that the other files of the form are not lost.
        with self._noting_errors():
            if self.incoming and not self.error:
                self.incoming.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        incoming, self.incoming = self.incoming, None
        with self._noting_errors():
            if incoming and not self.error:
                incoming.finish()
        if incoming and self.error:
            incoming.discard()  # now, not when the last file of the form has come
        return IncomingFile(self.file_name or "", incoming, self.error)

    def upload_interrupted(self) -> None:
        if self.incoming:
            self.incoming.discard()

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        try:
            yield
        except PictureError as error:
            self.error = error
        except OSError as error:
            self.error = StorageError(error)


class IncomingFile(UploadedFile):
    """What a form field gets. The file is removed when the request ends, unless it was kept.

    Whoever reads it looks at ``error`` first: where there is one, ``incoming`` holds no whole file.
    """

    def __init__(self, name: str, incoming: Incoming | None, error: PictureError | None) -> None:
        super().__init__(file=None, name=safe_name(name), size=incoming.bytes if incoming else 0)
        self._incoming, self.error = incoming, error

    @property
    def incoming(self) -> Incoming:
        if self.error or not self._incoming:
            raise self.error or ValueError("This file is closed.")
        return self._incoming

    def close(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming:
            incoming.discard()
