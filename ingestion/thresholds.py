"""What is shown of what networks suggest: a line of confidence for each role, and lines of single tags.

A suggestion is offered if its generation is the one that answers, and its confidence reaches the line of its tag, or
else of its role. That is kept in a column (Word.offered), by set-based updates whenever one of these changes, so that
pages and searches only look at Word.shown. Decisions of people are in another column and are never touched here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import Max, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Now

from gallery.models import Image, ImageTag, User, Word, WordQuerySet
from ingestion.models import Threshold, ThresholdChange
from search.models import Generation

if TYPE_CHECKING:
    from ingestion.annotators._network import NetworkAnnotator

AT_ONCE = 20_000
"""Images in one transaction: a second's work, so that nobody waits long for their rows."""


class LineMoved(Exception):
    """Somebody has moved the line since the reader saw it: a sentence."""


# --- where the lines are
def role_of(name: str) -> NetworkAnnotator:
    from ingestion.annotators import all_network_annotators  # which asks here for lines

    return all_network_annotators()[name]


def line_of(role: str, tag: int | None = None) -> float:
    """The line of a role, or of a tag, whether it has one of its own or not."""
    own = own_line(role, tag)
    if own is not None:
        return own
    return role_of(role).line if tag is None else line_of(role)


def own_line(role: str, tag: int | None) -> float | None:
    return Threshold.objects.filter(role=role, tag=tag).values_list("value", flat=True).first()


def own_lines(role: str) -> dict[int, float]:
    """{tag id: line} of those that have one of their own."""
    rows = Threshold.objects.filter(role=role, tag__isnull=False)
    return {tag: value for tag, value in rows.values_list("tag_id", "value") if tag}


# --- what follows
@transaction.atomic
def follow(role: str, model: type[Word], images: tuple[int, int] | None = None, tag: int | None = None) -> None:
    """Bring what is offered up to date; of ``images`` (ids after the first, up to the second) or of all; of one tag
    or of all. Only what differs is written."""
    generations = _lock(role)
    words: WordQuerySet = model.objects.filter(generation__in=generations)
    if images:
        words = words.filter(image_id__gt=images[0], image_id__lte=images[1])
    if tag:
        words = words.filter(tag_id=tag)
    if model is not ImageTag:
        _lock_images(model, generations, images)
    current = next((pk for pk, state in generations.items() if state == Generation.State.CURRENT), 0)
    fits = Q(generation=current) & (Q(confidence__isnull=True) | Q(confidence__gte=_line(role, model)))
    words.filter(fits, offered=False).update(offered=True)
    words.filter(~fits, offered=True).update(offered=False)


def _line(role: str, model: type[Word]) -> Value | Coalesce:
    base = Value(line_of(role))
    if model is not ImageTag or not own_lines(role):
        return base
    own = Threshold.objects.filter(role=role, tag=OuterRef("tag_id"))
    return Coalesce(Subquery(own.values("value")[:1]), base)


def _lock(role: str) -> dict[int, str]:
    """{generation: state}. Whoever writes suggestions holds his own, and has read the lines after that."""
    rows = Generation.objects.filter(role=role).order_by("pk").select_for_update(no_key=True)
    return dict(rows.values_list("pk", "state"))


def _lock_images(model: type[Word], generations: dict[int, str], images: tuple[int, int] | None) -> None:
    """Images before what is said of them, in the order of ids, as people's decisions do: they change with it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FROM (
                SELECT 1 FROM gallery_image WHERE id > %s AND id <= %s AND id IN (
                    SELECT image_id FROM {model._meta.db_table} WHERE generation = ANY(%s)
                ) ORDER BY id FOR NO KEY UPDATE
            ) locked
            """,  # noqa: S608 (a name of ours)
            [*(images or (0, 2**63 - 1)), list(generations)],
        )


# --- moving a line
def move(role: str, tag: int | None, value: float | None, seen: float, by: User | None) -> ThresholdChange | None:
    """Draw a line elsewhere; None takes away a line of its own. ``seen``: where it was. What is shown follows with
    ``carry_on``. None if it was there already. LineMoved."""
    with transaction.atomic():
        _lock(role)
        before, here = own_line(role, tag), line_of(role, tag)
        if before == value or (value is not None and here == value and tag is None):
            return None
        if abs(here - seen) > 1e-6:
            raise LineMoved(f"Meanwhile somebody has moved this line to {100 * here:.0f} %. Look again.")
        _draw(role, tag, value)
        return ThresholdChange.objects.create(role=role, tag_id=tag, before=before, after=value, by=by)


def _draw(role: str, tag: int | None, value: float | None) -> None:
    if value is None:
        Threshold.objects.filter(role=role, tag=tag).delete()
    else:
        Threshold.objects.update_or_create(role=role, tag_id=tag, defaults={"value": value})


def take_back(change: ThresholdChange, by: User | None) -> ThresholdChange:
    """Put the line back where it was before. LineMoved if it was moved again since."""
    with transaction.atomic():
        _lock(change.role)
        standing = last_change(change.role, change.tag_id)
        if standing is None or standing.pk != change.pk or own_line(change.role, change.tag_id) != change.after:
            raise LineMoved("This line was moved again since: nothing was undone.")
        _draw(change.role, change.tag_id, change.before)
        ThresholdChange.objects.filter(pk=change.pk).update(undone_at=Now())
        return ThresholdChange.objects.create(
            role=change.role, tag_id=change.tag_id, before=change.after, after=change.before, by=by, undone_at=Now()
        )


def draw_again(role: str) -> None:
    """Another network answers now: a worker lets what is shown follow, in steps. Until it is done, pages and searches
    see words of both. Nothing to take back: the line stays where it is."""
    from ingestion.word_tasks import ring_for_lines  # which asks here to carry on

    line = own_line(role, None)
    ThresholdChange.objects.create(role=role, before=line, after=line, undone_at=Now())
    transaction.on_commit(ring_for_lines)


def last_change(role: str, tag: int | None) -> ThresholdChange | None:
    """The last one that can be taken back."""
    return ThresholdChange.objects.filter(role=role, tag=tag, undone_at__isnull=True).first()


def carry_on(change: ThresholdChange, seconds: float) -> bool:
    """Let what is shown follow a line that was moved, for about so long. True if there is more to do.

    Can be interrupted anywhere; two at once only do some of it twice.
    """
    ends = time.monotonic() + seconds
    model = role_of(change.role).words
    while (until := _next(change.done_to)) is not None:
        with transaction.atomic():
            follow(change.role, model, (change.done_to, until), change.tag_id)
            ThresholdChange.objects.filter(pk=change.pk, done_to__lt=until).update(done_to=until)
        change.done_to = until
        if time.monotonic() > ends:
            return True
    ThresholdChange.objects.filter(pk=change.pk).update(finished_at=Now())
    change.refresh_from_db(fields=["finished_at"])
    return False


def _next(done_to: int) -> int | None:
    """The last id of the next images; None after the last one."""
    following = Image.objects.filter(pk__gt=done_to).order_by("pk").values("pk")[:AT_ONCE]
    return Image.objects.filter(pk__in=following).aggregate(last=Max("pk"))["last"]
