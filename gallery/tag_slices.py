"""Pictures follow the rules of tags, in slices: each is one transaction that also notes how far it has come.

Whoever is killed loses one slice, which the next one does again. Words are locked after their images, as all do.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.db.models import F

from gallery.models import PERSON, Image, ImageTag, Opinion, Tag, TagMove, TagWork
from gallery.tag_rules import Kind, touch
from gallery.tags import FOLD_LOCK, fold_tallies, hold_rules

logger = logging.getLogger(__name__)

SLICE = 500
AT_ONCE = 300
"""So many pictures are changed in the request itself."""
AT_ONCE_SECONDS = 10
"""Then a worker goes on."""
MOST_TRIES = 20
MOST_ROUNDS = 10
"""Then it is given up, with a sentence: something writes the tag again and again, or nothing more can be done."""
FIELDS = ("tag_id", "state", "decision", "confidence", "offered")
"""Of a word: what a merge may change."""
State = TagWork.State


def at_once(work: TagWork) -> bool:
    """Do it now if it is little. False if it is left to a worker."""
    if work.is_unfinished and work.total <= AT_ONCE:
        go_on(work)
    work.refresh_from_db()
    return not work.is_unfinished


def work_on(seconds: float) -> bool:
    """Work on whatever is unfinished for about so long. True if there is more to do."""
    ends, worker = time.monotonic() + seconds, uuid.uuid4().hex
    while work := TagWork.objects.claim(worker):
        if not _until(ends, work, worker):
            return True
    return False


def go_on(work: TagWork) -> None:
    """Until it is done, for AT_ONCE_SECONDS at most, unless another process is at it."""
    worker = uuid.uuid4().hex
    if claimed := TagWork.objects.claim_one(work.pk, worker):
        _until(time.monotonic() + AT_ONCE_SECONDS, claimed, worker)


def _until(ends: float, work: TagWork, worker: str) -> bool:
    """False if the time was over before the work was."""
    while work.is_unfinished:
        if time.monotonic() > ends:
            TagWork.objects.filter(pk=work.pk, worker=worker).update(worker="", lease_until=None)
            return False
        if not one_slice(work, worker):
            break  # somebody else is at it now, and rings for what is left
        work.refresh_from_db()
    return True


def one_slice(work: TagWork, worker: str) -> bool:
    """False, and nothing is done, if another worker has it. A slice that fails is done again, MOST_TRIES times."""
    images: list[int] = []
    try:
        with transaction.atomic():
            mine = TagWork.objects.unfinished().filter(worker=worker).select_for_update(no_key=True)
            now = mine.filter(pk=work.pk).first()
            if now is None:
                return False
            if now.tag is None:
                _give_up(now, f"“{now.name}” was deleted meanwhile: pictures that were not reached are as before.")
                return True
            images = _next_images(now)
            if images:
                _change(now, images)
                far = {"reached": images[-1], "looked": now.looked + len(images), "tries": 0}
                TagWork.objects.filter(pk=now.pk).update(**far)
                TagWork.objects.claim_one(now.pk, worker)  # the lease begins anew
            else:
                _finish(now)
    except (IntegrityError, OperationalError) as error:
        # Somebody wrote the same word at the same moment, or waits for us as we do for them.
        _failed(work, worker, error)
    if not images:
        _fold()
    return True


def _failed(work: TagWork, worker: str, error: Exception) -> None:
    logger.warning("A slice of “%s” is done again: %s", work, error)
    TagWork.objects.filter(pk=work.pk, worker=worker).update(tries=F("tries") + 1)
    now = TagWork.objects.unfinished().filter(pk=work.pk, worker=worker, tries__gte=MOST_TRIES).first()
    if now:
        _give_up(now, f"The database refused it {MOST_TRIES} times: {str(error).splitlines()[0]}")
    time.sleep(0.05)


def _give_up(work: TagWork, problem: str) -> None:
    logger.error("“%s” is given up: %s", work, problem)
    state = State.STUCK if work.state == State.UNDOING else State.FAILED
    touch(work, state=state, problem=problem, worker="", lease_until=None)


def _fold() -> None:
    try:
        fold_tallies()
    except DatabaseError as error:
        logger.warning("Tags are counted later: %s", error)


def _next_images(work: TagWork) -> list[int]:
    """Ids, ascending: with a tag whose rules have changed, or with words that move."""
    beyond = Image.objects.filter(pk__gt=work.reached).order_by("pk").values_list("pk", flat=True)
    found = set(beyond.filter(tag_ids__overlap=work.touched)[:SLICE]) if work.touched else set()
    if work.kind == Kind.MERGE:
        words: Any = work.moves if work.state == State.UNDOING else ImageTag.objects.filter(tag=work.other)
        moving = words.filter(image__gt=work.reached).order_by("image").values_list("image", flat=True)
        found |= set(moving.distinct()[:SLICE])
    return sorted(found)[:SLICE]


def _change(work: TagWork, images: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM gallery_image WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [images])
    if work.kind == Kind.MERGE:
        (_move_back if work.state == State.UNDOING else _move)(work, images)
    with connection.cursor() as cursor:
        cursor.execute("SELECT gallery_refresh_tags(%s)", [images])


# --- a merge
def _move(work: TagWork, images: list[int]) -> None:
    """Words of the tag that goes become words of the tag that stays, once for each origin."""
    words = ImageTag.objects.filter(image__in=images, tag__in=[work.other, work.tag_id]).order_by("image", "pk")
    moves: list[TagMove] = []
    for _, of_image in groupby(list(words), key=lambda word: word.image_id):
        moves += _moves(work, list(of_image))
    TagMove.objects.bulk_create(moves)
    ImageTag.objects.filter(pk__in=[move.word for move in moves if not move.after]).delete()
    _write((move.word, move.before, move.after) for move in moves if move.after)


def _moves(work: TagWork, words: list[ImageTag]) -> list[TagMove]:
    """What becomes of the words of one image. A decision of a person wins over what machines say."""
    stay = {(word.origin, word.generation): word for word in words if word.tag_id == work.tag_id}
    going = [word for word in words if word.tag_id == work.other]
    if not going:
        return []
    verdict = _verdict(words)
    after: dict[int, dict[str, Any]] = {word.pk: _values(word) for word in stay.values()}
    for word in going:
        twin = stay.get((word.origin, word.generation))
        if twin is None:
            after[word.pk] = _values(word) | {"tag_id": work.tag_id}
        else:
            after[word.pk] = {}
            if (word.offered, word.confidence or 0) > (twin.offered, twin.confidence or 0):
                after[twin.pk] |= {"confidence": word.confidence, "offered": word.offered}
    for values in after.values():
        if values and values["state"] != verdict:
            values |= {"state": verdict, "decision": work.decision}
    return [
        TagMove(work=work, image_id=word.image_id, word=word.pk, before=_whole(word), after=after[word.pk])
        for word in words
        if after[word.pk] != _values(word)
    ]


def _verdict(words: list[ImageTag]) -> str:
    """Of a tag of a picture: what people decided; among them, accepted goes before rejected."""
    decided = {word.state for word in words if word.origin == PERSON or word.decision}
    states = decided & {Opinion.ACCEPTED, Opinion.REJECTED} or {word.state for word in words}
    return str(next(each for each in (Opinion.ACCEPTED, Opinion.REJECTED, Opinion.SUGGESTED) if each in states))


def _values(word: ImageTag) -> dict[str, Any]:
    return {name: getattr(word, name) for name in FIELDS}


def _whole(word: ImageTag) -> dict[str, Any]:
    return _values(word) | {"origin": word.origin, "generation": word.generation}


def _write(changes: Iterable[tuple[int, dict[str, Any], dict[str, Any]]]) -> None:
    """[(word, values before, values after), ...]: few statements, since most words change alike."""
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for word, before, after in changes:
        alike[tuple((name, after[name]) for name in FIELDS if after[name] != before[name])].append(word)
    for values, words in alike.items():
        if values:
            ImageTag.objects.filter(pk__in=words).update(**dict(values))


def _move_back(work: TagWork, images: list[int]) -> None:
    """What the merge has changed, and nobody since, is as it was before."""
    moves = list(work.moves.filter(image__in=images).order_by("pk"))
    words = ImageTag.objects.in_bulk([move.word for move in moves])
    here = set(
        ImageTag.objects.filter(image__in=images, tag__in=[work.other, work.tag_id]).values_list(
            "image", "tag", "origin", "generation"
        )
    )

    def is_here(move: TagMove, tag: int | None) -> bool:
        return (move.image_id, tag, move.before["origin"], move.before["generation"]) in here

    standing = [move for move in moves if move.after and move.word in words and _values(words[move.word]) == move.after]
    free = [move for move in standing if move.before["tag_id"] == work.tag_id or not is_here(move, work.other)]
    # A word that was one too many comes back only beside the one that was kept for it: if that is gone, its network
    # does not say so any more.
    gone = [move for move in moves if not move.after and is_here(move, work.tag_id) and not is_here(move, work.other)]
    _write((move.word, move.after, move.before) for move in free)
    ImageTag.objects.bulk_create([ImageTag(pk=move.word, image_id=move.image_id, **move.before) for move in gone])


# --- the end
def _finish(work: TagWork) -> None:
    if work.kind == Kind.MERGE and work.state == State.WORKING and not _drop(work):
        # Somebody has just written it once more.
        touch(work, reached=0, rounds=work.rounds + 1)
        if work.rounds + 1 >= MOST_ROUNDS:
            _give_up(work, f"Pictures got “{work.before['name']}” again and again while it was merged.")
        return
    done = State.UNDONE if work.state == State.UNDOING else State.DONE
    if done == State.UNDONE:
        work.moves.all().delete()
    touch(work, state=done, worker="", lease_until=None)


def _drop(work: TagWork) -> bool:
    """The tag that was merged goes. False if a picture has it again.

    Who counts tags, and who changes rules, takes the same in this order, so that nobody waits in a circle.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FOLD_LOCK])
    hold_rules()
    goes = Tag.objects.select_for_update().filter(pk=work.other or 0).first()
    if goes is None:
        return True
    if ImageTag.objects.filter(tag=goes).exists() or Image.objects.filter(tag_ids__contains=[goes.pk]).exists():
        return False
    goes.delete()
    return True
