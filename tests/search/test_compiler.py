"""A query becomes one condition of the database."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gallery.models import Image, ImageTag, Tag, TagAlias, TagImplication, User
from search import ocr_words
from search.compiler import compile_query, compiled
from search.compiling.facts import require_few_similar
from search.errors import QueryError
from search.language import parse
from search.language.tree import And, Between, Compare, Fact, Node, Not, Or, Tagged, Word
from tests.gallery.made import rows
from tests.search.words import picture, tag

pytestmark = pytest.mark.django_db
ANYBODY = AnonymousUser()
STAFF = User(is_staff=True)


def found(query: str | Node, user=ANYBODY) -> set[Image]:
    node = parse(query).tree if isinstance(query, str) else query
    return set(Image.objects.visible_to(user).filter(compiled(node, user)))


def test_it_works():
    sea, both, tree = picture("sea"), picture("sea", "forest", width=3000), picture("forest")
    assert found("sea && forest") == {both}
    assert found("sea || forest") == {sea, both, tree}
    assert found("sea, -forest") == {sea}
    assert found("sea && (forest || field)") == {both}
    assert found("sea && !(forest || field)") == {sea}
    assert found("sea, width>2000") == {both}


def test_shows_nothing_that_the_user_may_not_see():
    picture("sea", trashed_at="2026-01-01T00:00Z")
    assert found("sea") == found("!sea") == set()


def test_handles_names_that_no_tag_has():
    image = picture("sea")
    assert found(Tagged("unicorn")) == set()
    assert found(Not(Tagged("unicorn"))) == {image}
    assert found(Or((Tagged("unicorn"), Tagged("sea")))) == {image}


def test_handles_other_names_and_what_tags_imply():
    TagAlias.objects.create(name="ocean", tag=tag("sea"))
    TagImplication.objects.create(tag=tag("husky"), implied=tag("dog"))
    sea, dog = picture("sea"), picture("husky")
    assert found(Tagged("OCEAN")) == {sea}
    assert found(Tagged("dog")) == found(Word("dog")) == {dog}


def test_handles_wildcards_and_what_like_would_take_for_one():
    forest, percent, under = picture("forest"), picture("100%"), picture("a_b")
    assert found(Tagged("f?re*")) == {forest}
    assert found(Tagged("100%")) == found(Tagged("1?0%*")) == {percent}
    assert found(Tagged("a_*")) == {under}
    assert found(Tagged("%")) == found(Tagged("_*")) == set()
    assert found(Tagged("*")) == {forest, percent, under}


def test_names_the_wildcard_that_stands_for_too_many():
    Tag.objects.bulk_create(Tag(name=f"x{n}", count=-n) for n in range(1_001))
    common, rare = ImageTag(image=picture(), tag=tag("x0")), ImageTag(image=picture(), tag=tag("x1000"))
    common.save(), rare.save()
    answer = compile_query(Tagged("x*"), ANYBODY)
    assert set(Image.objects.filter(answer.condition)) == {common.image}
    assert "1,000" in answer.notes[0]


@pytest.mark.parametrize(
    ("field", "kind"), [("title", "name"), ("caption", "caption"), ("source", "source"), ("ocr", "text")]
)
def test_handles_words_by_where_they_stand(field, kind):
    values = {
        "name": {"name": "old_harbour-boat.jpg"},
        "caption": {"caption": "an old harbour boat"},
        "source": {"source": {"kind": "reddit", "address": "1", "author": "Old Harbour Boat"}},
        "text": {"text": "OLD HARBOUR BOAT"},
    }
    images = {name: picture(**fields) for name, fields in values.items()}
    assert (
        found(Word("harbour")) == found(Word("harb*")) == found(Word("old harbour", phrase=True)) == {*images.values()}
    )
    assert found(Word("old boat", phrase=True)) == set()
    if field != "ocr":  # see test_ocr_words
        assert found(Word("harbour", field)) == found(Word("harb*", field)) == {images[kind]}
        assert found(Word("harbour boat", field, phrase=True)) == {images[kind]}


def test_handles_the_forms_of_a_word():
    image = picture(caption="three mountains in the mist")
    assert found(Word("mountain")) == found(Word("mountains")) == found(Word("mountains*")) == {image}


def test_a_phrase_does_not_run_from_one_kind_of_text_into_another():
    picture(name="red.jpg", caption="car in a street")
    assert found(Word("red car", phrase=True)) == set()


def test_leaves_a_word_of_every_text_out_and_says_so():
    image = picture("sea")
    answer = compile_query(And((Word("the"), Tagged("sea"))), ANYBODY)
    assert set(Image.objects.filter(answer.condition)) == {image}
    assert "“the”" in answer.notes[0]
    assert found(Not(Word("the"))) == found(Or((Word("the"), Word("of")))) == {image}
    named = picture("the")
    assert found(Word("the")) == {named}  # somebody has a tag of that name


def test_handles_authors_and_licences():
    image = picture(source={"kind": "reddit", "address": "1", "author": "Iwan Schischkin", "licence": "CC0 1.0"})
    assert found(Word("schisch", "author")) == found(Word("cc0", "license")) == {image}
    assert found(Word("%", "author")) == set()


def test_keeps_folders_of_the_server_from_whoever_may_not_see_them():
    image = picture(source={"kind": "folder", "address": "/home/secret/holiday"})
    for asked in (Word("secret", "source"), Word("/home/s", "source"), Word("folder", "source"), Word("secret")):
        assert found(asked) == set()
    assert found(Fact("has", "source")) == set()
    assert found(Word("secret", "source"), STAFF) == found(Word("folder", "source"), STAFF) == {image}


def test_keeps_places_from_everybody_where_they_are_not_shown(settings):
    placed = picture(exif={"GPS": {"latitude": 1.0, "longitude": 2.0}})
    with pytest.raises(QueryError, match="where pictures were taken"):
        found("has:place")
    assert found(Fact("has", "exif")) == set()
    settings.SHOW_GPS = True
    assert found("has:place") == {placed}


class TestConfidence:
    @pytest.fixture(autouse=True)
    def said(self, db):
        self.sure, self.unsure, self.person = picture(), picture(), picture("sea")
        for image, confidence in ((self.sure, 0.9), (self.unsure, 0.3)):
            ImageTag.objects.create(image=image, tag=tag("sea"), origin="labels", confidence=confidence)
        ImageTag.objects.create(image=self.unsure, tag=tag("sky"), origin="labels", confidence=0.95)

    def test_belongs_to_the_tags_beside_it(self):
        assert found("sea && confidence>=80%") == {self.sure, self.person}
        assert found("tag:sea confidence<0.5") == {self.unsure}
        assert found("(sea || sky) && confidence>0.92") == {self.person, self.unsure}

    def test_means_any_tag_where_none_is_beside_it(self):
        assert found("confidence>=0.8") == {self.sure, self.unsure, self.person}
        assert found("confidence<0.8") == {self.unsure}

    def test_counts_what_implies_the_tag(self):
        TagImplication.objects.create(tag=tag("sea"), implied=tag("water"))
        ImageTag.objects.filter(tag__name="sky").delete()
        ImageTag.objects.get(image=self.sure).save()
        assert found("water && confidence>=0.8") <= {self.sure, self.person}


def test_handles_similar_pictures(add):
    one, same, other = add(1), add(1, quality=40), add(7)
    assert same in found(Fact("similar", str(one.pk)))
    assert other in found(Not(Fact("similar", str(one.pk))))


@pytest.mark.parametrize("number", ["0", "-1", "99999999", "9" * 300, "x", "", "١", "\x00"])
def test_rejects_a_picture_that_is_not_there(number):
    with pytest.raises(QueryError, match="There is no picture"):
        found(Fact("similar", number))


def test_rejects_a_picture_that_this_user_may_not_see():
    hidden = picture(trashed_at="2026-01-01T00:00Z")
    with pytest.raises(QueryError, match="There is no picture"):
        found(Fact("similar", str(hidden.pk)))


# --- whatever a tree holds
HOSTILE = [
    "",
    " ",
    "\x00",
    "\ud800",
    "'; DROP TABLE gallery_image; --",
    "%s %(x)s {}",
    "\\",
    "🙂",
    "א" * 999,
    "a:*&|!<->'",
    "*",
]
hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))
FIELDS = ["", "caption", "ocr", "source", "author", "license", "title", "x"]
values = st.one_of(hostile, st.sampled_from(["1" * 400, "-1", "1e400", "nan", "9999-12-31", "0000", "99999", "9999y"]))
numbers = st.sampled_from(
    [
        "width",
        "pixels",
        "ratio",
        "bytes",
        "confidence",
        "score.x",
        "score.",
        "score.a__gt",
        "score.\x00",
        "date",
        "added",
        "x",
    ]
)
ops = st.sampled_from(["==", "!=", ">=", "<=", ">", "<"])
anything: st.SearchStrategy[Node] = st.recursive(
    st.one_of(
        st.builds(Tagged, hostile),
        st.builds(Word, hostile, st.sampled_from(FIELDS), st.booleans()),
        st.builds(Compare, numbers, ops, values),
        st.builds(Between, numbers, values, values),
        st.builds(Fact, st.sampled_from(["format", "colour", "orientation", "is", "has", "similar", "x"]), values),
    ),
    lambda parts: st.one_of(
        st.lists(parts, max_size=3).map(tuple).map(And), st.lists(parts, max_size=3).map(tuple).map(Or), parts.map(Not)
    ),
    max_leaves=5,
)  # fmt: skip


@settings(
    max_examples=250,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(node=anything)
def test_answers_or_explains_any_tree(node):
    sentence = ""
    try:
        list(Image.objects.visible_to(STAFF).filter(compiled(node, STAFF)))
    except QueryError as error:
        sentence = str(error)
    assert len(sentence) < 400


def test_handles_the_ends_of_the_numbers():
    image = picture(scores={"x": 10**14})
    for field in ("width", "pixels", "bytes", "ratio", "score.x"):
        most = "1000000" if field in ("width", "ratio") else "1" + "0" * 15
        assert found(Compare(field, "<", most)) == {image}
        assert found(Compare(field, ">=", most)) == set()
    assert found("added>=0002") == {image}
    assert found("added<=9998-12-31") == {image}


def test_handles_scores_that_are_no_numbers():
    picture(scores={"x": "high"}), picture(scores={"x": None})
    image = picture(scores={"x": 0.7})
    assert found("score.x>0.5") == {image}
    assert found("score.x<0.5") == set()


def test_handles_deep_nesting():
    image, node = picture("sea"), Tagged("sea")
    for _ in range(100):
        node = Not(Not(And((node, Or((node,) if isinstance(node, Tagged) else (Tagged("sea"),))))))
    assert found(node) == {image}


def test_refuses_more_wildcards_than_it_can_look_up():
    with pytest.raises(QueryError, match="At most 30 names"):
        found(Or(tuple(Tagged(f"*{n}*") for n in range(31))))


def test_of_a_word_only_an_asterisk_at_its_end_stands_for_other_letters():
    image = picture("cat", caption="where it sleeps")
    picture("cats"), picture("cat5")
    assert found("(cat?)") == found("(sleeps?) && (cat!)") == {image}
    assert len(found("(cat*)")) == len(found("(c*)")) == 3
    assert found("tag:cat?") == found(Tagged("cat?")) != {image}


def test_plain_speech_may_have_many_asterisks():
    image = picture("w0", caption=" ".join(f"w{n}" for n in range(1, 40)))
    picture("w0")
    answer = compile_query(parse(" ".join(f"w{n}*" for n in range(40))).tree, ANYBODY)
    assert set(Image.objects.filter(answer.condition)) == {image}
    assert "first 30" in answer.notes[0]


def test_few_pictures_can_be_named_by_similar():
    images = [picture().pk for _ in range(4)]
    with pytest.raises(QueryError, match="At most 3 pictures"):
        found(" || ".join(f"similar:{pk}" for pk in images))
    with pytest.raises(QueryError, match="cannot be followed"):
        require_few_similar(parse("sea !similar:7").tree, 0)


def test_words_inside_pictures_share_what_one_query_may_cost(monkeypatch):
    asked = []
    monkeypatch.setattr(ocr_words, "MOST_FUZZY", 2)
    monkeypatch.setattr(ocr_words, "alike", lambda word, least: asked.append((word, least < 1)) or [])
    found("ocr:one && (ocr:two || ocr:one || ocr:three)")
    assert asked == [("one", True), ("two", True), ("three", False)]


def test_an_or_of_sources_uses_the_index():
    rows(3_000)
    folder = picture(source={"kind": "folder", "address": "/photos/lighthouse"})
    page = picture(source={"kind": "page", "address": "https://example.org/lighthouse"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('image_document')")  # what tests before have left there
        cursor.execute("ANALYZE gallery_image")
        cursor.execute("SET LOCAL enable_seqscan = off")  # where it can do without, it does
    for user, expected in ((ANYBODY, {page}), (STAFF, {page, folder})):
        images = Image.objects.filter(compiled(parse("source:lighthouse || source:harbour").tree, user))
        assert set(images) == expected
        assert not re.search(r"Seq Scan on gallery_image\b", images.explain())
    assert found("source:PAGE") == {page}
