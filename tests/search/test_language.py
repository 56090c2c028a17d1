"""A query is read as it was meant: words, operators, brackets."""

from __future__ import annotations

import pytest

from search.language import LanguageError, Parsed, parse, printed
from search.language.tree import And, Compare, Fact, Node, Not, Or, Tagged, Word


def words(*texts: str) -> tuple[Word, ...]:
    return tuple(Word(text) for text in texts)


WINTER, FOREST, FIELD = words("winter", "forest", "field")


def test_it_works():
    parsed = parse('"red car" parked -rain width>1000 ~night sort:newest limit:20')
    rest = And((Not(Word("rain")), Compare("width", ">", "1000")))
    assert parsed.prose == "red car parked"
    assert parsed.without == ("night",)
    assert parsed.rest == rest
    assert parsed.tree == And((Word("red car", phrase=True), Word("parked"), *rest.parts))
    assert (parsed.sort, parsed.limit, parsed.notes) == ("newest", 20, ())
    assert printed(parsed) == '"red car" parked !rain width>1000 ~"night" sort:newest limit:20'


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("winter&&(forest||field)", And((WINTER, Or((FOREST, FIELD))))),
        ("autumn, -forest", And((Word("autumn"), Not(FOREST)))),
        ("winter&&!(forest||tree)", And((WINTER, Not(Or((FOREST, Word("tree"))))))),
        (
            "sea&&width==1920&&height==1080",
            And((Word("sea"), Compare("width", "==", "1920"), Compare("height", "==", "1080"))),
        ),
        (
            "mountains,width>2000,height>2000",
            And((Word("mountains"), Compare("width", ">", "2000"), Compare("height", ">", "2000"))),
        ),
    ],
)
def test_what_worked_elsewhere_is_answered_to_the_letter(text, tree):
    parsed = parse(text)
    assert parsed == Parsed(tree=tree, rest=tree)


@pytest.mark.parametrize(
    "text", ["a b || c d", "a && b || c,d", "(a b) || (c && d)", "a AND b OR c AND d", "a b | c d"]
)
def test_and_binds_closer_than_or(text):
    assert parse(text).tree == Or((And(words("a", "b")), And(words("c", "d"))))


def test_not_binds_closest():
    a, b = words("a", "b")
    assert parse("!a && b").tree == And((Not(a), b))
    assert parse("! (a && b)").tree == Not(And((a, b)))
    assert parse("a NOT b").tree == parse("a -b").tree == parse("a −b").tree == And((a, Not(b)))
    assert parse("!!a").tree == a


def test_levels_that_change_nothing_are_not_kept():
    assert parse("((a)) && (b && (c))").tree == And(words("a", "b", "c"))
    assert parse("(a || b) || c").tree == Or(words("a", "b", "c"))


@pytest.mark.parametrize(
    ("text", "prose", "rest"),
    [
        ("a red car", "a red car", None),
        ("red, green, blue", "red green blue", None),
        ("  hello! how are you?  ", "hello! how are you?", None),
        ("well-known AT&T c++ rock'n'roll", "well-known AT&T c++ rock'n'roll", None),
        ("boat similar:5", "boat", Fact("similar", "5")),
        ("boat !(a || b)", "boat", Not(Or(words("a", "b")))),
        ("boat caption:harbour", "boat", Word("harbour", "caption")),
        ("boat, sort:newest", "boat", None),
        ("красный автомобиль", "красный автомобиль", None),
        ("猫 犬", "猫 犬", None),
        ("cats and dogs or birds", "cats and dogs or birds", None),
    ],
)
def test_plain_speech_is_described_by_its_words(text, prose, rest):
    assert (parse(text).prose, parse(text).rest) == (prose, rest)


@pytest.mark.parametrize("text", ["a && b", "a || b", "(a b)", "(a)", "a (b)", "a, tag:b", "a, -b", "tag:a", "!a"])
def test_a_query_of_operators_is_no_plain_speech(text):
    parsed = parse(text)
    assert parsed.prose == ""
    assert parsed.rest == parsed.tree is not None


def test_capitals_are_operators_only_where_they_join():
    a, b = words("a", "b")
    assert parse("a OR b").tree == Or((a, b))
    assert parse("a AND NOT b").tree == And((a, Not(b)))
    assert parse("猫 OR 犬").tree == Or(words("猫", "犬"))
    assert parse("CATS OR DOGS").prose == "CATS or DOGS"
    assert parse("Portland OR").prose == "Portland or"
    assert parse('"a OR b"').prose == "a OR b"
    assert parse("NOT a").tree == Not(a)


def test_a_tag_may_have_a_colon():
    assert parse("artist:shishkin").tree == Tagged("artist:shishkin")
    assert parse('artist:"Ivan Shishkin"').tree == Tagged("artist:ivan shishkin")
    assert parse("tag:artist:shishkin").tree == Tagged("artist:shishkin")
    assert parse("note: a thing").prose == "note: a thing"


def test_tags_are_named_as_they_are_kept():
    assert parse("tag:Cafe\u0301").tree == Tagged("café")
    assert parse('tag:"Red   Car"').tree == Tagged("red car")
    assert parse("tag:red_car").tree == Tagged("red_car")
    assert parse("tag:for*").tree == Tagged("for*")


def test_stars_stand_for_letters():
    assert parse("for*").tree == Word("for*")
    assert parse("caption:for**").tree == Word("for*", "caption")
    read = parse("f*st")
    assert read.tree == Tagged("f*st")
    assert "names of tags" in read.notes[0]


def test_quotes_and_signs_of_other_keyboards():
    assert parse("“red car”").tree == parse("«red car»").tree == parse('"red car"').tree
    assert parse("（a，b） || c").tree == parse("(a,b) || c").tree
    assert parse("width≥1000").tree == parse("width>=1000").tree


def test_an_address_is_a_source():
    assert parse("https://example.org/a?b=c&d=e").tree == Word("https://example.org/a?b=c&d=e", "source")


@pytest.mark.parametrize("text", ["winter &forest", "&winter forest", "winter & forest"])
def test_a_single_and_sign_is_read_as_a_space_and_said(text):
    parsed = parse(text)
    assert (parsed.prose, len(parsed.notes)) == ("winter forest", 1)
    assert parse('R&B "a &b"').tree == And((Word("R&B"), Word("a &b", phrase=True)))
    assert parse("winter &tag:a").rest == Tagged("a")


def test_punctuation_alone_is_left_out_and_said():
    read = parse("salt & pepper - shaker")
    assert read.prose == "salt pepper shaker"
    assert len(read.notes) == 2
    assert parse("???") == Parsed(notes=("“???” alone says nothing and was left out.",))
    assert parse("") == parse("  ") == parse("\0") == Parsed()


def test_a_long_query_is_cut_and_says_so():
    read = parse("a" * 10_000)
    assert read.prose == "a" * 1_000
    assert read.notes == ("Only the first 1,000 characters were read.",)


def test_the_last_order_counts():
    read = parse("sort:new a sort:old")
    assert read.sort == "oldest"
    assert read.notes == ("The last sort: counts.",)


def test_brackets_are_bounded():
    assert parse("(" * 50 + "a" + ")" * 50).tree == Word("a")
    with pytest.raises(LanguageError, match="At most 50 brackets"):
        parse("(" * 51 + "a" + ")" * 51)


def depth(node: Node) -> int:
    match node:
        case And(parts) | Or(parts):
            return 1 + max(map(depth, parts))
        case Not(part):
            return 1 + depth(part)
    return 1


def test_signs_of_not_make_no_deep_tree():
    assert depth(parse("!" * 999 + "a").tree) == 2
