"""All names of tags in memory, to complete what somebody begins to write: by prefix of the name or of any word in it,
and with one or two typos. No Django in it.

Typos: the optimal string alignment distance (Damerau 1964; insert, delete, change, swap neighbours) of what is written
to the beginnings of names that are as long as it, or one letter longer or shorter: whoever types has not reached the
end of the name yet.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

_LAST = "\U0010ffff"
_LETTERS = 12
"""Typos are looked for in so many first letters: these say which tag is meant, and all their beginnings are ready."""


@dataclass(frozen=True)
class Known:
    """A tag. ``said``: the other name by which it was found, or ""."""

    pk: int
    name: str
    category: str
    count: int
    said: str = ""


def typos(length: int) -> int:
    """How many are forgiven in so many letters."""
    return 0 if length < 3 else 1 if length < 6 else 2


class Vocabulary:
    def __init__(self, tags: Sequence[Known], others: Iterable[tuple[str, int]] = ()) -> None:
        """``others``: [(other name, id of the tag), ...]"""
        self.tags = tags
        self._place = {tag.pk: place for place, tag in enumerate(tags)}
        names = [(tag.name, place, "") for place, tag in enumerate(tags)]
        names += [(name, self._place[pk], name) for name, pk in others if pk in self._place]
        found = sorted(
            (name[start:], place, start == 0, said) for name, place, said in names for start in _starts(name)
        )
        self._keys = [key for key, *_ in found]
        self._tag_of = np.array([place for _, place, *_ in found], np.int64)
        self._said = [said for *_, said in found]
        counts = np.array([tag.count for tag in tags], np.float64)
        whole = np.array([is_whole for _, _, is_whole, _ in found], bool)
        own = np.array([not said for said in self._said], bool)
        # Of equally used tags, those come first that are called so from their beginning, and by their own name.
        self._weight = (counts[self._tag_of] + 0.5) * np.where(whole, 1.0, 0.5) * np.where(own, 1.0, 0.999)
        self._whole = whole
        self._used = counts[self._tag_of] > 0
        self._beginnings: dict[int, tuple[list[str], np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.tags)

    def warm(self) -> Vocabulary:
        for length in range(2, _LETTERS + 2):
            self._beginnings_of(length)
        return self

    def counts(self, tags: Iterable[int]) -> dict[int, int]:
        """{tag: pictures}, of those that are known."""
        return {pk: self.tags[self._place[pk]].count for pk in tags if pk in self._place}

    def named(self, tags: Iterable[int]) -> dict[int, str]:
        return {pk: self.tags[self._place[pk]].name for pk in tags if pk in self._place}

    def begun(self, written: str, limit: int, used: bool = False) -> list[Known]:
        """Tags whose name, another name, or a word of these begins so; what is exactly so first, then the most used.

        ``used``: only those that pictures of the gallery have.
        """
        if not written:
            return []
        first, end = bisect_left(self._keys, written), bisect_left(self._keys, written + _LAST)
        return self._best(np.arange(first, end), written, limit, used)

    def nearly(self, written: str, limit: int, used: bool = False) -> list[Known]:
        """The same with typos, those with fewer first."""
        written = written[:_LETTERS]
        most = typos(len(written))
        if not most:
            return []
        near: dict[str, int] = {}
        for length in range(len(written) - 1, len(written) + 2):
            beginnings, letters = self._beginnings_of(length)
            # A typo takes one letter away and brings one, at most: few have so many letters in common.
            possible = np.flatnonzero(np.bitwise_count(letters ^ _letters(written)) <= 2 * most)
            if not len(possible):
                continue
            those = [beginnings[place] for place in possible]
            # np.uint8: with a cut-off nothing is larger than the cut-off and one.
            distances = cdist([written], those, scorer=OSA.distance, score_cutoff=most, dtype=np.uint8)[0]
            for place in np.flatnonzero(distances <= most):
                key, distance = those[place], int(distances[place])
                near[key] = min(distance, near.get(key, distance))
        found: list[Known] = []
        for distance in range(most + 1):
            places = [np.arange(*self._range(key)) for key, each in near.items() if each == distance]
            if places:
                fresh = self._best(np.unique(np.concatenate(places)), written, limit, used)
                known = {tag.pk for tag in found}
                found += [tag for tag in fresh if tag.pk not in known]
            if len(found) >= limit:
                break
        return found[:limit]

    def _range(self, beginning: str) -> tuple[int, int]:
        return bisect_left(self._keys, beginning), bisect_left(self._keys, beginning + _LAST)

    def _beginnings_of(self, length: int) -> tuple[list[str], np.ndarray]:
        """(beginnings of all names, the letters in each)"""
        if length not in self._beginnings:
            found = sorted({key[:length] for key in self._keys})
            self._beginnings[length] = found, np.fromiter(map(_letters, found), np.uint64, len(found))
        return self._beginnings[length]

    def _best(self, places: np.ndarray, written: str, limit: int, used: bool) -> list[Known]:
        places = places[self._used[places]] if used else places
        weight = self._weight[places]
        several = 4 * limit  # a tag may be there under more than one name
        if len(places) > several:
            chosen = np.argpartition(-weight, several)[:several]
            places, weight = places[chosen], weight[chosen]
        places = places[np.argsort(-weight, kind="stable")]
        exact = [place for place in self._exact(written) if self._used[place] or not used]
        found: dict[int, Known] = {}
        for place in [*exact, *places.tolist()]:
            tag = self.tags[self._tag_of[place]]
            if tag.pk not in found:
                said = self._said[place]
                found[tag.pk] = Known(tag.pk, tag.name, tag.category, tag.count, said) if said else tag
        return list(found.values())[:limit]

    def _exact(self, written: str) -> Iterable[int]:
        place = bisect_left(self._keys, written)
        while place < len(self._keys) and self._keys[place] == written:
            if self._whole[place]:
                yield place
            place += 1


def _letters(text: str) -> np.uint64:
    """A bit for each letter that is there; some share one."""
    bits = 0
    for letter in set(text):
        bits |= 1 << (ord(letter) & 63)
    return np.uint64(bits)


def _starts(name: str) -> Iterable[int]:
    """Where the words of a name begin."""
    yield 0
    for place in range(1, len(name)):
        if name[place].isalnum() and not name[place - 1].isalnum() and name[place - 1] != "'":
            yield place
