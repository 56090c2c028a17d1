"""Annotators that ask a network: roles (search/roles.py) whose raw answers are kept as features, and whose tags and
captions follow from these, so that a line can be drawn elsewhere without asking the network again.

A feature here is at most a few dozen bytes: pairs of the number of a name and the network's confidence in it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from gallery.models import Caption, ImageTag, Opinion, Word
from gallery.opinions import opinion_of
from gallery.tags import tags_called
from ingestion import thresholds
from search.encoders._base import Network
from search.models import Generation
from search.roles import Role

_PAIR = np.dtype([("number", "<u2"), ("confidence", "<f2")])


class Named(NamedTuple):
    """A tag that a network suggests."""

    name: str
    category: str
    confidence: float


class NetworkAnnotator(Role):
    words: ClassVar[type[Word]]
    """What it writes: ImageTag or Caption."""
    line: ClassVar[float]
    """How sure it must be to be shown, until somebody draws the line elsewhere."""
    about: ClassVar[str]
    """For people: what its confidence is."""

    def bound(self, version: int, network: Network, learned: bytes = b"") -> Self:
        role = copy(self)
        role.version, role.network, role.learned = version, network, learned
        role.bind()
        return role

    def bind(self) -> None:
        """Unpack what was learned."""

    def answers(self) -> bool:
        """Its generation is the one that answers; it stays so until the end of the transaction."""
        mine = Generation.objects.select_for_update(no_key=True).filter(pk=self.version)
        return mine.values_list("state", flat=True).first() == Generation.State.CURRENT

    def switched(self) -> None:
        thresholds.draw_again(self.name)

    def decided(self, image_ids: Sequence[int]) -> dict[tuple[int, str], str]:
        """{(image id, sentence or text): what people have decided about it}, where they have."""
        rows: Any = self.words
        before = rows.objects.filter(image__in=image_ids).exclude(state=Opinion.SUGGESTED)
        return {(pk, text): state for pk, text, state in before.values_list("image_id", "text", "state")}

    def _word(self, image_id: int, **values: Any) -> Any:
        values |= {"image_id": image_id, "origin": self.network.name, "generation": self.version}
        return self.words(**values)


class Tagger(NetworkAnnotator):
    words = ImageTag

    @abstractmethod
    def tags(self, feature: bytes) -> list[Named]:
        """All that may ever be shown, each name once."""

    def write(self, image_ids: Sequence[int], made: Sequence[bytes]) -> None:
        """Suggestions, except of what people have decided about: that they get as it was decided."""
        found = [(pk, each) for pk, data in zip(image_ids, made, strict=True) for each in self.tags(data)]
        found.sort(key=lambda one: -one[1].confidence)  # of two names of one tag the surer is kept
        categories = {each.name: each.category for _, each in found}
        ids = tags_called(categories, categories)
        decided = opinions_of(image_ids, set(ids.values()))
        answers = self.answers()  # first: who moves a line waits from here on
        lines, base = thresholds.own_lines(self.name), thresholds.line_of(self.name)
        ImageTag.objects.bulk_create(
            [
                self._word(
                    pk,
                    tag_id=(tag := ids[each.name]),
                    confidence=each.confidence,
                    state=decided.get((pk, tag), Opinion.SUGGESTED),
                    offered=answers and each.confidence >= lines.get(tag, base),
                )
                for pk, each in found
            ],
            ignore_conflicts=True,
            batch_size=5_000,
        )


class Writer(NetworkAnnotator):
    words = Caption

    @abstractmethod
    def sentence(self, feature: bytes) -> tuple[str, float]:
        """(caption, confidence); "" if there is none."""

    def write(self, image_ids: Sequence[int], made: Sequence[bytes]) -> None:
        """Suggestions; a sentence that people have decided about, of whatever network, they get as it was decided."""
        said = {pk: self.sentence(data) for pk, data in zip(image_ids, made, strict=True)}
        decided = self.decided(image_ids)
        answers = self.answers()  # first: who moves a line waits from here on
        line = thresholds.line_of(self.name)
        Caption.objects.bulk_create(
            [
                self._word(
                    pk,
                    text=text,
                    confidence=confidence,
                    state=decided.get((pk, text), Opinion.SUGGESTED),
                    offered=answers and confidence >= line,
                )
                for pk, (text, confidence) in said.items()
                if text
            ],
            ignore_conflicts=True,
        )


def opinions_of(image_ids: Sequence[int], tags: set[int]) -> dict[tuple[int, int], str]:
    """{(image id, tag id): what people have decided}, where they have."""
    decided: dict[tuple[int, int], list[Word]] = {}
    rows = ImageTag.objects.filter(image__in=image_ids, tag__in=tags).exclude(state=Opinion.SUGGESTED)
    for row in rows.only("image_id", "tag_id", "state"):
        decided.setdefault((row.image_id, row.tag_id), []).append(row)
    return {which: opinion_of(words) for which, words in decided.items()}


def packed(confidences: np.ndarray, floor: float, at_least: int = 0) -> bytes:
    """(n,) confidences as a feature: those of ``floor`` and more, but not fewer than ``at_least``; surest first."""
    order = np.argsort(-confidences, kind="stable")
    count = max(min(at_least, len(order)), int((confidences >= floor).sum()))
    pairs = np.empty(count, _PAIR)
    pairs["number"], pairs["confidence"] = order[:count], confidences[order[:count]]
    return pairs.tobytes()


def unpacked(feature: bytes) -> list[tuple[int, float]]:
    """[(number, confidence), ...], surest first."""
    pairs = np.frombuffer(feature, _PAIR)
    return [(int(number), round(float(confidence), 4)) for number, confidence in pairs]
