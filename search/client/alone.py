"""One at a time in a folder: a file in it is locked, and the lock goes with whoever holds it, killed or not."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from .errors import mistake

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME = ".export.lock"
"""Left where it is: if it were deleted, two could each hold one of this name."""


class Alone:
    """``with Alone(folder)``. Invalid if another one is at it. On Windows nobody is kept out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Alone:
        self.file = (self.folder / NAME).open("ab")
        try:
            if fcntl:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.file.close()
            raise mistake(f"Another export is writing to {self.folder} just now: wait for it.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
