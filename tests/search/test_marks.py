"""Which field of a picture holds what was asked for, with the words marked."""

import pytest

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Tag, TagAlias, TagImplication
from search import lexical, marks
from search.language.tree import Tagged, Word
from search.marks import FIELDS, LONGEST, marked, marks_of, misspelt
from search.ocr_words import index_images


@pytest.fixture
def picture(db):
    return made("sea_and-sun.jpg", 1)


def made(name: str, number: int) -> Image:
    return Image.objects.create(
        sha256=f"{number:064x}", name=name, width=8, height=6, bytes=9, format="JPEG", state="ready"
    )


def seen(image: Image, *asked: Word | Tagged) -> list[tuple[str, str]]:
    return [(mark.called, str(mark.text)) for mark in marks_of([image.pk], asked).get(image.pk, [])]


def test_it_works(picture):
    Caption.objects.create(image=picture, text="Two sunsets over the sea.")
    OcrText.objects.create(image=picture, text="SEA VIEW")
    ImageTag.objects.create(image=picture, tag=Tag.objects.create(name="sunset"))
    ImageTag.objects.create(image=picture, tag=Tag.objects.create(name="boat"))
    assert seen(picture, Word("sunset"), Word("sea")) == [
        ("tag", "<mark>sunset</mark>"),
        ("title", "<mark>sea</mark>_and-sun.jpg"),
        ("caption", "Two <mark>sunsets</mark> over the <mark>sea</mark>."),
        ("in the picture", "<mark>SEA</mark> VIEW"),
    ]


def test_a_word_of_one_field_is_marked_there_only(picture):
    Caption.objects.create(image=picture, text="the sea")
    assert seen(picture, Word("sea", "caption")) == [("caption", "the <mark>sea</mark>")]
    assert seen(picture, Word("sea", "ocr")) == []


def test_sources_are_marked_but_not_folders_of_the_server(picture):
    ImageSource.objects.create(
        image=picture, kind="page", address="https://example.org/ferry-harbour", title="A ferry", author="F. Ferry"
    )
    ImageSource.objects.create(image=picture, kind="folder", address="/home/me/ferry.jpg")
    assert seen(picture, Word("ferry")) == [
        ("title", "A <mark>ferry</mark>"),
        ("source", "https://example.org/<mark>ferry</mark>-harbour"),
        ("author", "F. <mark>Ferry</mark>"),
    ]
    assert seen(picture, Word("harbour", "source")) == [("source", "https://example.org/ferry-<mark>harbour</mark>")]


def test_tags_are_found_by_other_names_patterns_and_what_implies_them(picture):
    husky, dog = Tag.objects.create(name="husky"), Tag.objects.create(name="dog")
    TagImplication.objects.create(tag=husky, implied=dog)
    TagAlias.objects.create(name="hound", tag=dog)
    ImageTag.objects.create(image=picture, tag=husky)
    for asked in (Tagged("dog"), Tagged("hound"), Tagged("d?g"), Word("DOG"), Word("hound")):
        assert seen(picture, asked) == [("tag", "<mark>dog</mark>")]
    assert seen(picture, Tagged("*u*"), Tagged("dog")) == [("tag", "<mark>dog</mark>, <mark>husky</mark>")]
    assert seen(picture, Tagged("d_g")) == []


def test_what_others_wrote_is_shown_as_text(picture):
    Caption.objects.create(image=picture, text="<script>alert(1)</script> a <b>boat</b> & \x01more\x02 boats")
    ((_, text),) = seen(picture, Word("boat"))
    assert text.count("<") == text.count("<mark>") + text.count("</mark>")
    assert text.count("<mark>boat") == 2
    assert "&amp;" in text
    ImageTag.objects.create(image=picture, tag=Tag.objects.create(name="<i>x</i>"))
    assert seen(picture, Tagged("<i>*")) == [("tag", "<mark>&lt;i&gt;x&lt;/i&gt;</mark>")]


def test_only_the_part_of_a_long_text_around_the_words_is_shown(picture):
    Caption.objects.create(image=picture, text="word " * 200 + "lighthouse " + "word " * 200)
    OcrText.objects.create(image=picture, text="word " * 200 + "lighthouse " + "word " * 200)
    for _, text in seen(picture, Word("lighthouse")):
        assert "<mark>lighthouse</mark>" in text
        assert len(text) < LONGEST + 40


def test_phrases_and_beginnings(picture):
    Caption.objects.create(image=picture, text="red boats and a red house")
    assert seen(picture, Word("red house", phrase=True)) == [
        ("caption", "<mark>red</mark> boats and a <mark>red</mark> <mark>house</mark>")
    ]
    assert seen(picture, Word("hou*")) == [("caption", "red boats and a red <mark>house</mark>")]


@pytest.mark.parametrize("text", ["", "the", "'", "a\0b", "%s", "x' | y:*", "'*", "\ud800", "🙂", "*", "x" * 3000])
def test_odd_words_do_no_harm(picture, text):
    assert seen(picture, Word(text), Word(text, phrase=True), Tagged(text), Word(text + "*")) is not None


def test_pages_are_asked_at_once(picture, django_assert_num_queries):
    others = [made(f"sea {number}.jpg", number) for number in range(2, 20)]
    with django_assert_num_queries(8):  # the time they may take, the tags, the lexemes, and one for all pictures
        found = marks_of([image.pk for image in others], [Word("sea")])
    assert len(found) == len(others)


def test_a_page_is_shown_without_marks_where_they_take_too_long(picture, monkeypatch):
    Caption.objects.create(image=picture, text="the sea")
    monkeypatch.setattr(marks, "_MARKED", "SELECT pg_sleep(5)")
    monkeypatch.setattr(lexical, "SECONDS", 0.2)
    assert seen(picture, Word("sea")) == []
    assert Image.objects.exists()  # the connection can be used on


def test_books_are_read_in_part(picture):
    Caption.objects.create(image=picture, text="word " * 5_000 + "lighthouse")
    assert seen(picture, Word("lighthouse")) == []
    assert seen(picture, Word("word"))


def test_a_word_that_is_written_otherwise_is_named():
    (mark,) = misspelt("sekurity", ["SECURITY", "<b>", "SECURITY"])
    assert (mark.called, mark.wrote) == (FIELDS["ocr"], "sekurity")
    assert mark.text == "<mark>SECURITY</mark>, <mark>b</mark>"
    assert mark.plain == "SECURITY, b"


def test_only_what_no_mark_shows_is_named(picture):
    assert misspelt("~security", ["SECURITY"]) == misspelt("security", ["Security", "SECURIT"]) == []
    OcrText.objects.create(image=picture, text="GOOD MORNING")
    index_images([picture.pk])
    (line,) = marks_of([picture.pk], [Word("~morning", "ocr")])[picture.pk]
    assert (line.plain, line.wrote) == ("GOOD MORNING", "")
    good, morning = marks_of([picture.pk], [Word("good mornin", "ocr"), Word("good", "ocr")])[picture.pk]
    assert (good.text, good.wrote) == ("<mark>GOOD</mark> MORNING", "")
    assert (morning.text, morning.wrote) == ("<mark>MORNING</mark>", "mornin")


def test_marks_are_carried_over_to_the_text_as_it_was_written():
    assert marked("a-b.c", "a \x01b\x02") == "a-<mark>b</mark>.c"
    assert marked("other", "a \x01b\x02") == "a <mark>b</mark>"
