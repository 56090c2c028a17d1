"""An accepted candidate becomes an image of the gallery: once, however often it is tried."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.db import InterfaceError, OperationalError, transaction

from gallery import originals
from gallery.models import Image, decode_limits
from gallery.originals import Incoming, StorageError
from gallery.pictures import DecoderBusy, Picture, PictureError, decode
from ingestion.fetching import LATER, again
from ingestion.models import Candidate, Source
from ingestion.pipeline import IN_TRASH, SMALL, meet, store
from ingestion.screening import BUSY, origin_of, twins

logger = logging.getLogger(__name__)

State = Candidate.State
LOST = "Its file is lost, so it cannot be published. Have it tried again, and it is fetched anew."


def publish_next(source: Source | None = None) -> Candidate | None:
    """Claim one that is accepted, of any source or of this one, and publish it. None if there is none."""
    waiting = Candidate.objects.filter(source=source) if source else Candidate.objects.all()
    candidate = waiting.claim(State.ACCEPTED)
    if candidate is not None:
        publish(candidate)
    return candidate


def publish(candidate: Candidate) -> None:
    """For one that this worker has claimed. Never raises for what is wrong with it: its row says it.

    Its file stays for a day, so that the decision can be undone.
    """
    try:
        with Incoming(candidate.name) as incoming:
            incoming.fill(_blocks(candidate))
            if incoming.sha256 != candidate.sha256:
                raise FileNotFoundError
            picture = decode(incoming.path, longest=SMALL, limits=decode_limits())  # not while locks are held
            _store(candidate, incoming, picture)
    except FileNotFoundError:
        candidate.advance(State.FAILED, reason=LOST)
    except (StorageError, OSError) as error:
        sentence = str(error if isinstance(error, StorageError) else StorageError(error))
        candidate.put_off(LATER, sentence, counts=False)
    except DecoderBusy as error:
        candidate.put_off(BUSY, str(error), counts=False)
    except PictureError as error:
        candidate.advance(State.FAILED, reason=str(error))
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease brings it back
    except Exception as error:  # a candidate must say why it failed, whatever it was
        logger.exception("Candidate %s could not be published", candidate.pk)
        again(candidate, f"It could not be published: {type(error).__name__}: {error}.")


def _store(candidate: Candidate, incoming: Incoming, picture: Picture) -> None:
    """The image, its source and the end of the candidate in one transaction. Locks as everywhere: content, then row."""
    with transaction.atomic():
        originals.lock(candidate.sha256)
        if not candidate.mine().select_for_update(no_key=True).exists():
            return  # somebody has undone the acceptance a moment ago
        image = store(incoming, origin_of(candidate), picture).image
        assert image
        if image.private:  # somebody has brought it meanwhile: moderators are not told of it
            candidate.advance(State.KNOWN, image=None, reason="")
            return
        if image.trashed_at:
            candidate.advance(State.KNOWN, image=image, reason=IN_TRASH)
            return
        _keep_scores(image, candidate)
        candidate.advance(State.PUBLISHED, image=image, reason="")
        for twin in twins(candidate).select_for_update(no_key=True, of=("self",), skip_locked=True):
            meet(image, origin_of(twin))
            Candidate.objects.filter(pk=twin.pk).update(image=image)


def _keep_scores(image: Image, candidate: Candidate) -> None:
    """What the query language reads as score.NAME."""
    here = Image.objects.filter(pk=image.pk)
    scores = here.select_for_update(no_key=True).values_list("scores", flat=True).get()
    here.update(scores=scores | candidate.scores)


def _blocks(candidate: Candidate) -> Iterator[bytes]:
    with candidate.path.open("rb") as file:
        while block := file.read(originals.BLOCK):
            yield block
