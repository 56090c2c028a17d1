"""A crawl: page by page what a source offers becomes candidates, each page in one transaction with where to go on.

Where a rule knows already that a picture is not wanted, its candidate is LEFT, with the reason: so the next crawl knows
it, and a rule that was changed can be tried on it. Of a source that offers masses of these, the rest is only counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from ingestion.deadlocks import tried_again
from ingestion.download import DownloadError, Web
from ingestion.filters import all_filters
from ingestion.filters._base import Filter
from ingestion.leases import held
from ingestion.models import CRAWL_LEASE, MAX_ATTEMPTS, MAX_ERROR, Candidate, Crawl, Source
from ingestion.models.sources import CrawlQuerySet
from ingestion.offers import candidate_of
from ingestion.sources import all_crawlers
from ingestion.sources._base import Crawler, Found, Page, SourceError

logger = logging.getLogger(__name__)

MOST_LEFT = 1_000
"""Rows of a crawl for what its rules leave out; more of it is counted and not kept."""
IDLE_PAGES = 20
"""One after the other without anything new: enough for this time. The next crawl goes on behind them."""
AGAIN = timedelta(minutes=1)
"""After a failure that may pass; each further time four times as long."""
LONGEST_AGAIN = timedelta(days=1)
OVER = timedelta(days=2)
"""A crawl that a server has put off for so long is given up, and the next one has another chance."""


class StoppedError(Exception):
    """Somebody has paused or removed the source meanwhile, or another worker has this crawl."""


@dataclass
class Tally:
    """What a page has brought."""

    found: int = 0
    known: int = 0
    left: int = 0
    new: int = 0
    whole: bool = True
    """The budget was enough for all of it."""
    fresh: list[Candidate] = field(default_factory=list)


def foreseen(found: Found, rules: dict[str, dict[str, Any]]) -> str:
    """Why it need not be fetched, from the first filter that knows; "": it is fetched."""
    for filter_ in all_filters().values():
        try:
            if reason := filter_.foresee(found, options_of(filter_, rules)):
                return reason
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # whatever a leaf raises: what is not known beforehand is looked at
            logger.exception("The filter %s failed on %s", filter_.name, found.url)
    return ""


def options_of(filter_: Filter, rules: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return filter_.defaults | rules.get(filter_.name, {})


def crawl_next(web: Web | None = None, among: CrawlQuerySet | None = None) -> Crawl | None:
    """Claim a crawl that waits and carry it out. None if none was waiting, or another worker has it."""
    crawl = (Crawl.objects.all() if among is None else among).claim()
    if crawl is not None:
        carry_out(crawl, web)
    return crawl


def carry_out(
    crawl: Crawl,
    web: Web | None = None,
    on_page: Callable[[Crawl], None] = lambda crawl: None,
    budget: int | None = None,
) -> None:
    """A crawl that this worker has claimed, to its end. Never raises for what is wrong with the source: crawl.error
    says it. ``budget``: instead of that of its source."""
    _Run(crawl, on_page, budget).run(web)


class _Run:
    def __init__(self, crawl: Crawl, on_page: Callable[[Crawl], None], budget: int | None) -> None:
        self.crawl, self.on_page = crawl, on_page
        self.source = crawl.source
        self.budget = budget or crawl.source.budget
        self.idle = 0

    def run(self, web: Web | None) -> None:
        with held(self.crawl, CRAWL_LEASE):
            self._run(web)

    def _run(self, web: Web | None) -> None:
        try:
            crawler = crawler_of(self.source)
            if web is not None:
                self._pages(crawler, web)
            else:
                with Web() as own:
                    self._pages(crawler, own)
        except KeyboardInterrupt:  # whoever asks again the next moment goes on, and does not wait for a lease
            self._put_off(0.0, "")
            raise
        except StoppedError as stop:
            self._end(Crawl.State.STOPPED, str(stop))
        except SourceError as error:
            if error.again_after is not None and not self._is_old():
                self._put_off(max(1.0, error.again_after), str(error))
            else:
                self._failed(str(error), pauses=error.pauses)
        except DownloadError as error:
            if error.code == "rate_limited" and not self._is_old():
                self._put_off(error.again_after or AGAIN.total_seconds(), str(error))
            else:
                self._failed(str(error), error.again_after, passes=not error.is_final, pauses=error.is_final)
        except (OperationalError, InterfaceError):
            raise  # the database is away: the lease brings the crawl back
        except Exception as error:  # a crawl must say why it failed, whatever it was
            logger.exception("%s failed", self.crawl)
            sentence = f"It could not be crawled: {type(error).__name__}: {error}. The log says more."
            self._failed(sentence, passes=True, pauses=True)
        else:
            self._end(Crawl.State.DONE)

    def _pages(self, crawler: Crawler, web: Web) -> None:
        if self.crawl.new >= self.budget:
            return
        for page in crawler.crawl(self.source.options, self.crawl.since, web):
            tally = tried_again(lambda page=page: self._take(page))  # type: ignore[misc]
            self.idle = 0 if tally.new else self.idle + 1
            self.on_page(self.crawl)
            if not tally.whole or self.crawl.new >= self.budget or self.idle >= IDLE_PAGES:
                break

    def _take(self, page: Page) -> Tally:
        """One page: its candidates, what is counted, and where to go on, or nothing of it."""
        crawl = self.crawl
        with transaction.atomic():
            if not crawl.mine().select_for_update().exists():
                raise StoppedError("The source was paused or removed, or another worker goes on with it.")
            source = Source.objects.select_for_update(no_key=True).filter(pk=crawl.source_id).first()
            if source is None or source.removed_at:
                raise StoppedError("The source was removed.")
            self.source = source
            tally = self._candidates(page.found)
            now = {name: getattr(crawl, name) + getattr(tally, name) for name in ("found", "known", "left", "new")}
            # Of a page that was too much for the budget the rest comes the next time: then it is asked again.
            now |= {"pages": crawl.pages + 1, "since": page.since if tally.whole else crawl.since}
            now |= {"attempts": 1, "error": ""}
            crawl.mine().update(lease_until=Now() + CRAWL_LEASE, **now)
            Source.objects.filter(pk=source.pk).update(since=now["since"])
        for name, value in now.items():
            setattr(crawl, name, value)
        return tally

    def _candidates(self, offered: Iterable[Found]) -> Tally:
        offers = {
            each.key: (found, each) for found in offered for each in [candidate_of(self.source, found, self.crawl)]
        }
        there = Candidate.objects.filter(source=self.source, key__in=offers)
        met = set(there.values_list("key", flat=True))
        tally = Tally(found=len(offers), known=len(met))
        rows, room = [], self.budget - self.crawl.new
        for key, (found, candidate) in offers.items():
            if key in met:
                continue
            candidate.reason = foreseen(found, self.source.rules)
            if candidate.reason:
                candidate.state = Candidate.State.LEFT
                tally.left += 1
                if self.crawl.left + tally.left <= MOST_LEFT:
                    rows.append(candidate)
            elif tally.new == room:
                tally.whole = False
            else:
                tally.new += 1
                rows.append(candidate)
        # Nobody else crawls this source now; but members of its archives may come in at this moment.
        Candidate.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
        return tally

    # --- the end
    def _end(self, state: str, error: str = "", pause: str = "") -> None:
        """Closed, and its source told when to be asked again, unless somebody else has the crawl by now."""
        crawl = self.crawl
        with transaction.atomic():
            ended = crawl.mine().update(
                state=state, error=error[:MAX_ERROR], finished_at=Now(), lease_until=None, worker=""
            )
            if ended:
                crawl.state, crawl.error = state, error[:MAX_ERROR]
                self.source.brought(crawl.new)
                if pause:
                    self.source.pause(pause)

    def _failed(
        self, sentence: str, again_after: float | None = None, passes: bool = False, pauses: bool = False
    ) -> None:
        """``passes``: it may pass, so it is tried some times; ``pauses``: and if it does not, somebody has to do
        something."""
        attempts = self.crawl.attempts
        if passes and attempts < MAX_ATTEMPTS:
            pause = AGAIN.total_seconds() * 4 ** (attempts - 1)
            self._put_off(max(pause, again_after or 0.0), sentence, counts=True)
        else:
            self._end(Crawl.State.FAILED, sentence, pause=sentence if pauses else "")

    def _is_old(self) -> bool:
        return Crawl.objects.filter(pk=self.crawl.pk, created_at__lt=Now() - OVER).exists()

    def _put_off(self, seconds: float, sentence: str, counts: bool = False) -> None:
        """``counts``: as an attempt of its own fault."""
        crawl, error = self.crawl, sentence[:MAX_ERROR]
        crawl.mine().update(
            state=Crawl.State.QUEUED,
            not_before=Now() + timedelta(seconds=min(seconds, LONGEST_AGAIN.total_seconds())),
            lease_until=None,
            worker="",
            attempts=crawl.attempts - (not counts),
            error=error,
        )
        crawl.state, crawl.error = Crawl.State.QUEUED, error


def crawler_of(source: Source) -> Crawler:
    """SourceError, which pauses, if there is none of its kind or it cannot work yet."""
    crawler = all_crawlers().get(source.kind)
    if crawler is None:
        raise SourceError(f"There is no kind of source called {source.kind!r} here (any more).", pauses=True)
    if missing := crawler.missing():
        raise SourceError(missing, pauses=True)
    return crawler


def begin_due() -> int:
    """Begin a crawl of each source whose time has come. Returns how many."""
    return sum(_begin_if_due(source) for source in Source.objects.due())


def _begin_if_due(source: Source) -> bool:
    """Locked by its update: whoever pauses or removes it at this moment comes before, or stops the crawl."""
    with transaction.atomic():
        # When it ends, it is told anew; one that crashes every time must not be begun every minute.
        due = Source.objects.here().filter(pk=source.pk, active=True, next_at__lte=Now())
        begun = bool(due.update(next_at=Now() + timedelta(minutes=source.every)))
        if begun:
            Crawl.objects.begin(source)
    return begun


def begin_anew(source: Source) -> Crawl:
    """A crawl from the beginning, where what rules have left out and what has failed is tried again.

    One that a worker is carrying out stays as it is.
    """
    crawl = Crawl.objects.begin(source)
    with transaction.atomic():  # locks as everywhere: the crawl, then its source
        if Crawl.objects.filter(pk=crawl.pk, state=Crawl.State.QUEUED).update(since={}):
            Source.objects.filter(pk=source.pk).update(since={})
            crawl.since = {}
    again = source.candidates.filter(state__in=(Candidate.State.LEFT, Candidate.State.FAILED))
    for candidate in again.iterator():  # each by itself: broken off, the same command goes on
        _try_again(candidate, source)
    return crawl


def _try_again(candidate: Candidate, source: Source) -> None:
    if "url" not in candidate.offered:
        return
    reason = foreseen(Found.read(candidate.offered), source.rules)
    if not reason:
        same = Candidate.objects.filter(pk=candidate.pk, state=candidate.state)
        same.update(state=Candidate.State.FOUND, attempts=0, lease_until=None, not_before=Now(), reason="")
