"""A file that is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from types import TracebackType

import httpx2


class Saving:
    """``with Saving(path) as file: file.write(...); file.keep()``. Without ``keep`` nothing is left."""

    def __init__(self, path: Path, sha256: str = "") -> None:
        self.path, self.sha256 = path, sha256
        self.part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
        self.digest = hashlib.sha256()

    def __enter__(self) -> Saving:
        self.file = self.part.open("xb")
        return self

    def write(self, block: bytes) -> None:
        self.digest.update(block)
        self.file.write(block)

    def keep(self) -> None:
        """ReadError, like any broken line, if it is not what it should be."""
        if self.sha256 and self.digest.hexdigest() != self.sha256:
            raise httpx2.ReadError("what came is not what was promised")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self.part.replace(self.path)

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.file.close()
        self.part.unlink(missing_ok=True)
