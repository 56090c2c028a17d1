"""Words looked up in tags, titles, captions, sources and the text inside pictures, and ranked by where they stand."""

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Q

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Tag, TagAlias
from search import lexical
from search.compiler import compiled
from search.errors import EngineError
from search.language import parse
from search.lexical import CUTOFF, find_words
from search.misspelt import find_misspelt
from search.ocr_words import index_images
from search.wording import spoken
from tests.gallery.made import rows

ANYBODY = AnonymousUser()


def made(name: str, caption: str = "", tags: str = "", ocr: str = "", author: str = "", **fields: object) -> Image:
    number = Image.objects.count() + 1
    image = Image.objects.create(
        sha256=f"{number:064x}", name=name, width=8, height=6, bytes=9, format="JPEG", **({"state": "ready"} | fields)
    )
    if caption:
        Caption.objects.create(image=image, text=caption)
    for tag in filter(None, tags.split(",")):
        ImageTag.objects.create(image=image, tag=Tag.objects.get_or_create(name=tag)[0])
    if ocr:
        OcrText.objects.create(image=image, text=ocr)
        index_images([image.pk])
    if author:
        ImageSource.objects.create(image=image, kind="page", address="https://example.org/", author=author)
    return image


def ask(query: str, limit: int = 100, among: Q | None = None) -> lexical.Lexical:
    return find_words(spoken(parse(query)), ANYBODY, limit, among)


def names(found: lexical.Lexical, weak: bool = False) -> list[str]:
    chosen = [hit.image_id for hit in found.hits if (hit.score < CUTOFF) == weak]
    of = dict(Image.objects.values_list("pk", "name"))
    return [of[pk] for pk in chosen]


def test_it_works(db):
    made("1.jpg", author="S. Harbour")
    made("2.jpg", ocr="HARBOUR STREET 9")
    made("3.jpg", caption="A boat in the harbour")
    made("4.jpg", tags="harbour")
    made("harbour 5.jpg")
    made("6.jpg", caption="A street")
    found = ask("harbour")
    assert names(found) == ["harbour 5.jpg", "4.jpg", "3.jpg", "2.jpg", "1.jpg"]
    assert names(found, weak=True) == []
    assert found.count == 5


def test_all_words_come_before_some_and_rare_words_before_common_ones(db):
    made("1.jpg", caption="a boat", tags="harbour")
    made("2.jpg", caption="a boat in a harbour")
    made("3.jpg", caption="a lighthouse")
    for number in range(4, 9):
        made(f"{number}.jpg", caption="a boat")
    found = ask("boat harbour")
    assert set(names(found)) == {"1.jpg", "2.jpg"}
    assert len(names(found, weak=True)) == 5
    assert names(ask("boat lighthouse"), weak=True)[0] == "3.jpg"
    assert lexical.explain(ask("boat lighthouse").hits[0].evidence) == "has “lighthouse”, not “boat”"


def test_a_tag_that_is_all_of_the_words_is_a_hit(db):
    made("1.jpg", tags="red rose")
    made("2.jpg", caption="a rose that is red")
    found = ask("Red Rose")
    assert names(found) == ["1.jpg", "2.jpg"]
    assert (found.hits[0].score, lexical.explain(found.hits[0].evidence)) == (1.0, "tagged “Red Rose”")


def test_other_names_of_tags_count(db):
    image = made("1.jpg", tags="sea")
    TagAlias.objects.create(name="ocean", tag=Tag.objects.get(name="sea"))
    assert [hit.image_id for hit in ask("ocean").hits] == [image.pk]


def test_phrases_and_beginnings(db):
    made("1.jpg", caption="a red house and a boat")
    made("2.jpg", caption="a house and a red boat")
    assert names(ask('"red house"')) == ["1.jpg"]
    assert set(names(ask("hou*"))) == {"1.jpg", "2.jpg"}


def test_words_of_every_text_are_not_needed(db):
    made("1.jpg", caption="dogs on a beach")
    assert names(ask("a dog on the beach")) == ["1.jpg"]
    assert names(ask("the of and")) == []


def test_what_nobody_may_see_or_nobody_asked_among_is_left_out(db):
    made("dog 1.jpg", state="new")
    kept, other = made("dog 2.jpg"), made("dog 3.jpg")
    assert names(ask("dog")) == [other.name, kept.name]
    assert names(ask("dog", among=Q(pk=kept.pk))) == [kept.name]


def test_the_letter_means_the_same_pictures(db):
    made("1.jpg", caption="a boat", tags="harbour")
    made("2.jpg", tags="boat harbour")
    made("3.jpg", caption="a boat")
    found = ask("boat harbour")
    meant = Image.objects.filter(compiled(found.letter, ANYBODY))
    assert sorted(meant.values_list("name", flat=True)) == sorted(names(found)) == ["1.jpg", "2.jpg"]


def test_only_the_newest_of_very_many_are_compared(db, monkeypatch):
    monkeypatch.setattr(lexical, "NEWEST", 10)
    ids = rows(30)
    Caption.objects.bulk_create([Caption(image_id=pk, text="a boat") for pk in ids])
    found = ask("boat", limit=100)
    assert sorted(hit.image_id for hit in found.hits) == sorted(ids)[-10:]
    assert (found.is_cut, found.count) == (True, 10)


def test_more_words_than_anybody_means_are_left_out_and_that_is_said(db):
    made("1.jpg", caption=" ".join(f"word{n}" for n in range(20)))
    found = ask(" ".join(f"word{n}" for n in range(30)))
    assert names(found) == ["1.jpg"]
    assert found.notices == ["Words: only the first 16 of your words were looked up."]


def test_an_answer_that_takes_too_long_is_a_notice(db, monkeypatch):
    monkeypatch.setattr(lexical, "SECONDS", 0.05)
    with pytest.raises(EngineError, match="no answer within"), lexical.in_time(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        assert cursor.fetchone() == ("0",)


def test_the_indexes_are_used(db):
    rows(3000)
    made("1.jpg", caption="a lighthouse", tags="harbour")
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('image_document')")  # what tests before have left there
        cursor.execute("ANALYZE gallery_image")
        cursor.execute("SET LOCAL enable_seqscan = off")  # where it can do without, it does
    for query, index in (("lighthouse", "image_document"), ("harbour lighthouse", "image_")):
        plan = Image.objects.filter(compiled(ask(query).letter, ANYBODY)).explain()
        assert index in plan
        assert not re.search(r"Seq Scan on gallery_image\b", plan)


class TestMisspelt:
    def test_it_works(self, db):
        wanted = made("1.jpg", ocr="SECURITY")
        made("2.jpg", ocr="BAKERY")
        (hit,) = find_misspelt([*spoken(parse("sekurity"))], 10).hits
        assert (hit.image_id, hit.evidence) == (wanted.pk, {"read": ["SECURITY"], "wrote": "sekurity"})
        assert CUTOFF <= hit.score < ask("security").hits[0].score

    def test_words_of_every_text_are_not_looked_for(self, db):
        made("1.jpg", ocr="THE END")
        assert find_misspelt([*spoken(parse("sunset over the sea"))], 10).hits == []
        assert find_misspelt([*spoken(parse("the"))], 10).hits == []

    def test_what_is_written_so_is_left_to_the_exact_search(self, db):
        made("1.jpg", ocr="SECURITY")
        assert find_misspelt([*spoken(parse("security"))], 10).hits == []
