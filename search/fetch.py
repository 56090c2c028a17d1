"""Files of weights from where their makers offer them: resumed, checked, and never half there under their name.

Not huggingface_hub: it goes on where it was, but checks only the number of bytes, continues a file that was changed
meanwhile, and knows its own hub alone, while Places365 lies on a plain server. So there is one way for both, over the
library that the hub's own client uses. The hub answers with a redirect that says the sha256 of the file (X-Linked-ETag)
and its size; what a plain server cannot say is asked of the network that reads the file.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from gallery.disk import flush_folder
from search.encoders._base import WeightFile
from search.servers import Cut, FetchError, followed, reason, require_good, validator

HUB = "https://huggingface.co"
CONNECT_SECONDS, SILENT_SECONDS = 5.0, 30.0
ATTEMPTS = 5
"""In a row without a new byte; a cut line in the middle is no reason to give up."""
PATIENCE = 60.0
"""A server that wants to be left alone for longer is asked again some other time."""
SPARE = 64 * 2**20
"""What a fetch leaves free on the disk."""

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and all that there will be (0: nobody knows)."""


class Stopped(Exception):
    """Whoever asked does not want it any more. What has come stays for the next time."""


@dataclass
class _Part:
    """What is known of an unfinished file, kept beside it."""

    url: str
    validator: str = ""
    """Strong ETag, or date, of what the bytes are part of."""
    sha256: str = ""
    total: int = 0


def part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _said_of(target: Path) -> Path:
    return target.with_name(target.name + ".part.json")


def sum_file(target: Path) -> Path:
    """Beside a file whose sha256 was told by others: "sha256sum -c" reads it as well."""
    return target.with_name(target.name + ".sha256")


def sha256_of(file: Path) -> str:
    """OSError if it cannot be read."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def known_sum(file: WeightFile, folder: Path) -> str:
    """What the file's sha256 must be; "" if nobody has said."""
    if file.sha256:
        return file.sha256
    try:
        found = re.match("[0-9a-f]{64}", sum_file(folder / file.path).read_text())
    except (OSError, UnicodeDecodeError):
        return ""
    return found[0] if found else ""


def has_come(file: WeightFile, folder: Path) -> tuple[int, int]:
    """(bytes that are here, bytes of all), of a file that may be whole, under way, or not begun."""
    target = folder / file.path
    part, whole = _size(part_of(target)), _size(target)
    if whole is not None and not part:
        return whole, whole
    return part or 0, _read_part(target).total or file.bytes


def _size(file: Path) -> int | None:
    now = stat_of(file)
    return now.st_size if now else None


def keep(part: Path, target: Path, sha256: str) -> None:
    """Give a whole and flushed file its name, safe from a power cut. ``sha256``: as others have said, or ""."""
    if sha256:
        written = sum_file(target).with_suffix(".new")
        written.write_text(f"{sha256}  {target.name}\n")
        os.replace(written, sum_file(target))
    else:
        sum_file(target).unlink(missing_ok=True)
    os.replace(part, target)
    _said_of(target).unlink(missing_ok=True)
    flush_folder(target.parent)


def fetch_file(
    file: WeightFile,
    folder: Path,
    progress: Progress = lambda here, total: None,
    wanted: Callable[[], bool] = lambda: True,
    hub: str = HUB,
    token: str = "",
) -> None:
    """Bring one file to its place. FetchError says why not; Stopped as soon as ``wanted()`` is False.

    ``hub``: another address of the hub (HF_ENDPOINT). ``token``: told to the hub, and to nobody else.
    """
    if not file.url:
        raise FetchError("its makers do not offer it at an address that can be fetched.")
    target = folder / file.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target) as part:
            _Fetch(file, target, part, progress, wanted, hub.rstrip("/"), token).run()
    except OSError as error:
        raise FetchError(f"the disk does not take it: {error.strerror or error}.") from error


@contextmanager
def _alone(target: Path) -> Iterator[IO[bytes]]:
    """The unfinished file, open for this process alone."""
    path = part_of(target)
    while True:
        with path.open("a+b") as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FetchError("another process is fetching it.", again_after=60) from None
            if (now := stat_of(path)) and now.st_ino == os.fstat(part.fileno()).st_ino:
                yield part
                return
        # Another process has just finished it under its name, or taken it away: look again.


def stat_of(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _read_part(target: Path) -> _Part:
    try:
        return _Part(**json.loads(_said_of(target).read_text()))
    except (OSError, ValueError, TypeError):
        return _Part("")


class _Changed(Cut):
    """The hub has another file than the one that was begun."""

    def __init__(self) -> None:
        super().__init__("the file was changed")


@dataclass
class _Fetch:
    file: WeightFile
    target: Path
    part: IO[bytes]
    progress: Progress
    wanted: Callable[[], bool]
    hub: str
    token: str
    changes: int = 0

    def run(self) -> None:
        import httpx2  # a process that fetches nothing need not load it

        self.url = self.hub + self.file.url.removeprefix(HUB) if self.file.url.startswith(HUB + "/") else self.file.url
        self.said = _read_part(self.target)
        if self.said.url != self.file.url:
            self._begin_anew(_Part(self.file.url))
        timeout = httpx2.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        headers = {"User-Agent": "lookalike", "Accept-Encoding": "identity"}
        with httpx2.Client(timeout=timeout, headers=headers) as client:
            while not self._try(client):
                pass
        self._finish()

    def _try(self, client: Any) -> bool:
        """True when all bytes are here; False to ask again. Waits between attempts that bring nothing."""
        import httpx2

        for attempt in range(ATTEMPTS):
            before = self.here
            try:
                return self._ask(client)
            except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
                host = urlsplit(self.url).hostname
                raise FetchError(f"{host} cannot be reached ({reason(error)}).", again_after=300) from error
            except (httpx2.TransportError, httpx2.StreamError) as error:
                cut = Cut(f"the line broke ({reason(error)})")
            except Cut as error:
                cut = error
            except httpx2.InvalidURL as error:
                raise FetchError(f"its address is not one: {error}.") from error
            if self.here > before:
                return False
            if cut.wait > PATIENCE or attempt == ATTEMPTS - 1:
                break
            self._sleep(cut.wait or 2**attempt * _PAUSE)
        raise FetchError(f"{cut}. What has come is kept.", again_after=max(cut.wait, 60))

    def _sleep(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self._require_wanted()
            time.sleep(min(0.5, left))

    def _require_wanted(self) -> None:
        if not self.wanted():
            raise Stopped

    @property
    def here(self) -> int:
        return os.fstat(self.part.fileno()).st_size

    def _begin_anew(self, said: _Part) -> None:
        self.changes += self.here > 0
        self.part.truncate(0)
        if self.changes >= ATTEMPTS:
            raise FetchError("it is another file each time that we go on.", again_after=3600)
        self._remember(said)

    def _remember(self, said: _Part) -> None:
        self.said = said
        _said_of(self.target).write_text(json.dumps(asdict(said)))

    # --- one request
    def _ask(self, client: Any) -> bool:
        """One request for what is missing. True when all bytes are here."""
        headers = {}
        if self.here and (self.said.validator or self._expected):
            headers["Range"] = f"bytes={self.here}-"
            if self.said.validator:
                headers["If-Range"] = self.said.validator
        is_checked = bool(self.file.sha256)
        with followed(client, self.url, headers, self.token, is_checked, self._heed_hub) as answer:
            if answer.status_code == 416:
                return self._is_whole(answer)
            require_good(answer, self.url)
            self._begin_or_go_on(answer)
            self._receive(answer)
        return True

    @property
    def _expected(self) -> str:
        return self.file.sha256 or self.said.sha256

    def _heed_hub(self, headers: Any) -> None:
        """What the hub says of a file before it sends us to where that lies."""
        linked = headers.get("X-Linked-ETag", "").removeprefix("W/").strip('"')
        if not re.fullmatch("[0-9a-f]{64}", linked):
            return
        if self.file.sha256 and linked != self.file.sha256:
            raise FetchError("the hub offers another file than the one that this program knows.")
        if self.said.sha256 not in ("", linked):
            self._begin_anew(_Part(self.file.url))
            raise _Changed
        size = headers.get("X-Linked-Size", "")
        total = int(size) if size.isdigit() else self.said.total
        if (linked, total) != (self.said.sha256, self.said.total):
            self._remember(_Part(self.file.url, self.said.validator, linked, total))

    def _is_whole(self, answer: Any) -> bool:
        """The server has nothing after what is here: then that is all, or it is of another file."""
        found = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
        total = int(found[1]) if found else self.said.total
        if total and total == self.here:
            return True
        self._begin_anew(_Part(self.file.url))
        return False

    def _begin_or_go_on(self, answer: Any) -> None:
        """Where the bytes of the answer belong: after those that are here, or in their place."""
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else 0
        if answer.status_code == 206:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            if not found or int(found[1]) != self.here:
                self._begin_anew(_Part(self.file.url))
                raise Cut("the server sent another part than the one it was asked for")
            total = int(found[2]) if found[2].isdigit() else 0
        elif self.here:
            self.part.truncate(0)
        self._require_size(total)
        sha256, total = self.said.sha256, total or self.said.total
        self._remember(_Part(self.file.url, validator(answer.headers), sha256, total))
        self._require_room(total)

    def _require_size(self, total: int) -> None:
        """The hub has said how large the file is."""
        if self.said.sha256 and self.said.total and total and total != self.said.total:
            raise FetchError(f"the server has {total:,} bytes of it, but the hub says {self.said.total:,}.")

    def _require_room(self, total: int) -> None:
        missing = (total or self.file.bytes) - self.here
        free = shutil.disk_usage(self.target.parent).free
        if missing + SPARE > free:
            raise FetchError(f"the disk has {megabytes(free)} left, and {megabytes(missing)} are still to come.")

    def _receive(self, answer: Any) -> None:
        here, total = self.here, self.said.total
        self.progress(here, total)
        try:
            for block in answer.iter_raw():  # as it arrives: what waits to fill a larger block is lost by a cut
                self._require_wanted()
                self.part.write(block)
                here += len(block)
                if total and here > total:
                    self._begin_anew(_Part(self.file.url))
                    raise FetchError("the server sends more bytes than it has promised.")
                self.progress(here, total)
        finally:
            self.part.flush()
        if total and here < total:
            raise Cut(f"only {megabytes(here)} of {megabytes(total)} came")

    # --- all is here
    def _finish(self) -> None:
        self.part.flush()
        os.fsync(self.part.fileno())
        expected, path = self._expected, part_of(self.target)
        if expected and sha256_of(path) != expected:
            self._begin_anew(_Part(self.file.url))
            raise FetchError("its checksum is wrong: it was damaged on the way, or is another file.", again_after=300)
        keep(path, self.target, expected)


_PAUSE = 1.0
"""Seconds before the second attempt; each further one waits twice as long."""


def megabytes(size: int) -> str:
    """ "599 MB"; a kilobyte is 1000 bytes, as on the pages of the hub."""
    if size < 1_000_000:
        return f"{max(size, 0) / 1000:.0f} kB"
    return f"{size / 1e9:.1f} GB" if size >= 9_950_000_000 else f"{size / 1e6:,.0f} MB"
