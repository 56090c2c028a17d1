"""A candidate whose file has come: what it is, what the filters say of it, and what follows."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from PIL import Image as PillowImage

from gallery import originals, renditions
from gallery.models import Image, decode_limits
from gallery.pictures import DecoderBusy, Picture, PictureError, decode
from ingestion import archives, members
from ingestion.bans import banned
from ingestion.crawling import options_of
from ingestion.cut_offs import lines
from ingestion.embedding import as_bytes, embed
from ingestion.fetching import LATER, again, fail
from ingestion.filters import all_filters
from ingestion.filters._base import LONGEST, Finding, Outcome, Screened, Verdict
from ingestion.judgement import Lines, is_open, judged, unjudged, worst
from ingestion.leases import held
from ingestion.models import Candidate, Decision, DecisionStep, Source
from ingestion.models.candidates import CANDIDATE_LEASE
from ingestion.offers import storable
from ingestion.pipeline import IN_TRASH, Origin, meet
from ingestion.sources._base import Found

logger = logging.getLogger(__name__)

State = Candidate.State
Rules = dict[str, dict[str, Any]]
THUMBNAIL = 320
"""Pixels of its longest side."""
BY_THE_RULES = "by the rules"
BUSY = 5.0
"""Seconds, when every decoder is taken."""


# --- looking: nothing here writes
def screened(path: Path, found: Found, sha256: str, size: int) -> Screened:
    """A file as the filters see it. PictureError, OSError, DecoderBusy."""
    picture = decode(path, longest=LONGEST, limits=decode_limits())
    return Screened(picture, path, sha256, size, found, embed=_embed)


def judge_all(picture: Screened, rules: Rules) -> dict[str, Finding]:
    """{name of a filter: what it says}, in their order. ``rules``: {filter: {option: value}} where it is not the usual.

    One that fails holds the picture for a person; one that cannot judge now is passed over, and says so.
    """
    return {name: _judge_one(name, picture, rules) for name in all_filters()}


def verdicts(findings: Mapping[str, Finding], lines: Lines) -> list[Verdict]:
    filters = all_filters()
    return [judged(finding, filters[name], lines) for name, finding in findings.items()]


def undecided(said: Iterable[Verdict], lines: Lines) -> str:
    """Why what passes is nevertheless for a person, in a sentence; "": every filter with a line has judged it."""
    filters = all_filters()
    names = [filters[verdict.filter].label for verdict in said if is_open(filters[verdict.filter], verdict, lines)]
    return f"Not published by itself, because it was not judged by: {', '.join(names)}." if names else ""


def scores_of(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """{name: number}, of all filters."""
    found = {name: float(value) for verdict in verdicts for name, value in verdict.scores.items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def thumbnail(picture: Picture) -> bytes:
    image = picture.pil()
    image.thumbnail((THUMBNAIL, THUMBNAIL), PillowImage.Resampling.LANCZOS, reducing_gap=2)
    return renditions.webp(image)


def _judge_one(name: str, picture: Screened, rules: Rules) -> Finding:
    filter_ = all_filters()[name]
    try:
        if missing := filter_.missing():
            logger.debug("The filter %s cannot judge: %s", name, missing)
            return unjudged()
        return filter_.judge(picture, options_of(filter_, rules))
    except (OperationalError, InterfaceError, DecoderBusy):
        raise  # the database is away, or no decoder is free: no fault of the filter, and the picture comes back
    except Exception as error:  # whatever a leaf raises: nothing is dropped for it
        logger.exception("The filter %s failed on %s", name, picture.found.url)
        sentence = f"{filter_.label} could not be judged ({type(error).__name__}): look at it yourself."
        return Finding(sentence=sentence, outcome=Outcome.HOLD)


def _embed(picture: Picture) -> tuple[np.ndarray, str] | None:
    try:
        return embed(picture)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # a network that fails once must not fail once for each filter
        logger.exception("A candidate could not be embedded")
        return None


# --- the step of a candidate
def screen_next(source: Source | None = None) -> Candidate | None:
    """Claim one that is fetched, of any source or of this one, and screen it. None if there is none."""
    waiting = Candidate.objects.filter(source=source) if source else Candidate.objects.all()
    candidate = waiting.claim(State.FETCHED)
    if candidate is not None:
        screen(candidate)
    return candidate


def screen(candidate: Candidate) -> None:
    """For one that this worker has claimed. Never raises for what is wrong with it: its row says it."""
    with held(candidate, CANDIDATE_LEASE):
        _screen_or_say(candidate)


def _screen_or_say(candidate: Candidate) -> None:
    try:
        if members.is_to_be_unpacked(Found.read(candidate.offered), candidate.path):
            members.unpack(candidate)
        else:
            _screen(candidate)
    except (PictureError, archives.ArchiveError) as error:
        fail(candidate, str(error))
    except DecoderBusy as error:
        candidate.put_off(BUSY, str(error), counts=False)
    except FileNotFoundError:
        _fetch_again(candidate)
    except OSError as error:
        candidate.put_off(LATER, f"It cannot be read now: {error.strerror or error}.", counts=False)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease brings it back
    except Exception as error:  # a candidate must say why it failed, whatever it was
        logger.exception("Candidate %s could not be screened", candidate.pk)
        again(candidate, f"It could not be screened: {type(error).__name__}: {error}.")


def _fetch_again(candidate: Candidate) -> None:
    """The row is from a backup, or the disk has lost the file."""
    candidate.advance(State.FOUND, reason="Its file is lost, so it is fetched again.")


def _screen(candidate: Candidate) -> None:
    found = Found.read(candidate.offered)
    picture = screened(candidate.path, found, candidate.sha256, candidate.bytes)
    facts = _facts(picture)
    if image := Image.objects.filter(sha256=candidate.sha256).first():
        return _known(candidate, image, facts)
    if ban := banned(picture.sha256, picture.phash):
        sentence = f"It was rejected before: {ban.reason}" if ban.reason else "It was rejected before."
        candidate.advance(State.REJECTED, reason=sentence, decided_at=Now(), screened_at=Now(), **facts)
        return
    drawn = lines(candidate.source)
    said = verdicts(judge_all(picture, candidate.source.rules), drawn)
    facts |= _embedding(picture) | _written(said)
    _follow(candidate, said, facts, undecided(said, drawn))


def _facts(picture: Screened) -> dict[str, Any]:
    """What it is, as columns."""
    seen = picture.picture
    return {
        "format": seen.format,
        "width": seen.width,
        "height": seen.height,
        "thumbnail": thumbnail(seen),
        "phash": picture.phash,
    }


def _embedding(picture: Screened) -> dict[str, Any]:
    if picture.embedded is None:
        return {}
    vector, name = picture.embedded
    return {"embedding": as_bytes(vector), "embedded_by": name}


def _written(said: list[Verdict]) -> dict[str, Any]:
    return {
        "verdicts": [storable(asdict(verdict)) for verdict in said],
        "scores": scores_of(said),
        "advice": worst(verdict.outcome for verdict in said).value,
        "likenesses": [likeness for verdict in said for likeness in verdict.facts.get("likenesses", ())],
    }


# --- what follows
def _follow(candidate: Candidate, said: list[Verdict], facts: dict[str, Any], undecided: str) -> None:
    outcome = worst(verdict.outcome for verdict in said)
    rejected = [verdict for verdict in said if verdict.outcome == Outcome.REJECT]
    same = next((verdict.facts for verdict in rejected if {"duplicate_of", "twin"} & set(verdict.facts)), None)
    if same is not None:
        image = Image.objects.filter(pk=same.get("duplicate_of")).first()
        reason = next(verdict.sentence for verdict in rejected if verdict.facts is same)
        _known(candidate, image, facts, reason)
    elif outcome == Outcome.REJECT:
        _decide(candidate, State.REJECTED, " ".join(verdict.sentence for verdict in rejected), facts)
    elif outcome != Outcome.PASS or not _publishes(candidate.source):
        candidate.advance(State.WAITING, reason="", screened_at=Now(), **facts)
    elif undecided:
        candidate.advance(State.WAITING, reason=undecided[:1000], screened_at=Now(), **facts)
    else:
        _decide(candidate, State.ACCEPTED, "", facts)


def _publishes(source: Source) -> bool:
    """Of one that somebody has removed, nothing comes in unasked any more."""
    return source.publishes and source.removed_at is None


def _known(candidate: Candidate, image: Image | None, facts: dict[str, Any], reason: str = "") -> None:
    """The image gets another source; its bytes are of no more use."""
    with transaction.atomic():
        if image is not None:
            originals.lock(image.sha256)  # or a purge could be between the look and the answer
            image = Image.objects.filter(pk=image.pk).first()
        if image is not None:
            meet(image, origin_of(candidate))
            reason = IN_TRASH if image.trashed_at and not image.private else reason
            image = None if image.private else image  # moderators are not told of it
        if candidate.advance(State.KNOWN, image=image, reason=reason[:1000], screened_at=Now(), **facts):
            transaction.on_commit(lambda: candidate.path.unlink(missing_ok=True), robust=True)


def _decide(candidate: Candidate, state: str, reason: str, facts: dict[str, Any]) -> None:
    """By the rules alone: nobody's ban follows from it, and it can be undone like any other decision."""
    action = Decision.Action.ACCEPT if state == State.ACCEPTED else Decision.Action.REJECT
    with transaction.atomic():
        if candidate.advance(state, reason=reason[:1000], decided_at=Now(), screened_at=Now(), **facts):
            decision = Decision.objects.create(action=action, reason=reason[:500], note=BY_THE_RULES)
            DecisionStep.objects.create(
                decision=decision, candidate=candidate, before=State.WAITING, scores=facts["scores"]
            )


def origin_of(candidate: Candidate) -> Origin:
    """As the source of an image."""
    return Origin(
        candidate.source.kind,
        candidate.page or candidate.url,
        title=candidate.title[:255],
        author=candidate.author,
        licence=candidate.licence,
        may_restore=bool(candidate.decided_by and candidate.decided_by.is_staff),
    )


def twins(candidate: Candidate) -> Any:
    """Those that were known because this one waited already, and have no image yet."""
    known = Candidate.objects.filter(state=State.KNOWN, image=None).exclude(pk=candidate.pk)
    same = Q(verdicts__contains=[{"facts": {"twin": candidate.token}}])
    return known.filter(same | Q(sha256=candidate.sha256))
