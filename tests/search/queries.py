"""Queries and trees that hypothesis draws, for the tests of the language and of what is made of it."""

from __future__ import annotations

from hypothesis import strategies as st

from search.language.reader import joined
from search.language.tree import And, Between, Compare, Fact, Node, Not, Or, Parsed, Tagged, Word

LETTERS = "abcxyzäжש猫🌲"
SCRAPS = [
    *[
        "(",
        ")",
        "((",
        "))",
        "&&",
        "||",
        "|",
        ",",
        "!",
        "-",
        "--",
        "~",
        '"',
        "“",
        "*",
        "?",
        "&",
        ":",
        "..",
        "=",
        ">",
        "<",
    ],
    *[
        ">=",
        "!=",
        " AND ",
        " OR ",
        " NOT ",
        "OR",
        "score",
        "a",
        "b1",
        "forest",
        "width",
        "width>",
        "width:",
        "1000",
        "1000..2000",
        "tag:",
    ],
    *[
        "caption:",
        "ocr:",
        "date:",
        "2024-05",
        "7d",
        "score.novelty",
        "sort:newest",
        "limit:5",
        "similar:",
        "is:wide",
        "collection:",
    ],
    *[
        "widht:",
        "format:png",
        "colour:",
        "red",
        "artist:",
        "https://",
        "\0",
        "\ud800",
        "\u200f",
        "\u0301",
        "İ",
        "≥",
        "🌲",
    ],
]
"""What queries are made of, and what else turns up in them."""


def texts() -> st.SearchStrategy[str]:
    """Anything, above all what is nearly a query."""
    scraps = st.lists(st.sampled_from([*SCRAPS, " ", " ", " "]), max_size=20).map("".join)
    return scraps | st.text(max_size=60)


# --- trees as parse() makes them
_WORDS = st.text(LETTERS, min_size=1, max_size=6)
_PHRASES = st.lists(_WORDS, min_size=1, max_size=3).map(" ".join)
_FIELDS = st.sampled_from(["caption", "ocr", "title", "source", "author", "license"])
_OPS = st.sampled_from(["==", "!=", ">=", "<=", ">", "<"])
BARE = _WORDS.map(Word) | _WORDS.map(lambda text: Word(text + "*")) | _PHRASES.map(lambda text: Word(text, phrase=True))


def _compares() -> st.SearchStrategy[Node]:
    numbers = st.integers(0, 5000).map(str)
    sides = st.builds(Compare, st.sampled_from(["width", "height", "pixels", "bytes", "score.novelty"]), _OPS, numbers)
    ratios = st.builds(Compare, st.just("ratio"), _OPS, st.sampled_from(["16:9", "4/3", "1.5"]))
    days = st.builds(Compare, st.sampled_from(["date", "added"]), _OPS, st.sampled_from(["2024", "2024-05", "today"]))
    ends = st.tuples(st.integers(0, 5000), st.integers(0, 5000)).map(sorted)
    return sides | ratios | days | ends.map(lambda ends: Between("width", *map(str, ends)))


def _facts() -> st.SearchStrategy[Node]:
    known = [
        *[("format", "PNG"), ("colour", "teal"), ("colour", "#3366cc"), ("orientation", "wide"), ("has", "tags")],
        *[("has", "place"), ("is", "duplicate"), ("similar", "12"), ("collection", "police cars")],
    ]
    return st.sampled_from(known).map(lambda each: Fact(*each))


def filters() -> st.SearchStrategy[Node]:
    """Terms that are no plain speech."""
    tags = (_PHRASES | st.sampled_from(["artist:shishkin", "f*st", "a&&b", ">x", "!x", "-x", "a,b"])).map(Tagged)
    said = st.builds(Word, _WORDS, _FIELDS) | st.builds(Word, _PHRASES, _FIELDS, st.just(True))
    return tags | said | _compares() | _facts()


def _negated(node: Node) -> Node:
    return node.part if isinstance(node, Not) else Not(node)


def trees() -> st.SearchStrategy[Node]:
    """Any, without levels that change nothing."""

    def deeper(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(children, min_size=2, max_size=4)
        every, either = several.map(lambda nodes: joined(And, nodes)), several.map(lambda nodes: joined(Or, nodes))
        return every | either | children.map(_negated)

    return st.recursive(BARE | filters(), deeper, max_leaves=12)


def parsed() -> st.SearchStrategy[Parsed]:
    """Whole queries: to the letter, or in plain speech with filters beside it."""
    sorts = st.sampled_from(["", "newest", "taken", "largest"])
    limits = st.none() | st.integers(1, 1000)
    letter = st.builds(lambda tree, sort, limit: Parsed(tree, "", (), tree, sort, limit), trees(), sorts, limits)
    beside = st.lists(filters() | (filters() | BARE | trees()).map(_negated).filter(_is_plain), max_size=3)
    without = st.lists(_PHRASES, max_size=2).map(tuple)
    return letter | st.builds(_speech, st.lists(BARE, max_size=4), beside, without, sorts, limits)


def _is_plain(node: Node) -> bool:
    return not isinstance(node, And | Or) and not (isinstance(node, Word) and not node.field)


def _speech(bare: list[Word], beside: list[Node], without: tuple[str, ...], sort: str, limit: int | None) -> Parsed:
    tree, rest = joined(And, [*bare, *beside]), joined(And, beside)
    return Parsed(tree, " ".join(word.text for word in bare), without, rest, sort, limit)
