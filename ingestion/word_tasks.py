"""What the queue does for the words of pictures. As everywhere, a task is only a bell: the work lies in rows."""

from __future__ import annotations

import logging

import psycopg
from django.db import Error as DatabaseFailure
from django.db import transaction
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from gallery.models import Caption, Image, ImageTag, OcrText, Opinion
from ingestion import thresholds
from ingestion.annotators import all_network_annotators
from ingestion.models import ThresholdChange
from search.models import Generation

logger = logging.getLogger(__name__)

SECONDS_A_RING = 5
AT_ONCE = 20_000


def ring_for_lines() -> None:
    """Tell a worker that a line was moved. If it cannot be told now, the sweep does."""
    try:
        follow_lines()
    except (DatabaseFailure, psycopg.Error) as error:
        logger.warning("The bell could not be rung: %s", error)


@db_task()
def follow_lines() -> None:
    """Go on with lines that were moved, the oldest first."""
    ours = ThresholdChange.objects.filter(role__in=all_network_annotators())  # others were made by another program
    change = ours.filter(finished_at__isnull=True).order_by("pk").first()
    if change:
        thresholds.carry_on(change, SECONDS_A_RING)
        ring_for_lines()  # for the rest of it, or for the next one


@db_periodic_task(crontab(minute="*"))
def sweep_words() -> None:
    """Every minute: ring for lines that a crash has left half followed, and forget what nobody can come back to."""
    if ThresholdChange.objects.filter(finished_at__isnull=True).exists():
        ring_for_lines()
    forget_suggestions()


def forget_suggestions() -> None:
    """Of generations whose features are gone. What people have decided about stays."""
    gone = list(Generation.objects.filter(state="gone").values_list("pk", flat=True))
    for model in (ImageTag, Caption, OcrText):
        words = model.objects.filter(generation__in=gone, state=Opinion.SUGGESTED)
        some = words.filter(pk__in=list(words.values_list("pk", flat=True)[:AT_ONCE]))
        with transaction.atomic():
            # Images before their words, as people's decisions lock them: Image.caption changes with a caption.
            images = Image.objects.filter(pk__in=some.values("image")).order_by("pk")
            list(images.select_for_update(no_key=True).values_list("pk", flat=True))
            some.delete()
