"""Which of several duplicates to keep, and why. Pure: facts in, words out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from search.engines._base import Grade

_LARGER = 1.08
"""Longest sides that differ by less count as equal."""
_STRONGER = 1.5
"""The same for bits a pixel. Saving a copy again with a higher quality adds bits and no detail, but seldom so many."""
_EFFICIENT = {"JPEG": 1.0, "WEBP": 1.4, "HEIF": 2.0, "AVIF": 2.0}
"""A bit of these formats holds so much more than one of a JPEG."""
_ENLARGED, _COLOURS, _BORDERS, _SIZE, _COMPRESSION, _LOSSLESS, _DATE = 8.0, 6.0, 5.0, 4.0, 2.0, 1.5, 1.0


@dataclass(frozen=True)
class Candidate:
    """What is known of one of the duplicates."""

    key: int
    """The id of the image."""
    width: int
    height: int
    bytes: int
    format: str
    """As Pillow names it: "JPEG"."""
    lossless: bool = False
    looked: bool = True
    """The picture itself was looked at: else it may have borders, or be only enlarged, and nobody knows."""
    borders: bool | None = None
    """Plain borders or bars around the picture; None if nobody looked."""
    grey: bool | None = None
    """It shows no colours; None if nobody looked."""
    differs: bool = False
    """It shows something else in places than another candidate: words on one of them, a piece painted over."""
    enlarged: bool = False
    """It has more pixels than another candidate, but no more detail."""
    whole: bool = False
    """The others show parts of it."""
    dated: bool = False
    """It knows when it was taken, from the camera."""
    words: int = 0
    """Tags, captions and texts that people wrote or accepted."""
    sources: int = 0

    @property
    def size(self) -> str:
        return f"{self.width} × {self.height}"

    @property
    def longest(self) -> int:
        return max(self.width, self.height)

    @property
    def bits(self) -> float:
        """Bits a pixel, as a JPEG would need them."""
        return self._bits * _EFFICIENT.get(self.format, 1.0)

    @property
    def compression(self) -> str:
        return f"{self._bits:.1f} bits a pixel"

    @property
    def _bits(self) -> float:
        return 8 * self.bytes / (self.width * self.height)


@dataclass(frozen=True)
class Reason:
    """ "+ larger: 4000 × 3000 against 1200 × 900"."""

    sign: str
    """ "+", "-" or "" (only worth knowing)."""
    words: str
    weight: float = 0.0
    """How much it speaks for (above 0) or against the candidate."""

    def __str__(self) -> str:
        return f"{self.sign} {self.words}".strip()


@dataclass(frozen=True)
class Suggestion:
    best: int | None
    """The key to keep; None if each is worth keeping (``keep_all``)."""
    keep_all: bool
    """A whole and its parts, or pictures that only look alike."""
    order: list[int] = field(default_factory=list)
    """All keys, best first."""
    reasons: dict[int, list[Reason]] = field(default_factory=dict)
    """{key: reasons for and against keeping it}"""
    clear: bool = False
    """All were looked at; something speaks for the best, nothing against it, nothing for another: a rule may follow."""
    sentence: str = ""
    """What is suggested, in words."""


def suggest(candidates: Sequence[Candidate], grade: int) -> Suggestion:
    """``grade``: of the group, a Grade value. Of equals the one that came first (the lowest key) is the best.

    A part never beats its whole, and nothing is to go only because it looks like something else: both are kept.
    """
    reasons = {one.key: _reasons(one, [other for other in candidates if other is not one]) for one in candidates}
    weights = {key: sum(reason.weight for reason in mine) for key, mine in reasons.items()}
    wholes = {one.key for one in candidates if one.whole}
    order = sorted(weights, key=lambda key: (key not in wholes, -round(weights[key], 6), key))
    if grade != Grade.SAME or len(order) < 2:
        return Suggestion(None, True, order, reasons, False, _KEEP_ALL.get(grade, "There is nothing to choose."))
    looked = all(one.looked for one in candidates)
    clear = looked and _is_clear(reasons, order[0])
    sentence = _sentence(reasons[order[0]], clear) + ("" if looked else " Not all of them were looked at.")
    return Suggestion(order[0], False, order, reasons, clear, sentence)


_KEEP_ALL: dict[int, str] = {
    Grade.CONTAINS: "One shows more, the other may show it larger: usually both are worth keeping.",
    Grade.LOOKS_LIKE: "They only look alike: usually each is worth keeping.",
}


def _reasons(one: Candidate, others: list[Candidate]) -> list[Reason]:
    found = [*_views(one, others), *_sizes(one, others), *_borders(one, others), *_compression(one, others)]
    found += _colours(one, others)
    if one.differs:
        # Which of them was altered no figure tells: a person must look, and no rule decides.
        found.append(Reason("-", "not the same everywhere: look closer", 0))
    if one.format == "GIF" and any(other.format != "GIF" for other in others):
        # Both signs: it may be a bad copy or the only one that moves, which no figure here tells.
        found += [Reason("-", "a GIF has 256 colours at most", -_LOSSLESS), Reason("+", "a GIF may be an animation")]
    if one.dated and not all(other.dated for other in others):
        found.append(Reason("+", "knows when it was taken", _DATE))
    if one.words:
        found.append(Reason("", f"{_count(one.words, 'tag or text', 'tags and texts')}, handed on when merged"))
    if one.sources > 1:
        found.append(Reason("", f"met at {one.sources} places"))
    return found


def _views(one: Candidate, others: list[Candidate]) -> list[Reason]:
    if one.whole:
        return [Reason("+", "shows the whole picture")]
    return [Reason("-", "shows a part only")] if any(other.whole for other in others) else []


def _sizes(one: Candidate, others: list[Candidate]) -> list[Reason]:
    if one.enlarged:
        return [Reason("-", f"only enlarged: {one.size} without more detail than a smaller one", -_ENLARGED)]
    real = sorted((other for other in others if not other.enlarged), key=lambda other: other.longest)
    if not real:
        return []
    best = real[-1]
    if one.longest > best.longest * _LARGER:
        return [Reason("+", f"larger: {one.size} against {best.size}", _SIZE)]
    if one.longest * _LARGER < best.longest:
        return [Reason("-", f"smaller: {one.size} against {best.size}", -_SIZE * (1 - one.longest / best.longest))]
    if one.longest > real[0].longest * _LARGER:
        return [Reason("+", f"among the largest: {one.size}", _SIZE)]
    return []


def _borders(one: Candidate, others: list[Candidate]) -> list[Reason]:
    if one.borders and any(other.borders is False for other in others):
        return [Reason("-", "borders or bars around it", -_BORDERS)]
    if one.borders is False and any(other.borders for other in others):
        return [Reason("+", "no borders around it", _BORDERS)]
    return []


def _colours(one: Candidate, others: list[Candidate]) -> list[Reason]:
    if one.grey and any(other.grey is False for other in others):
        return [Reason("-", "without colours", -_COLOURS)]
    if one.grey is False and any(other.grey for other in others):
        return [Reason("+", "in colour", _COLOURS)]
    return []


def _compression(one: Candidate, others: list[Candidate]) -> list[Reason]:
    """Only against copies of about the same size: a small one always has more bits a pixel."""
    peers = [other for other in others if max(one.longest, other.longest) < _LARGER * min(one.longest, other.longest)]
    if one.lossless and not all(other.lossless for other in peers):
        return [Reason("+", f"stored without loss ({one.format})", _LOSSLESS)]
    lossy = [other.bits for other in peers if not other.lossless]
    if one.lossless or not lossy:
        return []
    if one.bits * _STRONGER < max(lossy):
        return [Reason("-", f"stronger compression: {one.compression}", -_COMPRESSION)]
    if one.bits > min(lossy) * _STRONGER:
        return [Reason("+", f"less compression: {one.compression}", _COMPRESSION)]
    return []


def _is_clear(reasons: dict[int, list[Reason]], best: int) -> bool:
    others = [reason for key, mine in reasons.items() if key != best for reason in mine]
    for_best = {reason.sign for reason in reasons[best]}
    against_others = any(reason.sign == "-" for reason in others)
    return "-" not in for_best and ("+" in for_best or against_others) and not any(r.sign == "+" for r in others)


def _sentence(reasons: list[Reason], clear: bool) -> str:
    if any(reason.words.startswith("not the same") for reason in reasons):
        return "They are not the same everywhere: look at both before you choose."
    good = [reason.words for reason in sorted(reasons, key=lambda reason: -reason.weight) if reason.sign == "+"]
    bad = [reason.words for reason in reasons if reason.sign == "-"]
    if not good and not bad:
        return "Keep this one: the others are worse." if clear else "Keep this one: it was here first."
    if not bad:
        return f"Keep this one: {'; '.join(good)}."
    return f"Keep this one: {'; '.join(good) or 'the others are worse'}, although {'; '.join(bad)}."


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
