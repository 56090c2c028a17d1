"""Search with the picture at an address: fetched as a crawler would, with the same protections.

The crawlers' pace of its host does not count here, for a person waits; a small limit of our own does, and what was
fetched a few minutes ago is not fetched again. The download has no database, so it may go on in a thread of its own
while its reader is told what is being waited for.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from urllib.parse import unquote

from django.conf import settings
from django.core.cache import cache
from django.db.models.functions import Now
from django.http import HttpRequest

from gallery.limits import Limit, TooMany, byte_limit, take, take_as_visitor
from gallery.originals import Incoming, StorageError
from gallery.pictures import PictureError
from ingestion.addresses import Address, parse
from ingestion.download import DownloadError, Seconds, Web
from search.models import QueryPicture

logger = logging.getLogger(__name__)

OF_A_HOST = Limit("fetch", 30, 60)
"""Pictures that searches fetch from one host, whoever asks: it has not asked to be searched."""
REMEMBERED = 300
"""Seconds."""
SECONDS = Seconds()
AT_ONCE = max(2, settings.WEB_THREADS // 2)
"""Fetches in this process: each may hold a thread of the web server for as long as a slow host likes."""
STATUS = {"bad_url": 400, "forbidden_address": 400, "too_large": 413, "wrong_type": 415, "busy": 503}
"""All others are the fault of the address that was sent: 422. A 5xx would say that this gallery is broken."""
_places = threading.BoundedSemaphore(AT_ONCE)


class AddressError(PictureError):
    """Why there is no picture at an address: a sentence, a code and a status, as of every PictureError."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)

    @property
    def status(self) -> int:
        return STATUS.get(self.code, 422)


def picture_at(url: str, request: HttpRequest | None = None) -> QueryPicture:
    """PictureError (AddressError if it was not had at all), TooMany, DecoderBusy.

    ``request``: who asks; of visitors the bytes are counted.
    """
    return remembered(url) or Fetch(url, request).query()


class Fetch:
    """One on its way. AddressError and TooMany before anything is asked; ``query`` has the rest."""

    def __init__(self, url: str, request: HttpRequest | None = None) -> None:
        self.request = request
        self._incoming: Incoming | None = None
        self._error: PictureError | None = None
        self.address = _parsed(url)
        self._thread = self._begin()

    @property
    def host(self) -> str:
        return self.address.host

    def _begin(self) -> threading.Thread:
        if self.request:
            take_as_visitor(self.request, byte_limit(), 1)  # who has had all bytes gets none
        take(OF_A_HOST, self.address.authority)
        if not _places.acquire(blocking=False):
            raise AddressError("busy", "Other pictures are being fetched just now. Try again in a few seconds.")
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        """Without the database: its connection would be one more, and nobody would close it."""
        try:
            self._incoming = Incoming(unquote(self.address.path.rpartition("/")[2], errors="replace"))
            with Web(remember=False) as web:
                web.file(str(self.address), self._incoming, seconds=SECONDS)
        except DownloadError as error:
            self._error = _told(error)
        except PictureError as error:
            self._error = error
        except OSError as error:
            self._error = StorageError(error)
        except Exception:  # whoever waits must be told, whatever it was
            logger.exception("The picture of an address could not be fetched")
            self._error = AddressError("broken", "It could not be fetched; the log of the gallery says why.")
        finally:
            _places.release()

    def is_done(self, seconds: float) -> bool:
        """Waits at most so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """What has come, for as long as the block lasts. PictureError, TooMany."""
        while not self.is_done(60.0):
            pass  # the clock of the download ends it
        incoming, self._incoming = self._incoming, None
        try:
            if incoming:
                self._count(incoming.bytes)
            if self._error or incoming is None:
                raise self._error or PictureError("empty", "No picture came.")
            yield incoming
        finally:
            if incoming:
                incoming.discard()

    def query(self) -> QueryPicture:
        """When it is there. PictureError, TooMany, DecoderBusy."""
        with self.incoming() as incoming:
            try:
                query = QueryPicture.accept(incoming)
            except OSError as error:
                raise StorageError(error) from error
        cache.set(_key(str(self.address)), query.token, REMEMBERED)
        return query

    def _count(self, bytes_: int) -> None:
        """Of a visitor: also what came in vain; if that was more than was left, all that was left is gone."""
        if self.request is None:
            return
        units = math.ceil(bytes_ / 1000)
        try:
            take_as_visitor(self.request, byte_limit(), units)
        except TooMany:
            _take_the_rest(self.request, units)
            raise


def _take_the_rest(request: HttpRequest, units: int) -> None:
    while units := units // 2:
        with suppress(TooMany):
            take_as_visitor(request, byte_limit(), units)


def _parsed(url: str) -> Address:
    try:
        return parse(url)
    except DownloadError as error:
        raise _told(error) from error


def _told(error: DownloadError) -> AddressError:
    hint = " Copy the address of the picture itself." if error.code == "wrong_type" else ""
    return AddressError(error.code, f"{error}{hint}")


def _key(url: str) -> str:
    return "picture-at-" + hashlib.sha256(url.encode()).hexdigest()


def remembered(url: str) -> QueryPicture | None:
    """A query of its own with what was fetched a few minutes ago: who asked for it then can still forget his.

    AddressError if the address is none.
    """
    token = cache.get(_key(str(_parsed(url))))
    kept = QueryPicture.objects.alive().filter(token=token).first() if token else None
    if kept is None:
        return None
    again = QueryPicture(name=kept.name, format=kept.format, width=kept.width, height=kept.height)
    again.expires_at = Now() + timedelta(hours=settings.QUERY_HOURS)
    try:
        os.link(kept.path, again.path)
    except OSError:  # gone meanwhile, or a disk that has no second names
        return None
    again.save()
    again.refresh_from_db()
    return again
