"""What each source has brought, and at what pace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone

from ingestion.models import Candidate, Crawl, Source

LATELY = timedelta(days=7)
ACCEPTED = Q(state__in=("accepted", "published"))
HOURS = LATELY.total_seconds() / 3600


@dataclass
class Yield:
    """Of one source, over all its crawls."""

    found: int = 0
    """All that it has offered, known or not."""
    states: dict[str, int] = field(default_factory=dict)
    """{state: its candidates}"""
    lately: int = 0
    """New candidates of the crawls of the last week, without what was in their archives."""
    age: float = 0.0
    """Seconds since it was added."""
    decided: int = 0
    """By people; what the rules reject says nothing of the source's taste."""
    taken: int = 0

    @property
    def fetched(self) -> int:
        never = ("found", "left", "failed")
        return sum(count for state, count in self.states.items() if state not in never)

    @property
    def known(self) -> int:
        return self.states.get("known", 0)

    @property
    def novel(self) -> int:
        """Fetched, screened, and not here already."""
        return self.fetched - self.known - self.states.get("fetched", 0)

    @property
    def waiting(self) -> int:
        return self.states.get("waiting", 0)

    @property
    def accepted(self) -> int:
        return self.states.get("accepted", 0) + self.states.get("published", 0)

    @property
    def rejected(self) -> int:
        return self.states.get("rejected", 0)

    @property
    def failed(self) -> int:
        return self.states.get("failed", 0)

    @property
    def left(self) -> int:
        return self.states.get("left", 0)

    @property
    def share(self) -> float | None:
        """Accepted, of what people have decided."""
        return self.taken / self.decided if self.decided else None

    @property
    def per_hour(self) -> float:
        """New candidates, over the last week, or since the source is here."""
        return self.lately / max(1.0, min(HOURS, self.age / 3600))


def yields(sources: Iterable[Source]) -> dict[int, Yield]:
    """{source id: what it has brought}; four questions to the database, however many sources there are."""
    sources = list(sources)
    ids = [source.pk for source in sources]
    found: dict[int, Yield] = defaultdict(Yield)
    for source in sources:
        found[source.pk].age = (timezone.now() - source.created_at).total_seconds()
    offered = Crawl.objects.filter(source__in=ids).values_list("source").order_by()
    for pk, count in offered.annotate(Sum("found")):
        found[pk].found = count
    candidates = Candidate.objects.filter(source__in=ids).order_by()
    for pk, state, count in candidates.values_list("source", "state").annotate(Count("id")):
        found[pk].states[state] = count
    people = candidates.filter(decided_by__isnull=False, state__in=("accepted", "published", "rejected"))
    for pk, count, taken in people.values_list("source").annotate(Count("id"), taken=Count("id", filter=ACCEPTED)):
        found[pk].decided, found[pk].taken = count, taken
    for pk, count in offered.filter(created_at__gt=Now() - LATELY).annotate(Sum("new")):
        found[pk].lately = count
    return {pk: found[pk] for pk in ids}
