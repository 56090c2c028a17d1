"""A process that mines for pictures and ends itself with SIGKILL before a step that matters.

Run as ``python tests/ingestion/killed_mining.py``. Each line of standard input is one run in a fork: {"kill": step},
where "" is never. A run first finishes what the runs before it have left, and then crawls the newest source, from the
crawl to the gallery. A step is what another process would find done: the rename or removal of a file, a commit, a
statement that is its own transaction. It is called by what does it, and where: "commit crawling._take".
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "gallery.settings"

from tests.ingestion.forked import in_a_fork

OURS = ("ingestion/", "gallery/originals.py")
_kill = ""
_steps: list[str] = []


def where() -> str:
    """The function of the gallery that is at work."""
    frame = sys._getframe(3)
    while frame and not any(f"/{part}" in frame.f_code.co_filename for part in OURS):
        frame = frame.f_back  # type: ignore[assignment]
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}" if frame else ""


def step(what: str) -> None:
    _steps.append(f"{what} {where()}")
    if _steps[-1] == _kill:
        os.kill(os.getpid(), signal.SIGKILL)


def counted(what: str, function: Callable, counts: Callable[..., bool] = lambda *args, **kwargs: True) -> Callable:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if counts(*args):
            step(what)
        return function(*args, **kwargs)

    return wrapper


def arm(kill: str) -> None:
    global _kill
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper

    def writes(cursor: Any, sql: str, *args: Any) -> bool:
        return not cursor.db.in_atomic_block and sql.startswith(("INSERT", "UPDATE", "DELETE"))

    _kill = kill
    os.replace, os.unlink = counted("rename", os.replace), counted("remove", os.unlink)
    BaseDatabaseWrapper._commit = counted("commit", BaseDatabaseWrapper._commit)
    CursorWrapper.execute = counted("write", CursorWrapper.execute, writes)


def mine_all(kill: str) -> None:
    from ingestion.crawling import crawl_next
    from ingestion.download import Web
    from ingestion.fetching import fetch_next
    from ingestion.mining_tasks import work_for
    from ingestion.models import Candidate, Crawl, Source

    def finish() -> None:
        while crawl_next(web):
            pass
        while fetch_next(web):
            pass
        assert not work_for(60)

    Crawl.objects.filter(state="running").update(lease_until="2020-01-01T00:00Z")
    Candidate.objects.filter(lease_until__isnull=False).update(lease_until="2020-01-01T00:00Z")
    newest = Source.objects.latest("pk")
    with Web() as web:
        for source in Source.objects.filter(crawls=None).exclude(pk=newest.pk):
            Crawl.objects.begin(source)
        finish()
        arm(kill)
        Crawl.objects.begin(newest)
        finish()


def run(kill: str) -> dict:
    def deed() -> None:
        mine_all(kill)
        sys.stderr.write("\n".join(_steps))

    return in_a_fork(deed)


def main() -> None:
    import django

    django.setup()
    from ingestion import tasks  # noqa: F401 - with all that it imports
    from ingestion.filters import all_filters
    from tests.ingestion.offering import register

    register()
    for name in set(all_filters()) - {"size"}:
        del all_filters()[name]  # they only look, and take their time
    import numpy as np

    import ingestion.screening
    from gallery import renditions
    from gallery.pictures import Picture
    from search.engines.phash import ENGINE
    from tests.pictures import photo

    ingestion.screening.embed = lambda picture: None
    seen = np.asarray(photo(0))
    ENGINE.extract(Picture(seen, 320, 240, "JPEG"))  # with what a leaf imports when it is first needed
    renditions.webp(photo(0))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
