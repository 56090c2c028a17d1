"""The language in which titles, captions and text in pictures are searched, and its change.

Image.document holds words as PostgreSQL takes them in one language: “Häuser” is “haus” in German. After a change
questions are asked in the new language at once, and the documents follow in slices, the newest pictures first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import Max

from gallery.models import Image, TextLanguage

logger = logging.getLogger(__name__)

SLICE = 2_000
"""Pictures in one transaction: a second's work, so that nobody waits long for their rows."""
_LOCK_MILLISECONDS = 300
"""Writers stand behind whoever waits for the whole table: better to try it again in a minute."""
_FOLLOW_LOCK = 7363


def follow_setting(seconds: float) -> bool:
    """Let the language be that of the settings, and rewrite documents for about so long. True if there is more to do.

    Can be interrupted anywhere: TextLanguage.reached says how far it has come. False if another is at it, and while
    the table is too busy: then the next minute tries it again.
    """
    with _alone() as is_alone:
        return is_alone and (_is_set() or _set()) and _rewrite(seconds)


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_FOLLOW_LOCK])
        (is_alone,) = cursor.fetchone()
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_FOLLOW_LOCK])


def _rewrite(seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while _rewrite_slice():
        if time.monotonic() > ends:
            return True
    return False


def rewriting() -> str:
    """A sentence that says how far a change of the language is; "" if none is under way."""
    now = TextLanguage.objects.filter(reached__isnull=False).first()
    if now is None or now.reached is None:
        return ""
    last = Image.objects.aggregate(last=Max("pk"))["last"] or 0
    share = 1 - min(1.0, now.reached / (last + 1))
    return (
        f"Titles, captions and text in pictures are being read again in the language {now.language}, {share:.0%} so "
        "far: until that is done, a search in words may miss some of the older pictures."
    )


def _is_set() -> bool:
    return TextLanguage.objects.filter(language=settings.LANGUAGE).exists()


def _set() -> bool:
    """False if the table of images is too busy for it just now."""
    try:
        with transaction.atomic():
            _stop_writers()
            last = Image.objects.aggregate(last=Max("pk"))["last"]
            values = {"language": settings.LANGUAGE, "reached": None if last is None else last + 1}
            TextLanguage.objects.update_or_create(pk=True, defaults=values)
    except OperationalError as error:
        logger.warning("The language of words is not changed yet: %s", error)
        return False
    return True


def _stop_writers() -> None:
    """Until the end of this transaction: who has begun to write a document in the language before has ended then, and
    who waits will write in the new one."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_MILLISECONDS}ms'")
        cursor.execute("LOCK TABLE gallery_image IN SHARE MODE")


def _rewrite_slice() -> bool:
    """The newest pictures that were not yet. False if none is left."""
    with transaction.atomic():
        mine = TextLanguage.objects.select_for_update(no_key=True).filter(reached__isnull=False)
        now = mine.first()
        if now is None or now.reached is None:
            return False
        older = Image.objects.filter(pk__lt=now.reached).order_by("-pk").values_list("pk", flat=True)
        ids = list(older[:SLICE])
        with connection.cursor() as cursor:
            cursor.execute("SELECT gallery_refresh_documents(%s::bigint[])", [ids])
        reached = ids[-1] if len(ids) == SLICE else None
        TextLanguage.objects.filter(pk=True).update(reached=reached)
    return reached is not None
