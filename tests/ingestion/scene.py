"""What the tests of the import share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import connection
from PIL.Image import Image as PillowImage

from gallery.models import Image
from ingestion.pipeline import Origin, Outcome, import_blocks
from tests.pictures import encode, photo


def data(what: int | PillowImage = 1, format: str = "JPEG", **options: Any) -> bytes:
    """The bytes of a picture; another number, another picture."""
    return encode(photo(what) if isinstance(what, int) else what, format, **options)


def bring(content: bytes | int = 1, name: str = "picture.jpg", kind: str = "upload", **origin: Any) -> Outcome:
    """Store a picture and leave the work on it waiting."""
    blocks = [data(content) if isinstance(content, int) else content]
    return import_blocks(blocks, name, Origin(kind, name, **origin))


def bring_image(content: bytes | int = 1, name: str = "picture.jpg") -> Image:
    image = bring(content, name).image
    assert image
    return image


def at_once(count: int, function: Callable[[int], Any]) -> list[Any]:
    """function(0), function(1) ... in as many threads, started together, each with a connection of its own."""
    together = threading.Barrier(count)

    def one(number: int) -> Any:
        try:
            together.wait(120)
            return function(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def sql(statement: str, *params: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall() if cursor.description else []


def wait_for_a_lock() -> None:
    """Until somebody waits for a lock that another connection holds."""
    ends = time.monotonic() + 120
    while not sql("SELECT 1 FROM pg_locks WHERE NOT granted"):
        assert time.monotonic() < ends, "nobody waits"
        time.sleep(0.01)


def expire_leases() -> None:
    """As if the workers had been silent for too long, by the clock of the database."""
    sql("UPDATE ingestion_job SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL")


def stored_files(folder: str = "originals") -> list[str]:
    """Names of the files below a folder of the media."""
    return sorted(path.name for path in (settings.MEDIA_ROOT / folder).rglob("*") if path.is_file())
