"""The language in which words are searched, and its change."""

from __future__ import annotations

import threading

import pytest
from django.contrib.postgres.search import SearchQuery
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.models import F

from gallery import text_language
from gallery.environment import env_choice
from gallery.models import Caption, Image, TextLanguage
from gallery.tasks import set_language
from gallery.text_language import follow_setting, rewriting
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def english(transactional_db, settings):
    TextLanguage.objects.update_or_create(pk=True, defaults={"language": "english", "reached": None})
    settings.LANGUAGE = "english"
    yield
    TextLanguage.objects.update_or_create(pk=True, defaults={"language": "english", "reached": None})


def captioned(text: str, count: int = 1) -> list[int]:
    ids = rows(count)
    Caption.objects.bulk_create(Caption(image_id=pk, text=text) for pk in ids)
    return ids


def found(word: str, language: str) -> set[int]:
    return set(Image.objects.filter(document=SearchQuery(word, config=language)).values_list("pk", flat=True))


def reached() -> int | None:
    return TextLanguage.objects.get().reached


def test_it_works(settings):
    (pk,) = captioned("Alte Häuser am Fluss")
    assert found("Haus", "german") == set()
    settings.LANGUAGE = "german"
    assert not follow_setting(10)
    assert found("Haus", "german") == {pk}
    assert TextLanguage.objects.get().language == "german"
    assert reached() is None
    assert rewriting() == ""


def test_what_comes_later_is_in_the_new_language(settings):
    settings.LANGUAGE = "german"
    follow_setting(10)
    (pk,) = captioned("Häuser")
    assert found("Haus", "german") == {pk}


def test_it_goes_on_where_it_was_interrupted(settings, monkeypatch):
    monkeypatch.setattr(text_language, "SLICE", 2)
    ids = captioned("Häuser", 5)
    settings.LANGUAGE = "german"
    assert follow_setting(0)
    assert found("Haus", "german") == set(ids[3:])  # the newest first
    assert reached() == ids[3]
    assert "german" in rewriting()
    assert follow_setting(0)
    assert found("Haus", "german") == set(ids[1:])
    set_language.call_local()
    assert found("Haus", "german") == set(ids)
    assert rewriting() == ""


def test_what_was_done_is_not_done_again(settings):
    captioned("Häuser", 3)
    settings.LANGUAGE = "german"
    follow_setting(10)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gallery_image SET document = ''")
    assert not follow_setting(10)
    assert found("Haus", "german") == set()


def test_it_says_how_far_it_is():
    last = captioned("Häuser", 50)[-1]
    TextLanguage.objects.update(reached=round(0.75 * (last + 1)))
    assert "25% so far" in rewriting()


def test_another_change_begins_anew(settings, monkeypatch):
    monkeypatch.setattr(text_language, "SLICE", 2)
    ids = captioned("Häuser houses", 3)
    settings.LANGUAGE = "german"
    assert follow_setting(0)
    settings.LANGUAGE = "simple"
    while follow_setting(0):
        pass
    assert found("houses", "simple") == set(ids)
    assert found("haus", "simple") == set()


def test_an_empty_gallery_has_nothing_to_rewrite(settings):
    settings.LANGUAGE = "russian"
    assert not follow_setting(0)
    assert rewriting() == ""


def test_it_waits_for_its_turn_when_the_table_is_busy(settings, monkeypatch):
    """A writer that does not end is not waited for, and nobody waits behind us: the next minute tries it again."""
    monkeypatch.setattr(text_language, "_LOCK_MILLISECONDS", 300)
    (pk,) = captioned("Häuser")
    begun, end = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Image.objects.filter(pk=pk).update(width=F("width") + 1)
            begun.set()
            end.wait(120)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(60)
    settings.LANGUAGE = "german"
    try:
        assert not follow_setting(10)
        assert writer.is_alive()  # it was not waited for
        assert TextLanguage.objects.get().language == "english"
    finally:
        end.set()
        writer.join()
    monkeypatch.setattr(text_language, "_LOCK_MILLISECONDS", 60_000)
    assert not follow_setting(10)
    assert found("Haus", "german") == {pk}


def test_one_at_a_time(settings, monkeypatch):
    """The bells of every minute do not add up to all workers."""
    monkeypatch.setattr(text_language, "SLICE", 1)
    captioned("Häuser", 3)
    settings.LANGUAGE = "german"
    outcome: list[bool] = []

    def follow() -> None:
        outcome.append(follow_setting(0))
        connection.close()

    with text_language._alone() as is_alone:
        assert is_alone
        thread = threading.Thread(target=follow)
        thread.start()
        thread.join()
        assert outcome == [False]
    assert TextLanguage.objects.get().language == "english"
    follow()
    assert outcome == [False, True]


def test_each_language_is_known_to_postgresql(settings):
    with connection.cursor() as cursor:
        cursor.execute("SELECT cfgname FROM pg_ts_config")
        known = {name for (name,) in cursor.fetchall()}
    assert set(settings.TEXT_LANGUAGES.split()) <= known


def test_another_is_refused(settings, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_LANGUAGE", "klingon")
    with pytest.raises(ImproperlyConfigured, match="german"):
        env_choice("LOOKALIKE_LANGUAGE", "english", tuple(settings.TEXT_LANGUAGES.split()))
