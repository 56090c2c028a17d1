"""What somebody has as a picture, as a file that can be sent: a path, bytes, an open file, or a picture of Pillow."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, runtime_checkable

from .errors import mistake


@runtime_checkable
class PillowPicture(Protocol):
    """A PIL.Image.Image. Pillow itself is never imported here: who has such a picture has imported it."""

    mode: str

    def save(self, fp: Any, format: str | None = ..., **options: Any) -> None: ...


Picture: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | PillowPicture


@dataclass(frozen=True)
class File:
    """``name`` for the gallery, and its bytes, what makes them, or where they lie. They are read or made when it is
    sent, again for each attempt."""

    name: str
    content: bytes | Callable[[], bytes] = field(default=b"", repr=False)
    path: Path | None = None

    def open(self) -> IO[bytes]:
        if self.path:
            return self.path.open("rb")
        return io.BytesIO(self.content() if callable(self.content) else self.content)


def file_of(picture: Picture, name: str = "") -> File:
    """``name``: what the gallery is told, if not the name of the file. Invalid for what is no picture."""
    if isinstance(picture, str | os.PathLike):
        path = Path(picture)
        if not path.is_file():
            raise mistake(f"There is no file {path}.")
        return File(_sayable(name or path.name), path=path)
    if isinstance(picture, bytes | bytearray | memoryview):
        return File(_sayable(name or "picture"), bytes(picture))
    if isinstance(picture, PillowPicture):
        return File(_sayable(name or "picture.png"), partial(_saved, picture))
    if not hasattr(picture, "read"):
        raise mistake("A picture is a path, bytes, an open file, or a picture of Pillow.")
    return _read(picture, name)


def _read(opened: IO[bytes], name: str) -> File:
    """From where it stands; kept, for it could not be read again."""
    content = opened.read()
    if not isinstance(content, bytes):
        raise mistake("Open the file of a picture with mode “rb”.")
    own = getattr(opened, "name", "")
    return File(_sayable(name or (Path(own).name if isinstance(own, str) else "") or "picture"), content)


def _saved(picture: PillowPicture) -> bytes:
    out = io.BytesIO()
    try:
        picture.save(out, "PNG")
    except OSError as error:  # PNG has no such mode: CMYK, YCbCr, Lab
        convert = getattr(picture, "convert", None)
        if convert is None:
            raise mistake(f"This picture cannot be sent: {error}.") from error
        out = io.BytesIO()
        convert("RGB").save(out, "PNG")
    return out.getvalue()


def _sayable(name: str) -> str:
    """A name on a disk may be no text at all."""
    return name.encode(errors="replace").decode()
