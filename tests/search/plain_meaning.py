"""What a query means, said once more in plain Python over plain objects: the compiler must agree with it.

A bare word is a tag or stands in a text. Beside a confidence (the nearest "and" around it that has one) a tag counts
only if somebody was so sure, and a bare word that is a tag means the tag. A word of every text ("the") is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from fnmatch import fnmatchcase

from search.language.tree import And, Between, Compare, Fact, Node, Not, Or, Tagged, Word
from search.language.values import around, colour_codes, day_range, days, is_span, number

STOPS = {"the", "and", "of"}
SURE = "confidence"
Part = Compare | Between


@dataclass
class PlainTag:
    name: str
    of_person: bool = True
    confidence: float | None = None
    state: str = "accepted"
    offered: bool = True

    @property
    def shown(self) -> bool:
        return self.state == "accepted" or (self.state == "suggested" and self.offered)


@dataclass
class PlainSource:
    kind: str
    address: str
    title: str = ""
    author: str = ""
    licence: str = ""


@dataclass
class PlainImage:
    name: str
    width: int
    height: int
    bytes: int
    format: str
    added: datetime
    taken: datetime | None = None
    tags: list[PlainTag] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    sources: list[PlainSource] = field(default_factory=list)
    ocr: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    palette: list[tuple[str, float]] = field(default_factory=list)
    exif: dict = field(default_factory=dict)
    in_group: bool = False


@dataclass
class World:
    tags: set[str]
    aliases: dict[str, str]
    implications: set[tuple[str, str]]
    staff: bool = False

    def holds(self, node: Node | None, image: PlainImage) -> bool:
        found = None if node is None else self._of(node, image, ())
        return True if found is None else found

    # --- and, or, not
    def _of(self, node: Node, image: PlainImage, sure: tuple[Part, ...]) -> bool | None:
        if isinstance(node, And):
            mine = tuple(part for part in node.parts if isinstance(part, Part) and part.field == SURE)
            rest = [part for part in node.parts if part not in mine]
            found = [self._of(part, image, mine or sure) for part in rest]
            if mine and not any(self._asks_tag(part) for part in rest):
                found.append(any(so_sure(tag, mine) for tag in image.tags if tag.shown))
            return _all(found)
        if isinstance(node, Or):
            return _any([self._of(part, image, sure) for part in node.parts])
        if isinstance(node, Not):
            inner = self._of(node.part, image, sure)
            return None if inner is None else not inner
        return self._leaf(node, image, sure)

    def _asks_tag(self, node: Node) -> bool:
        if isinstance(node, And | Or):
            return any(self._asks_tag(part) for part in node.parts)
        return isinstance(node, Tagged) or (isinstance(node, Word) and not node.field and bool(self._meant(node.text)))

    def _leaf(self, node: Node, image: PlainImage, sure: tuple[Part, ...]) -> bool | None:
        if isinstance(node, Tagged):
            return self._tagged(node.name, image, sure)
        if isinstance(node, Word):
            return self._word(node, image, sure)
        if isinstance(node, Fact):
            return _fact(node, image)
        assert isinstance(node, Part)
        if node.field == SURE:
            return any(so_sure(tag, (node,)) for tag in image.tags if tag.shown)
        if node.field in ("date", "added"):
            return _of_days(node, image.taken if node.field == "date" else image.added)
        value = _value(node.field, image)
        return value is not None and compares(node, value)

    # --- tags
    def _implied(self, name: str) -> set[str]:
        found, fresh = set(), {name}
        while fresh:
            fresh = {implied for tag, implied in self.implications if tag in fresh} - found
            found |= fresh
        return found - {name}

    def _tags_of(self, image: PlainImage) -> set[str]:
        own = {tag.name for tag in image.tags if tag.shown}
        rejected = {tag.name for tag in image.tags if tag.state == "rejected"}
        return own | {implied for name in own for implied in self._implied(name)} - (rejected - own)

    def _meant(self, name: str) -> set[str]:
        forms = {name.lower(), name.lower().replace("_", " "), name.lower().replace(" ", "_")}
        called = {**{tag: tag for tag in self.tags}, **self.aliases}
        found = {tag for other, tag in called.items() for form in forms if fnmatchcase(other, form.replace("[", "[[]"))}
        return found | {tag for tag in self.tags if tag in forms}

    def _tagged(self, name: str, image: PlainImage, sure: tuple[Part, ...]) -> bool:
        meant = self._meant(name)
        if not self._tags_of(image) & meant:
            return False
        says = {tag for tag in self.tags if tag in meant or self._implied(tag) & meant}
        return not sure or any(tag.shown and tag.name in says and so_sure(tag, sure) for tag in image.tags)

    # --- words
    def _word(self, word: Word, image: PlainImage, sure: tuple[Part, ...]) -> bool | None:
        if word.field in ("author", "license"):
            texts = [source.author if word.field == "author" else source.licence for source in image.sources]
            return any(word.text.rstrip("*").lower() in text.lower() for text in texts if text)
        is_tag = not word.field and bool(self._meant(word.text))
        if is_tag and (sure or self._tagged(word.text, image, sure)):
            return self._tagged(word.text, image, sure)
        asked = words_of(word.text.rstrip("*"))
        if asked and not set(asked) - STOPS and not (word.text.endswith("*") and not word.phrase) and not is_tag:
            return None
        found = any(_stands(word, asked, words_of(" ".join(texts))) for texts in self._texts(word.field, image))
        return found or (word.field == "source" and self._source(word.text, image))

    def _texts(self, name: str, image: PlainImage) -> list[list[str]]:
        """Of each kind, in the order in which they lie side by side."""
        kinds = {
            "title": [image.name.rpartition(".")[0], *(source.title for source in image.sources)],
            "caption": sorted(set(image.captions)),
            "source": [
                text
                for each in image.sources
                for text in (each.author, each.licence, each.address if each.kind not in ("upload", "folder") else "")
            ],
            "ocr": image.ocr,
        }
        return [kinds[name]] if name else list(kinds.values())

    def _source(self, text: str, image: PlainImage) -> bool:
        seen = [source for source in image.sources if self.staff or source.kind != "folder" or source.title]
        if any(source.kind == text.lower() for source in seen):
            return True
        folders = [source.address.lower() for source in seen if source.kind == "folder"]
        return self.staff and any(text.rstrip("*").lower() in address for address in folders)


def _all(found: list[bool | None]) -> bool | None:
    known = [each for each in found if each is not None]
    return all(known) if known else None


def _any(found: list[bool | None]) -> bool | None:
    known = [each for each in found if each is not None]
    return any(known) if known else None


def so_sure(tag: PlainTag, parts: tuple[Part, ...]) -> bool:
    value = 1.0 if tag.of_person else tag.confidence
    return value is not None and all(compares(part, value) for part in parts)


def compares(part: Part, value: float) -> bool:
    if isinstance(part, Between):
        return around(part.field, part.first)[0] <= value <= around(part.field, part.last)[1]
    low, high = around(part.field, part.value)
    if part.op in ("==", "!="):
        return (low <= value <= high) == (part.op == "==")
    other = number(part.field, part.value)
    return {">": value > other, "<": value < other, ">=": value >= other, "<=": value <= other}[part.op]


def _value(name: str, image: PlainImage) -> float | None:
    if name.startswith("score."):
        return image.scores.get(name[6:])
    if name == "ratio":
        return image.width / image.height
    return image.width * image.height if name == "pixels" else getattr(image, name)


def _of_days(part: Part, moment: datetime | None) -> bool:
    if moment is None:
        return False
    day: date = moment.date()
    if isinstance(part, Between):
        first, last = day_range(part.first, part.last)
        return first <= day <= last
    first, last = days(part.value)
    if is_span(part.value):
        return day >= first if part.op in (">", ">=", "==") else day < first
    found = {">": day > last, ">=": day >= first, "<": day < first, "<=": day <= last, "==": first <= day <= last}
    return not found["=="] if part.op == "!=" else found[part.op]


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _stands(word: Word, asked: list[str], text: list[str]) -> bool:
    """Side by side; a word of every text in between stands for any."""
    if word.text.endswith("*") and not word.phrase:
        return any(each.startswith(asked[0]) for each in text if each not in STOPS) if len(asked) == 1 else False
    while asked and asked[0] in STOPS:
        asked = asked[1:]
    while asked and asked[-1] in STOPS:
        asked = asked[:-1]
    places = range(len(text) - len(asked) + 1)
    return bool(asked) and any(
        all(mine in STOPS or mine == text[place + n] for n, mine in enumerate(asked)) for place in places
    )


def _fact(part: Fact, image: PlainImage) -> bool:
    shape = (image.width > image.height) - (image.width < image.height)
    shapes = {"wide": shape > 0, "tall": shape < 0, "square": shape == 0}
    shown = [tag for tag in image.tags if tag.shown]
    if part.field == "format":
        return image.format == {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG"}[part.value.lower()]
    if part.field == "orientation":
        return shapes[part.value]
    if part.field == "colour":
        codes = {int(colour[0] + colour[2] + colour[4], 16) for colour, share in image.palette if share >= 0.03}
        return bool(codes & set(colour_codes(part.value)))
    if part.field == "is":
        return {
            **shapes,
            "tagged": bool(shown),
            "untagged": not shown,
            "captioned": bool(image.captions),
            "duplicate": image.in_group,
            "suggested": any(tag.state == "suggested" for tag in shown),
        }[part.value]
    return {
        "tags": bool(shown),
        "caption": bool(image.captions),
        "text": any(image.ocr),
        "author": any(source.author for source in image.sources),
        "license": any(source.licence for source in image.sources),
        "date": image.taken is not None,
        "exif": bool(set(image.exif) - {"GPS"}),
        "palette": bool(image.palette),
    }[part.value]
