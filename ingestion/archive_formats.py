"""What lies in a zip or rar archive, one entry after the other; nothing is unpacked before it is asked for.

Tars are read in ingestion/tars.py, and what is done with the entries is in ingestion/archives.py. Names are the words
of strangers and never used as paths.
"""

from __future__ import annotations

import errno
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK = 2**18
MAX_MEMBERS = 10_000
MAX_UNPACKED = 2 * 2**30
"""Bytes of everything that is read of one archive, those inside it included."""
MAX_RATIO = 200
"""Times its own size: zeros pack 1,000 times smaller, pictures hardly."""
ALWAYS = 32 * 2**20
"""Bytes: below this nothing is a bomb, however well it was packed."""
MAX_DIRECTORY = 4 * 2**20
"""Bytes of the list of members of a zip, which zipfile reads at once: 400 for each of 10,000."""
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""The other ones unpack as much in one step as they like, so their memory has no bound."""


IT = "It"
"""A member, in the sentence about it."""


class ArchiveError(Exception):
    """Why an archive or one member of it is not read, in a sentence.

    ``code``: unsafe_archive, encrypted, corrupt, unsupported.
    """

    STATUS = {"unsafe_archive": 422, "encrypted": 422, "corrupt": 422, "unsupported": 415}

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status that fits."""
        return self.STATUS[self.code]


Blocks = Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Entry:
    """One file, link or device in an archive; folders are none."""

    path: str
    """As the archive spells it, decoded. It may climb, and hold anything."""
    bytes: int
    """As declared."""
    blocks: Blocks
    """Only until the next entry is asked for."""
    error: ArchiveError | None = None
    """Why it cannot be taken, as far as its head tells."""


class Budget:
    """What one archive may cost, those inside it included."""

    def __init__(self, packed: int) -> None:
        """``packed``: bytes of the file."""
        self.most = min(MAX_UNPACKED, max(ALWAYS, packed * MAX_RATIO))
        self.unpacked = self.declared = self.members = 0

    def declare(self, unpacked: int) -> None:
        """What a member says that it has, before anything of it is read."""
        self.declared += unpacked
        self._check(self.declared)

    def count(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.unpacked += len(block)
            self._check(self.unpacked)
            yield block

    def _check(self, unpacked: int) -> None:
        if unpacked > self.most:
            raise ArchiveError(
                "unsafe_archive",
                f"This archive unpacks to more than {self.most / 2**20:,.0f} MiB, the most that is taken of one of its "
                "size: it may be made to fill the disk.",
            )

    def member(self) -> None:
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise too_many()


def too_many() -> ArchiveError:
    return ArchiveError(
        "unsafe_archive", f"This archive has more than {MAX_MEMBERS:,} members, the most that are taken."
    )


def corrupt(what: str = "This archive") -> ArchiveError:
    return ArchiveError("corrupt", f"{what} is damaged or cut off.")


def not_plain(what: str) -> ArchiveError:
    return ArchiveError("unsafe_archive", f"It is {what}, not a file.")


def locked() -> ArchiveError:
    return ArchiveError("encrypted", "It needs a password.")


def packed_otherwise() -> ArchiveError:
    return ArchiveError("unsupported", "It is packed in a way that is not read here.")


def decoded(raw: bytes, otherwise: str) -> str:
    """A name whose encoding nobody has told: UTF-8 if it can be, else the customary one of its format."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(otherwise, "replace")


# --- zip
def zip_entries(path: Path, budget: Budget) -> Iterator[Entry]:
    with _plain_zip_errors(), _Sparing(path) as file, zipfile.ZipFile(file) as archive:
        if len(archive.filelist) > MAX_MEMBERS:
            raise too_many()
        for info in archive.filelist:
            if not info.is_dir():
                yield Entry(_zip_name(info), info.file_size, _zip_blocks(archive, info, budget), _zip_error(info))


class _Sparing(io.FileIO):
    """A list of members of any length would be read into memory at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size and size > MAX_DIRECTORY:
            raise too_many()
        return super().read(-1 if size is None else size)


@contextmanager
def _plain_zip_errors(what: str = "This archive") -> Iterator[None]:
    """zipfile raises what the bytes make it stumble over."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError) as error:
        raise corrupt(what) from error
    except NotImplementedError as error:
        raise packed_otherwise() from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # it says that something lies before the beginning of the file
            raise corrupt(what) from error
        raise


def _zip_blocks(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Blocks:
    def blocks() -> Iterator[bytes]:
        with _plain_zip_errors(IT), archive.open(info) as member:
            yield from budget.count(iter(lambda: member.read(BLOCK), b""))

    return blocks


def _zip_name(info: zipfile.ZipInfo) -> str:
    """zipfile reads every name that is not marked as UTF-8 as cp437; many are UTF-8 without the mark."""
    name = info.orig_filename
    return name if info.flag_bits & 0x800 else decoded(name.encode("cp437", "replace"), "cp437")


def _zip_error(info: zipfile.ZipInfo) -> ArchiveError | None:
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
    if kind not in (0, stat.S_IFREG):
        return not_plain("a link" if kind == stat.S_IFLNK else "a device or a pipe")
    if info.flag_bits & 1:
        return locked()
    return None if info.compress_type in METHODS else packed_otherwise()


# --- rar
def rar_entries(path: Path, budget: Budget) -> Iterator[Entry]:
    """What was stored as it is can always be read; the rest needs a program that knows how (``rar_tool``)."""
    import rarfile  # type: ignore[import-untyped, unused-ignore]

    rarfile.USE_EXTRACT_HACK = 0  # it would copy members into the folder for temporary files
    rarfile.RAR_MAX_COMMENT = -1  # it would start a program for a comment that nobody reads
    headers = 0

    def count(info: object) -> None:
        nonlocal headers
        headers += 1
        if headers > 2 * MAX_MEMBERS:  # members and what belongs to them
            raise too_many()

    # Nor does it look for the other files of a set: names of this machine are none of its business.
    with _plain_rar_errors(), rarfile.RarFile(path, info_callback=count, part_only=True) as archive:
        infos = archive.infolist()
        if archive.needs_password() and not infos:
            raise ArchiveError("encrypted", "This archive needs a password.")
        if archive.strerror() and not infos:
            raise corrupt()
        if len(infos) > MAX_MEMBERS:
            raise too_many()
        for info in infos:
            if not info.is_dir():
                yield Entry(info.filename, info.file_size, _rar_blocks(archive, info, budget), _rar_error(info))
        if archive.strerror():
            raise corrupt()


@contextmanager
def _plain_rar_errors(what: str = "This archive") -> Iterator[None]:
    import rarfile

    try:
        yield
    except rarfile.RarCannotExec as error:
        raise ArchiveError(
            "unsupported", "It is packed, and nothing is installed here that unpacks it: unrar, unar, 7z or bsdtar."
        ) from error
    except (rarfile.PasswordRequired, rarfile.RarWrongPassword, rarfile.NoCrypto) as error:
        raise locked() from error
    except (rarfile.Error, struct.error, EOFError, ValueError, IndexError, TypeError) as error:
        raise corrupt(what) from error


def _rar_blocks(archive: Any, info: Any, budget: Budget) -> Blocks:
    def blocks() -> Iterator[bytes]:
        with _plain_rar_errors(IT), archive.open(info) as member:
            yield from budget.count(iter(lambda: member.read(BLOCK), b""))

    return blocks


def _rar_error(info: Any) -> ArchiveError | None:
    import rarfile

    if not info.is_file() or getattr(info, "file_redir", None):
        return not_plain("a link")
    if info.needs_password():
        return locked()
    if info.flags & (rarfile.RAR_FILE_SPLIT_BEFORE | rarfile.RAR_FILE_SPLIT_AFTER):
        return ArchiveError("unsupported", "It goes on in another file of the same set.")
    return None
