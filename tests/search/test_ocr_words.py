"""Text inside pictures is found, also where it is misspelt; what is hidden is not."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from gallery.models import Image, OcrText, Opinion
from search.models import OcrPosting, OcrWord
from search.ocr_words import forget_unused, index_images, ocr_condition, ocr_hits, sweep
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


def write(text: str, image_id: int | None = None, **options: object) -> int:
    image_id = image_id or rows(1)[0]
    OcrText.objects.create(image_id=image_id, text=text, **options)
    index_images([image_id])
    return image_id


def found(text: str, phrase: bool = False) -> set[int]:
    return set(Image.objects.filter(ocr_condition(text, phrase)).values_list("pk", flat=True))


def test_it_works():
    sign, other = write("SECURITY entrance"), write("harbour café")
    assert found("sekurity") == {sign}
    [hit] = ocr_hits("sekurity", 10)
    assert (hit.image_id, hit.words) == (sign, ["SECURITY"])
    assert 0.8 < hit.score < 1 == ocr_hits("Security", 10)[0].score
    assert found("cafe") == found("CAFÉ") == {other}


def test_all_words_must_be_there():
    both, one = write("security entrance"), write("security exit")
    assert found("entranse sekurity") == {both}
    assert found("security") == {both, one}
    assert [hit.image_id for hit in ocr_hits("entranse sekurity", 10)] == [both, one]


def test_words_of_an_image_may_stand_in_several_texts():
    image = write("security")
    write("entrance", image, origin="tesseract")
    assert found("security entrance") == {image}
    assert found("security entrance", phrase=True) == set()


def test_a_phrase_stands_side_by_side():
    right, wrong = write("no parking on sundays"), write("parking: no, sundays: no")
    assert found("no parkign", phrase=True) == {right}
    assert found("parking sundays", phrase=True) == set()
    assert found("no parking") == {right, wrong}
    assert found("on sundays", phrase=True) == {right}


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("secur*", True),
        ("SECUR*", True),
        ("*rity", True),
        ("*curi*", True),
        ("s*y", True),
        ("curi*", False),
        ("100%*", False),
        ("s_c*", False),
        ("mosk*", True),
        ("моск*", True),
        ("*", False),
    ],
)
def test_a_star_stands_for_any_letters(asked, there):
    write("security москва")
    assert bool(found(asked)) == bool(ocr_hits(asked, 10)) == there


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("МОСКВА", "масква"),
        ("МОСКВА", "moskva"),
        ("Straßenbahn", "strasenbahn"),
        ("ΕΛΛΑΔΑ", "ellada"),
        ("東京タワー", "京タ"),
        ("info@shop.example", "shop.example"),
        ("OPEN 24 H0URS", "hours"),
        ("the rnodern art", "modern"),
        ("kindergarten", "kindergraten"),
        ("مرحبا", "مرحبا"),
    ],
)
def test_any_alphabet_is_found(text, asked):
    image = write(text)
    assert found(asked) == {image}
    assert [hit.image_id for hit in ocr_hits(asked, 5)] == [image]


@pytest.mark.parametrize("asked", ["", "  ", "!!!", "a", "\0", "\ud800", "😀", "2025", "car", "(" * 3000])
def test_what_is_in_no_picture_finds_nothing(asked):
    write("cat 2024 東京")
    for phrase in (False, True):
        assert found(asked, phrase) == set()
    assert ocr_hits(asked, 10) == []


def test_signs_without_spaces_are_a_phrase():
    tower, other = write("東京タワー"), write("京東")
    assert found("東京") == {tower}
    assert found("京東") == {other}
    assert found("東東") == found("東亰") == set()


def test_a_frequent_word_is_found_as_well(monkeypatch):
    monkeypatch.setattr("search.ocr_words.FEW", 1)
    images = {write("security"), write("no security"), write("secureity")}
    assert found("security") == found("secur*") == images
    assert set(Image.objects.exclude(ocr_condition("security", False))) == set()


def test_it_can_be_combined_with_other_conditions():
    sign, other = write("security"), write("exit")
    asked = Image.objects.filter(~ocr_condition("sekurity", False)).values_list("pk", flat=True)
    assert list(asked) == [other]
    assert Image.objects.filter(ocr_condition("exit", False) | ocr_condition("security", True)).count() == 2
    assert Image.objects.filter(~ocr_condition("nothing", False)).count() == 2
    assert sign != other


def test_hits_are_the_best_of_those_allowed():
    exact, near, far = write("harbour"), write("harbuor"), write("harber light")
    assert [hit.image_id for hit in ocr_hits("harbour", 10)] == [exact, near, far]
    assert [hit.image_id for hit in ocr_hits("harbour", 1)] == [exact]
    assert [hit.image_id for hit in ocr_hits("harbour", 10, np.array([near, far]))] == [near, far]
    assert ocr_hits("harbour", 10, np.array([], np.int64)) == []
    Image.objects.filter(pk=exact).update(trashed_at=timezone.now())
    assert [hit.image_id for hit in ocr_hits("harbour", 10)] == [near, far]


def test_a_rare_word_counts_more():
    common = [write("the street") for _ in range(4)]
    rare = write("quarantine")
    assert [hit.image_id for hit in ocr_hits("the quarantine", 10)] == [rare, *reversed(common)]


def test_what_is_hidden_is_not_found():
    image = write("security", origin="tesseract", state=Opinion.SUGGESTED)
    OcrText.objects.update(state=Opinion.REJECTED)
    assert found("security") == set()
    assert ocr_hits("security", 10) == []
    OcrText.objects.update(state=Opinion.ACCEPTED)
    assert found("security") == {image}


def test_what_is_changed_is_not_found_by_the_words_before():
    image = write("security")
    OcrText.objects.update(text="harbour")
    assert found("security") == set()
    assert sweep() == 1
    assert found("harbour") == {image}


def test_words_move_with_their_text():
    image, other = write("security"), rows(1)[0]
    OcrText.objects.update(image=other)
    assert found("security") == {other} != {image}


def test_boxes_without_a_text_are_read():
    image = write("", words=[["SECURITY", 0.1, 0.1, 0.2, 0.1, 0.9], ["exit", 0.1, 0.3, 0.2, 0.1, 0.9]])
    assert found("sekurity exit", phrase=True) == {image}
    assert ocr_hits("sekurity", 1)[0].words == ["SECURITY"]


def test_reading_twice_changes_nothing():
    image = write("security")
    before = list(OcrPosting.objects.values())
    assert index_images([image, image, 10**15]) == sweep() == 0
    assert list(OcrPosting.objects.values()) == before


def test_words_of_no_text_are_forgotten():
    write("security"), write("harbour")
    OcrText.objects.filter(text="harbour").delete()
    assert forget_unused() == 1
    assert list(OcrWord.objects.values_list("word", flat=True)) == ["security"]


def test_raw_deletes_leave_nothing():
    write("security")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM gallery_ocrtext; SET CONSTRAINTS ALL IMMEDIATE")
    assert not OcrPosting.objects.exists()
