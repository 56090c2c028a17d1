"""What the pages of duplicates show of a group: rows of the list, the pictures side by side, outlines, differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Prefetch
from django.template.defaultfilters import date, filesizeformat

from gallery.models import Image, ImageTag
from search.candidates import candidates_of
from search.drawing import Outline, frame, outlines
from search.engines._base import Grade
from search.groups import stamp, stamps
from search.keep_best import Candidate, Reason, Suggestion, suggest
from search.models import Group, Pair, Sight

AT_ONCE = 4
"""Pictures side by side before somebody asks for more."""
MOST = 60
"""Pictures side by side at all."""


@dataclass
class Forecast:
    """What a merge would do."""

    keep: Image
    drop: list[Image]
    words: int = 0
    """Tags and texts that are handed on."""
    sources: int = 0

    @property
    def bytes(self) -> int:
        """Room that there will be when the trash is emptied."""
        return sum(image.bytes for image in self.drop)


def foresee(keep: Image, drop: Sequence[Image], candidates: Iterable[Candidate]) -> Forecast:
    facts = {one.key: one for one in candidates}
    dropped = [facts[image.pk] for image in drop if image.pk in facts]
    return Forecast(keep, list(drop), sum(one.words for one in dropped), sum(one.sources for one in dropped))


@dataclass
class Family:
    """A group as a row of the list."""

    group: Group
    images: list[Image]
    suggestion: Suggestion
    looked: bool
    """The pictures were looked at, as far as the suggestion needs it and they could be."""
    stamp: str = ""
    """Which images are in the group: what a decision about all of them posts back."""
    outcome: Forecast | None = None
    """Of the merge that can be had with one click; None if the group wants a closer look."""
    words: str = ""
    """Why they belong together."""

    @property
    def best(self) -> int | None:
        return self.suggestion.best if self.looked else None

    @property
    def more(self) -> int:
        """Members that are not shown."""
        return max(0, self.group.size - len(self.images))


def families(groups: Sequence[Group], look: bool = False) -> list[Family]:
    """Groups with ``shown`` members as rows: a constant number of queries.

    ``look``: at the pictures themselves, about 0.1 s each. Without, nothing is suggested for copies: what is larger
    may have borders, or be only enlarged.
    """
    images = {group.pk: [member.image for member in group.shown] for group in groups}
    every = {image.pk: image for shown in images.values() for image in shown}
    facts = {one.key: one for one in candidates_of(list(every.values()), look)}
    words, stamp = _words(groups, every), stamps(group.pk for group in groups)
    found = [_family(group, images[group.pk], facts, look) for group in groups]
    for family in found:
        family.words, family.stamp = words.get(family.group.pk, ""), stamp.get(family.group.pk, "")
    return found


def _family(group: Group, images: list[Image], facts: dict[int, Candidate], look: bool) -> Family:
    whole = group.centre_id if group.grade == Grade.CONTAINS else None
    candidates = [replace(facts[image.pk], whole=image.pk == whole) for image in images]
    suggestion = suggest(candidates, group.grade)
    ordered = _in_order(images, suggestion, group)
    family = Family(group, ordered, suggestion, look or suggestion.keep_all)
    if family.best is not None and group.size == len(images) and all(one.looked for one in candidates):
        family.outcome = foresee(ordered[0], ordered[1:], candidates)
    return family


def _in_order(images: Sequence[Image], suggestion: Suggestion, group: Group) -> list[Image]:
    """Best first; of a whole and its parts, the whole first."""
    place = {key: i for i, key in enumerate(suggestion.order)}
    return sorted(images, key=lambda image: (image.pk != group.centre_id, place.get(image.pk, len(place)), image.pk))


def _words(groups: Sequence[Group], images: Iterable[int]) -> dict[int, str]:
    """{group: the evidence of its first pair}"""
    pairs = Pair.objects.active().among(list(images)).only("low", "high", "grade", "evidence")
    found: dict[int, str] = {}
    places = {(group.pk, member.image_id) for group in groups for member in group.shown}
    for pair in pairs:
        for group in groups:
            both = {(group.pk, pair.low_id), (group.pk, pair.high_id)}
            if group.pk not in found and pair.grade == group.grade and both <= places:
                centred = group.centre_id is None or group.centre_id in (pair.low_id, pair.high_id)
                if centred:
                    found[group.pk] = pair.seen_from(_asking(group, pair)).words
    return found


def _asking(group: Group, pair: Pair) -> int:
    """The picture that lies on the other: a part on its whole."""
    return pair.high_id if pair.low_id == group.centre_id else pair.low_id


# --- side by side
@dataclass
class Look:
    """One picture of the comparison."""

    image: Image
    reasons: list[Reason]
    best: bool
    outlines: list[Outline] = field(default_factory=list)
    """Of the others on this one."""

    @property
    def view_box(self) -> str:
        return "0 0 {} {}".format(*frame(self.image.width, self.image.height))


@dataclass
class Fact:
    """A row of the table."""

    label: str
    values: list[Any]
    """One for each picture: words, or a list of them."""
    listed: bool = False

    @property
    def alike(self) -> bool:
        return all(value == self.values[0] for value in self.values)


@dataclass
class Comparison:
    group: Group
    looks: list[Look]
    facts: list[Fact]
    suggestion: Suggestion
    outcome: Forecast | None
    hidden: int = 0
    """Members that are shown on demand."""
    pairs: dict[tuple[int, int], Pair] = field(default_factory=dict)
    stamp: str = ""
    """As of a Family."""

    @property
    def columns(self) -> int:
        """As far as a style sheet tells apart."""
        return min(len(self.looks), AT_ONCE + 1)

    @property
    def reasoned(self) -> bool:
        return any(look.reasons for look in self.looks)

    def sight(self, query: int, match: int) -> Sight | None:
        """Why the two belong together, seen from ``query``; None if that was never looked at."""
        pair = self.pairs.get((min(query, match), max(query, match)))
        return pair.seen_from(query) if pair else None


def compare(group: Group, every: bool = False) -> Comparison:
    """``every``: all members (at most MOST) instead of the best AT_ONCE. Looks at the pictures: about 0.1 s each."""
    members = group.candidates()
    images = members[:MOST]
    whole = group.centre_id if group.grade == Grade.CONTAINS else None
    candidates = candidates_of(images, group.grade == Grade.SAME, whole)
    suggestion = suggest(candidates, group.grade)
    ordered = _in_order(images, suggestion, group)
    shown = ordered if every else ordered[:AT_ONCE]
    pairs = {(pair.low_id, pair.high_id): pair for pair in Pair.objects.active().among([i.pk for i in shown])}
    seen = stamp(image.pk for image in members)
    comparison = Comparison(group, [], [], suggestion, None, len(ordered) - len(shown), pairs, seen)
    comparison.looks = [_look(image, shown, comparison) for image in shown]
    comparison.facts = _facts(shown, {one.key: one for one in candidates})
    if suggestion.best is not None:
        comparison.outcome = foresee(shown[0], shown[1:], candidates)
    return comparison


def foresee_in(group: Group, keep: str, drop: Sequence[str]) -> Forecast | None:
    """What merging these members (ids as text) would do; None if the choice is not complete, or not of this group."""
    images = {str(image.pk): image for image in group.candidates()}
    chosen = [images[pk] for pk in dict.fromkeys(drop) if pk in images and pk != keep]
    if keep not in images or not chosen:
        return None
    return foresee(images[keep], chosen, candidates_of(chosen, look=False))


def _look(image: Image, others: Sequence[Image], comparison: Comparison) -> Look:
    sights = [comparison.sight(other.pk, image.pk) for other in others if other.pk != image.pk]
    found = [sight.alignment for sight in sights if sight and sight.alignment]
    polygons = [seen["in_match"] for seen in found if seen["relation"] in ("part", "overlap")]
    suggestion = comparison.suggestion
    drawn = outlines(polygons, frame(image.width, image.height))
    return Look(image, suggestion.reasons.get(image.pk, []), image.pk == suggestion.best, drawn)


def _facts(images: Sequence[Image], candidates: dict[int, Candidate]) -> list[Fact]:
    full = _with_words(images)
    tags = [sorted({str(tag.tag) for tag in image.image_tags.all()}) for image in full]
    sources = [[source.title or source.address for source in image.sources.all()] for image in full]
    rows = [
        Fact("Pixels", [f"{image.width} × {image.height}" for image in images]),
        Fact("File", [filesizeformat(image.bytes) for image in images]),
        Fact("Format", [image.format for image in images]),
        Fact("Compression", [_compression(candidates[image.pk]) for image in images]),
        Fact("Borders", [_BORDERS[candidates[image.pk].borders] for image in images]),
        Fact("Taken", [date(image.taken_at, "j F Y, H:i") if image.taken_at else "unknown" for image in images]),
        Fact("Added", [date(image.added_at, "j F Y, H:i") for image in images]),
        Fact("Tags", tags, listed=True),
        Fact("Met at", sources, listed=True),
    ]
    return [row for row in rows if any(value not in ("", []) for value in row.values)]


_BORDERS = {True: "yes", False: "none", None: ""}


def _compression(one: Candidate) -> str:
    return "without loss" if one.lossless else one.compression


def _with_words(images: Sequence[Image]) -> list[Image]:
    """The same images in their order, with tags and sources."""
    tags: Any = Prefetch("image_tags", ImageTag.objects.filter(shown=True).select_related("tag"))
    found = Image.objects.prefetch_related(tags, "sources").in_bulk([image.pk for image in images])
    return [found[image.pk] for image in images if image.pk in found]
