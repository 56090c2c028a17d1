"""Tars, packed or not, read from the front to the back with one header in memory.

Not by tarfile: that one keeps all headers, and reads extended ones of any length before anybody can count. A single
header is still read by its TarInfo.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ingestion.archive_formats import BLOCK, ArchiveError, Budget, Entry, corrupt, decoded, not_plain

HEADER = tarfile.BLOCKSIZE
MAX_WORDS = 2**16
"""Bytes of an extended header: a name, and what nobody reads."""
MAX_MEMORY = 128 * 2**20
"""Bytes for unpacking xz; its own highest level takes 65 MiB."""
PACKINGS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
"""What says more of the next member."""
REMARKS = (*NAMES, tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE)


def packing_of(head: bytes) -> str:
    """What its first bytes say that a file is packed with; "": nothing that is known here."""
    return next((packing for sign, packing in PACKINGS.items() if head.startswith(sign)), "")


def is_tar(path: Path) -> bool:
    """Or something packed that holds one."""
    try:
        with open(path, "rb") as file:
            packing = packing_of(file.read(8))
            file.seek(0)
            return _header(_Packed(unpacked(file, packing)).read(HEADER)) is not None
    except ArchiveError as error:
        return error.code == "unsupported"


def tar_blocks(path: Path, budget: Budget) -> Iterator[bytes]:
    """The tar in a packed one."""
    with open(path, "rb") as file:
        packing = packing_of(file.read(8))
        file.seek(0)
        yield from budget.count(unpacked(file, packing))


def tar_entries(path: Path, budget: Budget) -> Iterator[Entry]:
    with open(path, "rb") as file:
        packing = packing_of(file.read(8))
        file.seek(0)
        stream = _Packed(budget.count(unpacked(file, packing))) if packing else _Plain(file)
        yield from _entries(stream)


# --- what is around it
@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except lzma.LZMAError as error:
        if "emory" in str(error):
            raise ArchiveError("unsafe_archive", "This archive takes too much memory to unpack.") from error
        raise corrupt() from error
    except (EOFError, zlib.error) as error:
        raise corrupt() from error
    except OSError as error:
        if error.errno is None:  # the data, not the disk
            raise corrupt() from error
        raise


def unpacked(file: IO[bytes], packing: str) -> Iterator[bytes]:
    """``packing``: of ``packing_of``. At most BLOCK bytes at once, however well they were packed."""
    with _plain_errors():
        if packing == "gzip":
            reader: Any = gzip.GzipFile(fileobj=file)
        elif packing == "zstd":
            reader = _zstd(file)
        elif packing:
            new: Callable[[], Any] = bz2.BZ2Decompressor if packing == "bzip2" else _lzma
            yield from _streams(file, new)
            return
        else:
            reader = file
        while block := reader.read1(BLOCK):  # what can be read before the place where it breaks off
            yield block


def _lzma() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=MAX_MEMORY)


def _streams(file: IO[bytes], new: Callable[[], Any]) -> Iterator[bytes]:
    """All packed streams of a file: programs that pack on many processors write one after the other."""
    packer, data = new(), file.read(BLOCK)
    while data or not packer.needs_input:
        if packer.eof:
            packer, data = new(), data.lstrip(b"\0")  # xz may fill up with zeros
            if not (data := data or file.read(BLOCK).lstrip(b"\0")):
                return
        block = packer.decompress(data, BLOCK)
        if block:
            yield block
        data = packer.unused_data if packer.eof else b""
        if not data and (packer.eof or packer.needs_input):
            data = file.read(BLOCK)
            if packer.eof and not data:
                return
    raise corrupt()


def _zstd(file: IO[bytes]) -> IO[bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise ArchiveError(
            "unsupported", "It is packed with zstd, which is read where the gallery runs on Python 3.14 or newer."
        ) from error
    return zstd.ZstdFile(file)  # type: ignore[no-any-return, unused-ignore]


# --- the tar itself
class _Plain:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        file.seek(0)

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def skip(self, size: int) -> None:
        if self._file.seek(size, 1) > self._size:
            raise corrupt()


class _Packed:
    """The same where one cannot jump."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, memoryview(b"")

    def read(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size and (self._rest or self._more()):
            taken = self._rest[: size - len(got)]
            got += taken
            self._rest = self._rest[len(taken) :]
        return bytes(got)

    def _more(self) -> bool:
        self._rest = memoryview(next(self._blocks, b""))
        return bool(self._rest)

    def skip(self, size: int) -> None:
        while size:
            step = len(self.read(min(size, BLOCK)))
            if not step:
                raise corrupt()
            size -= step


class _Content:
    """The bytes of one member. ``pass_over`` brings the stream to the next header, whatever was read."""

    def __init__(self, stream: _Plain | _Packed, size: int) -> None:
        self._stream, self._left, self._padding = stream, size, -size % HEADER

    def __call__(self) -> Iterator[bytes]:
        while self._left:
            block = self._stream.read(min(self._left, BLOCK))
            if not block:
                raise corrupt()
            self._left -= len(block)
            yield block

    def pass_over(self) -> None:
        self._stream.skip(self._left + self._padding)
        self._left = self._padding = 0


def _header(block: bytes) -> tarfile.TarInfo | None:
    """None at the end. ArchiveError if it is none."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
        return None
    except tarfile.HeaderError as error:
        raise corrupt() from error
    if info.size < 0:
        raise corrupt()
    return info


def _entries(stream: _Plain | _Packed) -> Iterator[Entry]:
    more: dict[str, bytes] = {}
    while info := _header(stream.read(HEADER)):
        if info.type in REMARKS:
            if info.size > MAX_WORDS:
                raise ArchiveError("unsafe_archive", "This archive has headers that are longer than any name.")
            words = stream.read(info.size)
            stream.skip(-info.size % HEADER)
            more |= _said(info.type, words)
            continue
        if info.type == tarfile.GNUTYPE_SPARSE:
            _skip_map(stream, info)
        size = _size(info, more)
        content = _Content(stream, size)
        if info.type != tarfile.DIRTYPE:
            yield Entry(_name(info, more), size, content, _error(info))
        content.pass_over()
        more = {}


def _said(kind: bytes, words: bytes) -> dict[str, bytes]:
    if kind == tarfile.GNUTYPE_LONGNAME:
        return {"path": words.partition(b"\0")[0]}
    return _records(words) if kind in NAMES else {}


def _records(words: bytes) -> dict[str, bytes]:
    """Of a pax header: "<length> <key>=<value>" and a line break, each; the length counts itself."""
    found, at = {}, 0
    while at < len(words):
        length, _, _ = words[at : at + 20].partition(b" ")
        if not length.isdigit() or not len(length) < int(length) <= len(words) - at:
            break
        key, _, value = words[at + len(length) + 1 : at + int(length) - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value
        at += int(length)
    return {key: value for key, value in found.items() if value and key in ("path", "size")}


def _name(info: tarfile.TarInfo, more: dict[str, bytes]) -> str:
    return decoded(more.get("path", info.name.encode("utf-8", "surrogateescape")), "latin-1")


def _size(info: tarfile.TarInfo, more: dict[str, bytes]) -> int:
    """Bytes that follow the header: nothing but files has any."""
    if info.type in tarfile.SUPPORTED_TYPES and info.type not in (*FILES, tarfile.GNUTYPE_SPARSE):
        return 0
    told = more.get("size", b"")
    return int(told) if told.isdigit() and len(told) < 20 else info.size


def _skip_map(stream: _Plain | _Packed, info: tarfile.TarInfo) -> None:
    """Of a file with holes: further blocks, as long as the last one says so."""
    goes_on = bool(info._sparse_structs[1])  # type: ignore[attr-defined]
    while goes_on:
        block = stream.read(HEADER)
        if len(block) < HEADER:
            raise corrupt()
        goes_on = bool(block[504])


def _error(info: tarfile.TarInfo) -> ArchiveError | None:
    if info.type in FILES:
        return None
    return not_plain("a link" if info.type in LINKS else "a device, a pipe or a file with holes")
