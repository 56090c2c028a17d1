"""One term of a query, name:value, read by what its field takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from rapidfuzz.distance import OSA

from gallery.words import WordError, tag_name
from search.language import values
from search.language.cleaning import says
from search.language.colours import COLOUR_NAMES
from search.language.fields import FIELDS, Field, Kind, choice_of, field_called
from search.language.fields import ORIENTATIONS as SHAPES
from search.language.mistakes import Mistake, ValueMistake
from search.language.tree import Between, Compare, Fact, Node, Not, Tagged, Word

LARGEST_ID = 2**63 - 1
MOST_LIMIT = 100_000
_BARE = re.compile(r'(?:[^\s(),|&"<>=!]|&(?![^\s(),|"]))(?:[^\s(),|&"]|&(?!&))*')  # VALUE in grammar.lark
_OPS = {"": "==", "=": "=="}
_DATE = re.compile(r"(?:([0-9]{1,2})\.([0-9]{1,2})\.)?([0-9]{4})(?:[/.]([0-9]{1,2})[/.]([0-9]{1,2}))?")


@dataclass(frozen=True)
class Directive:
    """sort: or limit:"""

    name: str
    value: str


@dataclass(frozen=True)
class Term:
    name: str
    """Of the field, as it was written."""
    op: str
    """A comparison; "" for the colon alone."""
    value: str
    is_phrase: bool
    start: int
    end: int

    @property
    def field(self) -> Field:
        found = field_called(self.name)
        assert found
        return found

    def says(self, op: str, value: str) -> str:
        return f"{self.name}{op}{quoted(value)}"

    def wrong(self, sentence: str, instead: str | None = None) -> Mistake:
        return Mistake(sentence, self.start, self.end, instead)


def quoted(value: str) -> str:
    """As a value stands in a query."""
    return value if _BARE.fullmatch(value) else f'"{value}"'


def read_term(term: Term) -> Node | Directive:
    """Mistake says what its field takes."""
    try:
        return _READS[term.field.kind](term)
    except ValueMistake as error:
        raise term.wrong(f"{term.name} is {error}, not “{term.value[:40]}”.", _likely(term)) from error


def meant(name: str, op: str, value: str) -> str:
    """The term that is likely meant where no field has such a name: "widht" is width if the value fits; "" if none."""
    lower = name.lower()
    near = [
        each for each in FIELDS if len(lower) > 3 and OSA.distance(lower, each.name) <= (2 if len(lower) > 6 else 1)
    ]
    for each in sorted(near, key=lambda each: OSA.distance(lower, each.name)):
        term = Term(each.name, op, value, is_phrase=False, start=0, end=0)
        try:
            read_term(term)
        except Mistake:
            continue
        return term.says(op or ":", value)
    return ""


# --- by what a field takes
def _tag(term: Term) -> Node:
    if set(term.value) == {"*"}:
        return _unless(term, Fact("has", "tags"))
    try:
        name = tag_name(term.value)
    except WordError as error:
        raise term.wrong(str(error)) from error
    return _unless(term, Tagged(name))


def _words(term: Term) -> Node:
    field, text = term.field.name, term.value
    if not says(text):
        raise term.wrong(f"Write what {field}: shall look for, like {term.field.example}.")
    ends = text.rstrip("*")
    if not term.is_phrase and "*" in ends:
        sentence = "A * stands for letters at the end of a word only; in the names of tags it stands anywhere."
        raise term.wrong(sentence, term.says(":", ends[: ends.index("*")] + "*") if says(ends.split("*")[0]) else None)
    if not term.is_phrase and ends != text:
        text = ends + "*"
    return _unless(term, Word(text, field, term.is_phrase))


def _number(term: Term) -> Node:
    field = term.name.lower() if term.field.name == "score" else term.field.name
    if field == "score":
        raise term.wrong("Write which score, like score.novelty>0.5.")
    first, dots, last = term.value.partition("..")
    if not dots:
        values.number(field, first)
        return Compare(field, _OPS.get(term.op, term.op), first)
    return _range(term, field, first.strip(), last.strip(), _rising_numbers)


def _days(term: Term) -> Node:
    field = term.field.name
    first, dots, last = term.value.lower().partition("..")
    if dots:
        return _range(term, field, first.strip(), last.strip(), _rising_days)
    values.days(first)
    if values.is_span(first) and term.op in (">", "<="):
        sentence = (
            f"{first} is the time from then until today. Write {field}:{first} for it, {field}<{first} for before."
        )
        raise term.wrong(sentence, f"{field}{':' if term.op == '>' else '<'}{quoted(first)}")
    return Compare(field, _OPS.get(term.op, term.op), first)


def _range(term: Term, field: str, first: str, last: str, rising: Callable[[str, str, str], bool]) -> Node:
    """Of one with an open end, a comparison."""
    if term.op not in ("", "=", "==", "!="):
        raise term.wrong(f"A range takes no {term.op}.", term.says(":", term.value))
    if not first or not last:
        if not first and not last:
            raise term.wrong(f"Write where the range begins or ends, like {field}:1000..2000.")
        rising(field, first or last, first or last)
        return _unless(term, Compare(field, ">=", first) if first else Compare(field, "<=", last))
    if not rising(field, first, last):
        raise term.wrong(
            f"The range goes from {last} to {first}, the smaller first.", term.says(":", f"{last}..{first}")
        )
    return _unless(term, Between(field, first, last))


def _rising_numbers(field: str, first: str, last: str) -> bool:
    return values.number(field, first) <= values.number(field, last)


def _rising_days(_: str, first: str, last: str) -> bool:
    begins, ends = values.day_range(first, last)
    return begins <= ends


def _choice(term: Term) -> Node:
    field, lower = term.field, term.value.strip().lower()
    shape = choice_of(_SHAPE, lower) if field.name == "is" else None
    if shape:
        return _unless(term, Fact("orientation", shape))
    choice = choice_of(field, lower)
    if choice is None:
        raise ValueMistake(field.takes)
    return _unless(term, Fact(field.name, choice))


def _colour(term: Term) -> Node:
    values.colour_of(term.value)
    return _unless(term, Fact("colour", term.value.strip().lower()))


def _image(term: Term) -> Node:
    number = term.value.strip().removeprefix("#")
    is_number = number.isascii() and number.isdecimal() and len(number) <= len(str(LARGEST_ID))
    if not is_number or not 0 < int(number) <= LARGEST_ID:
        raise ValueMistake(f"{term.field.takes}, as it stands in its address")
    return _unless(term, Fact("similar", str(int(number))))


def _collection(term: Term) -> Node:
    """Which one, only its reader's database knows."""
    if not says(term.value):
        raise term.wrong(f"Write which collection, like {term.field.example}.")
    return _unless(term, Fact("collection", term.value))


def _order(term: Term) -> Directive:
    choice = choice_of(term.field, term.value)
    if choice is None or term.op not in ("", "=", "=="):
        raise ValueMistake(term.field.takes)
    return Directive("sort", choice)


def _count(term: Term) -> Directive:
    number = term.value.strip()
    is_number = number.isascii() and number.isdecimal() and len(number) < 9
    if not is_number or not 0 < int(number) <= MOST_LIMIT or term.op not in ("", "=", "=="):
        raise ValueMistake(term.field.takes)
    return Directive("limit", str(int(number)))


_READS: dict[Kind, Callable[[Term], Node | Directive]] = {
    "tag": _tag,
    "words": _words,
    "number": _number,
    "days": _days,
    "choice": _choice,
    "colour": _colour,
    "image": _image,
    "collection": _collection,
    "order": _order,
    "count": _count,
}
_SHAPE = next(field for field in FIELDS if field.choices is SHAPES)


def _unless(term: Term, node: Node) -> Node:
    """What the term asks if only = and != make sense of it."""
    if term.op in (">", "<", ">=", "<=") and not isinstance(node, Compare | Between):
        raise term.wrong(f"{term.name} is not more or less than something.", term.says(":", term.value))
    if term.op != "!=":
        return node
    return Not(node)


def _likely(term: Term) -> str | None:
    """The right term in place of one whose value makes no sense, as far as it can be told."""
    value = term.value
    if term.field.kind == "days" and (found := _DATE.fullmatch(value)):
        day, month, year, other_month, other_day = found.groups()
        value = "-".join(filter(None, [year, month or other_month, day or other_day]))
    elif term.field.kind == "number" and (ends := re.fullmatch(r"([\w.]+)(?:-|–|to)([\w.]+)", value)):
        value = f"{ends[1]}..{ends[2]}"
    elif term.field.choices or term.field.kind == "colour":
        near = [each for each in _spellings(term.field) if OSA.distance(value.lower(), each) <= 2]
        value = min(near, key=lambda each: OSA.distance(value.lower(), each), default=value)
    if value == term.value:
        return None
    right = replace(term, value=value)
    try:
        read_term(right)
    except Mistake:
        return None
    return right.says(term.op or ":", value)


def _spellings(field: Field) -> list[str]:
    if field.kind == "colour":
        return list(COLOUR_NAMES)
    return [spelling for name, others in field.choices.items() for spelling in (name.lower(), *others)]
