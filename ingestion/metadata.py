"""What ``manage.py export`` wrote comes back: to the pictures that are here, as often as one likes.

Nothing is lost by it: what people have decided here stays, and what people have decided there comes before what
machines say here. Words of a network belong to the generation of that network that answers here; where it has never
been, they are nobody's and stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, NamedTuple

from django.db import Error as DatabaseFailure
from django.db import connection, transaction

from gallery.metadata import MetadataError, SaidImage, SaidTag, read_line
from gallery.models import ImageTag, ImpliedTag, Tag, TagAlias, TagImplication
from gallery.tag_rules import TagError, changing_rules, edges, loops
from gallery.tags import tags_called
from ingestion.deadlocks import tried_again
from ingestion.words_again import Again

AT_ONCE = 200
BYTES_AT_ONCE = 2**22
"""Of lines that are in memory together; a longer one is alone."""
REFRESHED_AT_ONCE = 1_000
LONGEST_LINE = 2**25
"""Bytes. Ten thousand words with their boxes are a million."""
NAMED = 20
"""Broken lines that are told; the others are counted."""


class Line(NamedTuple):
    number: int
    bytes: int
    said: SaidTag | SaidImage

    @property
    def about(self) -> str:
        """The name of a tag, or the SHA-256 of a picture: no batch has two lines about one thing."""
        return self.said.name if isinstance(self.said, SaidTag) else self.said.sha256


@dataclass
class Tally:
    """What came of it."""

    counts: Counter[str] = field(default_factory=Counter)
    """"tags", "images" (that are here), "changed" of these, "unknown" (that are not here), "words" (that were added),
    "kept" (decisions made here, with which those of the file do not agree), "broken" lines, and "names" (of tags that
    mean something else here)."""
    broken: list[str] = field(default_factory=list)

    def refuse(self, number: int, reason: str) -> None:
        self.counts["broken"] += 1
        if len(self.broken) < NAMED:
            self.broken.append(f"line {number}: {reason.rstrip('.')}.")


def bring_back(file: BinaryIO, told: Callable[[int], object] = lambda size: None) -> Tally:
    """``told`` is called with the bytes of each line that was read."""
    tally, again = Tally(), Again()
    for batch in _batches(_lines(file, tally, told)):
        bring = _bring_tags if isinstance(batch[0].said, SaidTag) else again.bring
        tally.counts.update(_brought(bring, batch, tally))
    return tally


def _brought(bring: Callable[[list], Counter[str]], batch: list[Line], tally: Tally) -> Counter[str]:
    """All at once; one by one if the database does not take one of them."""
    try:
        return tried_again(partial(bring, [line.said for line in batch]))
    except TagError as error:
        reason = str(error)
    except DatabaseFailure as error:
        if not connection.is_usable():
            raise
        reason = f"the database does not take it: {str(error).splitlines()[0]}"
    if len(batch) == 1:
        tally.refuse(batch[0].number, reason)
        return Counter()
    return sum((_brought(bring, [line], tally) for line in batch), Counter())


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """All of a batch are about tags, or all about pictures."""
    batch: list[Line] = []
    about: set[str] = set()
    size = 0
    for line in lines:
        size += line.bytes
        is_full = len(batch) == AT_ONCE or size > BYTES_AT_ONCE or line.about in about
        if batch and (is_full or type(line.said) is not type(batch[0].said)):
            yield batch
            batch, about, size = [], set(), line.bytes
        batch.append(line)
        about.add(line.about)
    if batch:
        yield batch


def _lines(file: BinaryIO, tally: Tally, told: Callable[[int], object]) -> Iterator[Line]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        told(len(line))
        try:
            said = read_line(_whole(file, line))
        except MetadataError as error:
            tally.refuse(number, str(error))
        else:
            if said is not None:
                yield Line(number, len(line), said)


def _whole(file: BinaryIO, line: bytes) -> bytes:
    if len(line) < LONGEST_LINE or line.endswith(b"\n"):
        return line
    while line and not line.endswith(b"\n"):
        line = file.readline(LONGEST_LINE)
    raise MetadataError(f"it is longer than {LONGEST_LINE // 2**20} MB")


# --- tags
def _bring_tags(batch: list[SaidTag]) -> Counter[str]:
    """In transactions of their own: who waits for a new tag must not hold pictures, nor the other way round."""
    with transaction.atomic():
        tags = tags_called(
            {name for said in batch for name in (said.name, *said.implies)},
            {said.name: said.category for said in batch},
        )
        for said in sorted(batch, key=lambda said: tags[said.name]):
            if said.category:
                Tag.objects.filter(pk=tags[said.name], category="").update(category=said.category)
        strange = _bring_aliases(batch, tags)
    return Counter(tags=len(batch), names=strange + _bring_implications(batch, tags))


def _bring_aliases(batch: list[SaidTag], tags: dict[str, int]) -> int:
    """Returns how many mean something else here."""
    wanted = {alias: tags[said.name] for said in batch for alias in said.aliases}
    of_tags = set(Tag.objects.filter(name__in=wanted).values_list("name", flat=True))
    new = [TagAlias(name=name, tag_id=tag) for name, tag in sorted(wanted.items()) if name not in of_tags]
    TagAlias.objects.bulk_create(new, ignore_conflicts=True)
    here = dict(TagAlias.objects.filter(name__in=wanted).values_list("name", "tag_id"))
    return sum(here.get(name) != tag for name, tag in wanted.items())


def _bring_implications(batch: list[SaidTag], tags: dict[str, int]) -> int:
    """Returns how many would make a circle here. TagError."""
    wanted = {(tags[said.name], tags[name]) for said in batch for name in said.implies}
    fresh = wanted - edges() if wanted else set()
    circles = 0
    if fresh:
        with changing_rules(*{tag for edge in fresh for tag in edge}):
            now = edges()
            for edge in sorted(fresh - now):
                if loops(*edge, now):
                    circles += 1
                else:
                    now.add(edge)
            new = [TagImplication(tag_id=tag, implied_id=implied) for tag, implied in sorted(fresh & now)]
            TagImplication.objects.bulk_create(new, ignore_conflicts=True)
    _refresh({tag for tag, _ in wanted})
    return circles


def _refresh(tags: set[int]) -> None:
    """Pictures that have them have what they imply, too: those that an import which was stopped has left as well."""
    further = set(ImpliedTag.objects.filter(implied__in=tags).values_list("tag_id", flat=True))
    rows = ImageTag.objects.filter(tag__in=tags | further, shown=True).order_by("image_id")
    reached = 0
    while images := list(
        rows.filter(image_id__gt=reached).values_list("image_id", flat=True).distinct()[:REFRESHED_AT_ONCE]
    ):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT gallery_refresh_tags(%s)", [images])
        reached = images[-1]
