"""What the queue does for novelty. As everywhere, a task is only a bell: the work lies in the rows of NoveltyModel."""

from __future__ import annotations

import logging

import psycopg
from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from ingestion import novelty_scores, novelty_training
from ingestion.models import NoveltyModel

logger = logging.getLogger(__name__)

SECONDS_A_RING = 5


def ring_for_novelty() -> None:
    """Tell a worker that a model is to be trained, or was switched. If it cannot be told now, the sweep does."""
    try:
        follow_novelty()
    except (DatabaseFailure, psycopg.Error) as error:
        logger.warning("The bell could not be rung: %s", error)


@db_task()
def follow_novelty() -> None:
    """Train, or go on with the candidates."""
    if work_once():
        ring_for_novelty()


def work_once() -> bool:
    """True if there is more to do."""
    model = NoveltyModel.objects.claim()
    if model is None:
        return False
    try:
        if model.state == NoveltyModel.State.TRAINING:
            novelty_training.train(model)
        elif novelty_scores.carry_on(model, SECONDS_A_RING):
            model.put_back()
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease ends by itself
    except Exception as error:  # whatever it was is shown on the page, and is not tried for ever
        logger.exception("%s does not go on", model)
        model.give_up(f"{error.__class__.__name__}: {error}")
    return NoveltyModel.objects.to_do().exists()


@db_periodic_task(crontab(minute="*"))
def sweep_novelty() -> None:
    """Every minute: ring for what waits, or what a crash has left half done."""
    if NoveltyModel.objects.to_do().exists():
        ring_for_novelty()


@db_periodic_task(crontab(minute="*/10"))
def follow_embedding() -> None:
    """A model of embeddings that nobody makes any more judges nothing: learn it again, of what was accepted."""
    if novelty_training.is_void():
        novelty_training.begin(None)
        ring_for_novelty()


@db_periodic_task(crontab(minute="17", hour="3"))
def refit_novelty() -> None:
    """Every night: train on what was decided since; a better model is proposed, and a person switches."""
    current = NoveltyModel.objects.current()
    if current and current.scored_at and novelty_scores.stale(current).exists():
        NoveltyModel.objects.filter(pk=current.pk).update(scored_to=0, scored_at=None, done=0, steps=0)
    if novelty_training.is_worth_a_night():
        novelty_training.begin(None, nightly=True)
    if NoveltyModel.objects.to_do().exists():
        ring_for_novelty()
