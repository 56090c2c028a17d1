"""Here already, or rejected before: the same bytes, the same picture, a part of one. The better one is kept.

What the gallery has as good or better is rejected; where this one is the better one, or nobody can be sure, a person is
asked. Candidates that are not published yet count as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from gallery.models import Image
from gallery.pictures import Picture
from ingestion.bans import banned
from ingestion.filters._base import Filter, Finding, Outcome, Score, Screened
from ingestion.hashes import Hashes, distance, is_telling
from ingestion.likeness import Likeness, Size, advice
from ingestion.models import Candidate
from ingestion.pipeline import likenesses
from search.engines.phash import BITS, CERTAIN, ENGINE, UNRELATED
from search.errors import EngineError
from search.indexes._base import VectorIndex
from search.live_index import live_index

PREPARED_BY = timedelta(hours=1)
"""So long after it was published an image surely has the features by which the gallery finds it."""
SEEN_AT = 380
"""Pixels of the longest side that keypoints are looked for in. From 384 on a picture is also read finely, which doubles
the time and finds the small parts of collages only: all of a candidate that nobody knows would be read so."""
UNKNOWN = "Whether it is here already could not be told just now."


class Duplicate(Filter):
    name = "duplicate"
    label = "Duplicate"
    order = 40
    scores = (
        Score(
            "sameness",
            "Sameness",
            "How surely it shows the same as a picture that is here: 1 is proven, above 0.5 no chance likeness.",
            "low",
            cut_off=0.5,
        ),
    )

    def judge(self, screened: Screened, options: dict) -> Finding:
        steps: list[Callable[[Screened], Finding | None]] = [_rejected_before, _same_bytes, _proven, _in_line, _near]
        for look in steps:
            if finding := look(screened):
                return finding
        return Finding({"sameness": 0.0})


def _rejected_before(screened: Screened) -> Finding | None:
    ban = banned(screened.sha256, screened.phash)
    if ban is None:
        return None
    same = "" if ban.sha256 == screened.sha256 else " in another form"
    return _found(f"It was rejected before{same}.", Outcome.REJECT, {"ban": ban.pk})


def _same_bytes(screened: Screened) -> Finding | None:
    # What comes of the bytes of a private picture, nobody is told here: ingestion.pipeline.meet.
    image = Image.objects.filter(sha256=screened.sha256, private=False).first()
    if image:
        trash = ", in the trash" if image.trashed_at else ""
        return _found(f"It is here already, as #{image.pk}{trash}.", Outcome.REJECT, {"duplicate_of": image.pk})
    before = _others(screened).filter(sha256=screened.sha256).filter(_waits() | _fetched_before(screened)).first()
    return _found("The same file was found before.", Outcome.REJECT, {"twin": before.token}) if before else None


def _proven(screened: Screened) -> Finding | None:
    """Images that certainly show the same, or a part of it."""
    found, untold = _likenesses(screened.picture)
    if not found:
        return Finding({"sameness": 0.0}, UNKNOWN, Outcome.HOLD, {"untold": True}) if untold else None
    sizes = Image.objects.in_bulk([likeness.image for likeness in found])
    here = [(each, _size(sizes[each.image])) for each in found if each.image in sizes]
    if not here:
        return None
    best, facts = here[0][0], {"likenesses": [each.as_json() for each, _ in here]}
    action = advice(_size_of(screened), here).action
    if action == "drop":
        shown = "in more pixels or as many" if best.relation == "same" else "and more, as sharp"
        key = "duplicate_of" if best.relation == "same" else "part_of"
        return _found(f"#{best.image} shows it {shown}: {best.proof}.", Outcome.REJECT, facts | {key: best.image})
    if action == "replace" and best.relation == "same":
        ask = f"#{best.image} shows the same, and this one is larger: replace? {best.proof}."
        return _found(ask, Outcome.HOLD, facts | {"larger_than": best.image})
    return _found(best.sentence, Outcome.HOLD, facts)


def _likenesses(picture: Picture) -> tuple[list[Likeness], str]:
    """Keypoints take ten times as long as the hash: they are asked only about what the hash has not proven."""
    same, untold = likenesses(picture, AnonymousUser(), ["phash"])
    if any(each.grade == "same" for each in same):
        return same, untold
    found, also_untold = likenesses(picture, AnonymousUser(), ["local_features"], _smaller(picture))
    return found or same, untold or also_untold


def _smaller(picture: Picture) -> Picture:
    if max(picture.pixels.shape) <= SEEN_AT:
        return picture
    image = picture.pil()
    image.thumbnail((SEEN_AT, SEEN_AT), reducing_gap=2)
    return replace(picture, pixels=np.asarray(image))


def _in_line(screened: Screened) -> Finding | None:
    """Candidates that certainly show the same, and are not in the gallery (yet)."""
    if not is_telling(screened.phash):
        return None
    for hashes in (_waiting, _lately):
        for pk, _ in hashes.near(screened.phash):
            twin = _others(screened).filter(_waits(), pk=pk).first()
            if (
                twin
                and is_telling(bytes(twin.phash))
                and (bits := distance(screened.phash, bytes(twin.phash))) <= CERTAIN
            ):
                return _beside(screened, twin, bits)
    return None


def _beside(screened: Screened, twin: Candidate, differ: int) -> Finding:
    bits = f"{differ} of {BITS} bits differ"
    action = advice(_size_of(screened), [(Likeness(0, "same", "same", bits), _size(twin))]).action
    facts = {"twin": twin.token} | ({"duplicate_of": twin.image_id} if twin.image_id else {})
    if action == "drop":
        return _found(f"The same was found before, in more pixels or as many: {bits}.", Outcome.REJECT, facts)
    larger = "larger" if action == "replace" else "in more bytes"
    return _found(f"The same was found before, and this one is {larger}: which one? {bits}.", Outcome.HOLD, facts)


def _near(screened: Screened) -> Finding | None:
    """Not proven, but too like to be chance: the line of the score decides."""
    if not is_telling(screened.phash):
        return None
    try:
        index = live_index(ENGINE.name).fresh(ENGINE.seconds)
    except EngineError:
        return Finding({"sameness": 0.0}, UNKNOWN, Outcome.HOLD, {"untold": True})
    assert isinstance(index, VectorIndex)  # as PHash.new_index makes it
    for hit in ENGINE.search(ENGINE.probe_stored(screened.phash), index, 4):
        if (
            hit.evidence["distance"] < UNRELATED
            and Image.objects.visible_to(AnonymousUser()).filter(pk=hit.image_id).exists()
        ):
            words = f"It is like #{hit.image_id}, perhaps the same: {ENGINE.explain(hit.evidence)}."
            return Finding({"sameness": hit.score}, words, facts={"near": hit.image_id})
    return None


def _found(sentence: str, outcome: Outcome, facts: dict) -> Finding:
    return Finding({"sameness": 1.0}, sentence, outcome, facts)


def _size(row: Image | Candidate) -> Size:
    return Size(row.width, row.height, row.bytes)


def _size_of(screened: Screened) -> Size:
    return Size(screened.picture.width, screened.picture.height, screened.size)


# --- candidates


IN_LINE = Q(state__in=(Candidate.State.WAITING, Candidate.State.ACCEPTED))
"""As the index candidate_in_line says it."""
LATELY = Q(state=Candidate.State.PUBLISHED, decided_at__gt=Now() - PREPARED_BY)


def _waits() -> Q:
    """Those that may still come, or came so lately that the gallery does not find them yet."""
    return IN_LINE | LATELY


def _others(screened: Screened) -> QuerySet[Candidate]:
    """All but the one under judgement: its file is named by its token."""
    return Candidate.objects.exclude(token=screened.path.name).order_by("id")


def _fetched_before(screened: Screened) -> Q:
    """Of two of the same bytes, screened at the same time, the first one stays."""
    mine = Candidate.objects.filter(token=screened.path.name).values_list("id", flat=True).first()
    return Q(state=Candidate.State.FETCHED, id__lt=mine or 0)


_waiting = Hashes(lambda: Candidate.objects.filter(IN_LINE))
_lately = Hashes(lambda: Candidate.objects.filter(LATELY))

FILTER = Duplicate()
