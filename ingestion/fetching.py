"""The file of a candidate: from where its source says it lies to where it waits. File first, row second."""

from __future__ import annotations

import errno
import logging
from datetime import timedelta

from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.db.models.functions import Now

from gallery.models import Image
from gallery.originals import Incoming, StorageError
from gallery.pictures import PictureError
from ingestion import known_urls
from ingestion.addresses import parse
from ingestion.archives import IncomingArchive
from ingestion.candidate_files import keep
from ingestion.crawling import crawler_of
from ingestion.download import DownloadError, Web
from ingestion.leases import held
from ingestion.members import archive_of, ask_again
from ingestion.models import MAX_ATTEMPTS, Candidate, KnownUrl, Source
from ingestion.models.candidates import CANDIDATE_LEASE
from ingestion.offers import name_of
from ingestion.sources._base import Found, SourceError, What

logger = logging.getLogger(__name__)

AGAIN = 60.0
"""Seconds, after a failure that may pass; each further time four times as long."""
LATER = 600.0
"""The same for what is no fault of the picture: the disk is full, the source has to be seen to."""
OVER = timedelta(days=7)
"""From then on it counts if a server is not free for us: a picture that cannot be had is given up in the end."""
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
UNCHANGED = "It lies unchanged where it was fetched from before."


def fetchable() -> QuerySet[Candidate]:
    """To be fetched now, of sources that may be asked: a source that is paused is left alone."""
    to_fetch = Candidate.objects.to_do().filter(state=Candidate.State.FOUND)
    return to_fetch.filter(source__active=True, source__removed_at=None)


def fetch_next(web: Web, source: Source | None = None) -> Candidate | None:
    """Claim one and fetch it: of any source that may be asked, or of this one, paused or not. None if none is due."""
    waiting = Candidate.objects.filter(source=source) if source else Candidate.objects.filter(pk__in=fetchable())
    candidate = waiting.claim(Candidate.State.FOUND)
    if candidate is not None:
        fetch(candidate, web)
    return candidate


def fetch(candidate: Candidate, web: Web) -> None:
    """For one that this worker has claimed. Never raises for what is wrong with it: its row says it."""
    if archive := archive_of(candidate):
        ask_again(archive)  # first: whoever is killed in between leaves one that is found again
        return fail(candidate, "It comes with its archive, which is fetched again.")
    with held(candidate, CANDIDATE_LEASE):
        _fetch(candidate, web)


def _fetch(candidate: Candidate, web: Web) -> None:
    try:
        found = Found.read(candidate.offered)
        with incoming_of(found) as incoming:
            if _bring(candidate.source, found, incoming, web):
                keep(candidate, incoming)
                candidate.advance(Candidate.State.FETCHED, sha256=incoming.sha256, bytes=incoming.bytes, reason="")
            else:
                _unchanged(candidate)
    except DownloadError as error:
        _download_failed(candidate, error)
    except SourceError as error:
        _source_failed(candidate, error)
    except StorageError as error:
        candidate.put_off(LATER, str(error), counts=False)
    except PictureError as error:
        fail(candidate, str(error))
    except OSError as error:
        if error.errno in OF_THE_DISK:
            candidate.put_off(LATER, str(StorageError(error)), counts=False)
        else:  # it may be the file itself that cannot be read
            again(candidate, f"It cannot be read or kept: {error.strerror or error}.", least=LATER)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease brings it back
    except Exception as error:  # a candidate must say why it failed, whatever it was
        logger.exception("Candidate %s could not be fetched", candidate.pk)
        again(candidate, f"It could not be fetched: {type(error).__name__}: {error}.")


def incoming_of(found: Found) -> Incoming:
    """Where it comes to: an archive may be larger than a picture."""
    return (IncomingArchive if found.what == What.ARCHIVE else Incoming)(name_of(found))


def _bring(source: Source, found: Found, incoming: Incoming, web: Web) -> bool:
    """False if it lies unchanged where it was fetched from before."""
    if crawler_of(source).fetch(found, source.options, web, incoming) is None:
        return False
    incoming.finish()
    return True


def _unchanged(candidate: Candidate) -> None:
    """Known, if what was fetched then really arrived somewhere; a crash may have been faster than its row."""
    addresses = [candidate.offered.get("url", ""), *candidate.offered.get("others", ())]
    keys = [known_urls.key_of(str(parse(address))) for address in addresses if address.startswith("http")]
    known = KnownUrl.objects.filter(key__in=keys)
    contents = [sha256 for sha256 in known.values_list("sha256", flat=True) if sha256]
    arrived = Candidate.objects.filter(sha256__in=contents).exclude(pk=candidate.pk)
    here = Image.objects.filter(sha256__in=contents)
    image = here.filter(private=False).first()
    if here.exists() or arrived.exclude(state__in=(Candidate.State.FOUND, Candidate.State.FAILED)).exists():
        candidate.advance(Candidate.State.KNOWN, image=image, reason=UNCHANGED)
    else:
        known.update(etag="", last_modified="")  # so that it is sent whole
        again(candidate, "What was fetched before is lost, so it is fetched again.")


def _download_failed(candidate: Candidate, error: DownloadError) -> None:
    if error.is_final:
        fail(candidate, str(error))
    elif error.code == "rate_limited":
        _wait(candidate, str(error), error.again_after or AGAIN)
    else:
        again(candidate, str(error), least=error.again_after or 0.0)


def _source_failed(candidate: Candidate, error: SourceError) -> None:
    if error.pauses:
        candidate.source.pause(str(error))
    if error.pauses or error.again_after is not None:
        _wait(candidate, str(error), LATER if error.again_after is None else error.again_after)
    else:
        again(candidate, str(error))


def _wait(candidate: Candidate, reason: str, seconds: float) -> None:
    """It is not its fault, so it does not count; but nothing is waited for for ever."""
    if Candidate.objects.filter(pk=candidate.pk, found_at__lt=Now() - OVER).exists():
        again(candidate, reason, least=seconds)  # it may have waited for something else so long
    else:
        candidate.put_off(max(1.0, seconds), reason, counts=False)


def again(candidate: Candidate, reason: str, least: float = 0.0) -> None:
    """What may pass is tried some times; not before ``least`` seconds."""
    if candidate.attempts >= MAX_ATTEMPTS:
        fail(candidate, reason)
    else:
        candidate.put_off(max(least, AGAIN * 4 ** (candidate.attempts - 1)), reason)


def fail(candidate: Candidate, reason: str) -> None:
    """If it has a file, that stays for a day: somebody may want it to be tried again."""
    candidate.advance(Candidate.State.FAILED, reason=reason[:1000])
