from __future__ import annotations

import logging
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import Error as DatabaseFailure
from huey import crontab
from huey.contrib.djhuey import HUEY, db_periodic_task, db_task

from gallery.limits import forget_rested
from gallery.models import TagWork
from gallery.resets import mail_reset
from gallery.tag_slices import work_on
from gallery.tags import fold_tallies
from gallery.text_language import follow_setting

logger = logging.getLogger(__name__)

TAG_SECONDS = 5
"""Then the thread rings again for itself, and what else waits in the queue has its turn."""
LANGUAGE_SECONDS = 5
MANY_BELLS = 100


def ring(bell: Any) -> None:
    """Tell a worker, unless one was told already: bells that ring each other must not become more and more.

    A database that is away costs nothing: the next minute rings again.
    """
    try:
        if not any(isinstance(waiting, bell.task_class) for waiting in HUEY.pending(MANY_BELLS)):
            bell()
    except (DatabaseFailure, psycopg.Error) as error:  # the queue has a connection of its own, without Django
        logger.warning("The bell could not be rung: %s", error)


@db_periodic_task(crontab(hour="3", minute="17"))
def forget_sessions() -> None:
    """Once a day: sessions that are over."""
    call_command("clearsessions")


@db_periodic_task(crontab(minute="23"))
def forget_visitors() -> None:
    """Every hour: whoever has asked for nothing lately."""
    forget_rested()


@db_task()
def send_reset(mail: str, host: str, secure: bool) -> None:
    """Once: whoever gets no mail asks again."""
    mail_reset(mail, host, secure)


# --- tags
@db_periodic_task(crontab(minute="*"))
def count_tags() -> None:
    """Every minute: add what was noted, and go on with what a crash has left half done."""
    fold_tallies()
    if TagWork.objects.unfinished().exists():
        ring(change_tags)


@db_task()
def change_tags() -> None:
    """Pictures follow what the staff did to tags, for a while."""
    if work_on(TAG_SECONDS):
        ring(change_tags)


# --- the language of words
@db_periodic_task(crontab(minute="*"))
def set_language() -> None:
    """Every minute: has the language been changed in the settings, or is a change half done?"""
    rewrite_documents.call_local()


@db_task()
def rewrite_documents() -> None:
    """Words of pictures in another language, for a while."""
    if follow_setting(LANGUAGE_SECONDS):
        ring(rewrite_documents)
