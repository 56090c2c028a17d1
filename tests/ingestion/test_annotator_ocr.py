"""Words that are read in pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from django.contrib.postgres.search import SearchQuery
from django.db import transaction

from gallery.models import Image, OcrText
from ingestion.annotators import all_network_annotators
from ingestion.annotators.ocr import TextReader, read
from ingestion.reading import letters, text_of
from search.current import bound_role
from search.encoders import get_network
from search.encoders._base import Reader
from search.encoders.tesseract import Tesseract
from search.filling import fill_one
from search.generations import begin, begin_wanted
from search.models import Feature, Generation, Unmade
from tests.ingestion.colour_networks import fill, followed, made_visible
from tests.ingestion.scene import bring_image, data
from tests.ingestion.signs import needs, plate, sign
from tests.pictures import photo

ENG, DEU, RUS = "tesseract:eng", "tesseract:deu", "tesseract:rus"
gallery = pytest.mark.django_db(transaction=True)
pytestmark = needs("eng+deu+rus")


def network(name: str = ENG) -> Reader:
    reader = get_network(name, Path("/nowhere"))
    assert isinstance(reader, Reader)
    return reader


def visible(picture) -> Image:
    return made_visible(bring_image(data(picture, "PNG")))


def said(picture, name: str = ENG) -> str:
    return text_of(read(network(name), np.asarray(picture.convert("RGB"))))


@pytest.fixture
def image(transactional_db) -> Image:
    return visible(sign("SECURITY", "entrance", size=(400, 300), height=32))


@gallery
def test_it_works(image):
    generation = fill("ocr", network())
    text = OcrText.objects.get()
    assert text.text == "SECURITY\nentrance"
    assert (text.image_id, text.origin, text.generation) == (image.pk, ENG, generation.pk)
    assert (text.state, text.shown) == ("suggested", True)
    assert 0.6 < text.confidence <= 1
    (word, x, y, width, height, sure), _ = text.words
    assert word == "SECURITY"
    assert 0.25 < x < 0.35 < 0.6 < x + width < 0.8
    assert 0.2 < y < y + height < 0.55
    assert 0.6 < sure <= 1
    found = Image.objects.filter(document=SearchQuery("security & entrances", config="english", search_type="raw"))
    assert found.get() == image


@gallery
def test_pictures_without_text_have_none(image):
    without = visible(photo(3))
    generation = fill("ocr", network())
    assert generation.features.count() == 2
    assert bytes(Feature.objects.get(engine="ocr", image=without).data) == b""
    assert not without.ocr_texts.exists()


@gallery
def test_words_are_found_misspelt(image):
    from search.ocr_words import ocr_condition

    fill("ocr", network())
    assert list(Image.objects.filter(ocr_condition("sekurity", False))) == [image]


@gallery
def test_another_language_takes_over_when_it_is_complete(image):
    first = fill("ocr", network())
    beside = begin("ocr", DEU)
    role = bound_role(beside)
    assert isinstance(role, TextReader)
    feature = bytes(Feature.objects.get(engine="ocr").data)
    with transaction.atomic():
        role.write([image.pk], [feature])
    assert OcrText.objects.get(shown=True).generation == first.pk
    while fill_one(beside):
        pass
    followed()
    assert OcrText.objects.get(shown=True).generation == beside.pk


@gallery
@pytest.mark.parametrize(("decided", "is_shown"), [("accepted", True), ("rejected", False)])
def test_what_people_decided_holds_for_the_next_language(image, decided, is_shown):
    generation = fill("ocr", network())
    OcrText.objects.update(state=decided)
    feature = bytes(Feature.objects.get(engine="ocr").data)
    role = bound_role(generation)
    other = role.bound(generation.pk + 1, network(DEU))
    with transaction.atomic():
        other.write([image.pk], [feature])
    assert set(OcrText.objects.values_list("origin", "state", "shown")) == {
        (ENG, decided, is_shown),
        (DEU, decided, is_shown),
    }


@gallery
def test_a_picture_that_kills_it_does_not_stop_the_others(image, monkeypatch):
    other = visible(sign("Museum", "entrance", size=(360, 240), height=32))
    real = Tesseract.read

    def read(self, grey, scattered):
        if grey.shape == (300 * 2, 400 * 2):
            raise RuntimeError("Tesseract was not done with it after 60 seconds.")
        return real(self, grey, scattered)

    monkeypatch.setattr(Tesseract, "read", read)
    fill("ocr", network())
    assert Unmade.objects.get().image == image
    assert "60 seconds" in Unmade.objects.get().error
    assert OcrText.objects.get().image == other
    assert OcrText.objects.get().text == "Museum\nentrance"


@gallery
def test_without_the_program_nothing_is_begun(image, monkeypatch, tmp_path, settings, as_admin):
    monkeypatch.setenv("PATH", str(tmp_path))
    settings.NETWORKS = {"ocr": [ENG]}
    begin_wanted()
    assert not Generation.objects.filter(role="ocr").exists()
    assert "install tesseract-ocr." in as_admin.get("/admin/models/").content.decode()


@gallery
def test_a_program_that_is_gone_is_waited_for(image, monkeypatch, tmp_path):
    generation = fill("ocr", network())
    visible(photo(5))
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not fill_one(generation)
    generation.refresh_from_db()
    assert "tesseract-ocr" in generation.error
    assert not Unmade.objects.exists()
    monkeypatch.setenv("PATH", path)
    fill_one(generation)
    assert generation.features.count() == 2


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_pictures_are_read_and_boxes_lie_on_the_words(quarters):
    picture = sign("Forbidden harbour", size=(400, 280), height=24, at=(0.4, 0.3), quarters=quarters)
    lines = read(network(), np.asarray(picture))
    assert text_of(lines) == "Forbidden harbour"
    word = lines[0][0]
    middle = word.x + word.width / 2, word.y + word.height / 2
    expected = [(0.3, 0.3), (0.3, 0.7), (0.7, 0.7), (0.7, 0.3)][quarters]
    assert middle == pytest.approx(expected, abs=0.12)
    assert (word.height > word.width) == (quarters != 2)


def test_small_pictures_are_enlarged():
    assert said(sign("Museum entrance", size=(300, 200), height=14)) == "Museum entrance"


def test_other_alphabets():
    assert said(sign("Übergang Straße", size=(400, 300), height=24), DEU) == "Übergang Straße"
    assert said(sign("Осторожно", "Библиотека", size=(400, 300), height=30), RUS) == "Осторожно\nБиблиотека"


@pytest.mark.parametrize(("word", "height"), [("EXIT", 90), ("STOP", 60), ("TAXI", 160), ("CAFE", 120)])
def test_a_single_short_word_is_read(word, height):
    assert said(plate(word, height)) == word


@gallery
def test_a_short_word_is_found(transactional_db):
    image = visible(plate("EXIT"))
    fill("ocr", network())
    assert OcrText.objects.get().text == "EXIT"
    assert Image.objects.filter(document=SearchQuery("exit", config="english", search_type="raw")).get() == image


def test_nothing_is_asked_where_there_is_no_text(monkeypatch):
    monkeypatch.setattr(Tesseract, "read", lambda *args: pytest.fail("it was asked"))
    assert said(photo(1, 400, 300)) == ""


def test_words_around_are_no_noise():
    lines = read(network(), np.asarray(sign("Library closed", size=(500, 400), height=36, seed=4)))
    assert text_of(lines) == "Library closed"
    assert letters(lines) > 10


def test_it_is_not_run_while_a_picture_comes_in():
    assert isinstance(all_network_annotators()["ocr"], TextReader)
