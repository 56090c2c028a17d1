"""Words inside a picture on its page: lines, places, and what was searched."""

from __future__ import annotations

import pytest

from gallery.models import Image, OcrText
from gallery.text_inside import inside, is_meant
from tests.gallery.made import rows

WORDS = [
    ["SECURITY", 0.1, 0.2, 0.5, 0.1, 0.96],
    ["entrance", 0.1, 0.4, 0.4, 0.08, 0.9],
    ["harbour", 0.8, 0.5, 0.05, 0.4, 0.8],
]


def text(words: object = WORDS, said: str = "SECURITY entrance\nharbour") -> OcrText:
    return OcrText(text=said, words=words, origin="tesseract:eng")


def drawn(texts: list[OcrText], asked: str = ""):
    return inside(Image(width=400, height=300), texts, asked)


@pytest.fixture
def image(transactional_db) -> Image:
    (pk,) = rows(1)
    OcrText.objects.create(image_id=pk, text="SECURITY entrance\nharbour", words=WORDS, origin="tesseract:eng")
    return Image.objects.get(pk=pk)


def test_it_works():
    found = drawn([text()], "sekurity")
    assert (found.width, found.height, found.marked) == (1000, 750, 1)
    assert [[word.text for word in line] for line in found.said[0].lines] == [["SECURITY", "entrance"], ["harbour"]]
    word = found.words[0]
    assert (word.x, word.y, word.width, word.height, word.is_marked) == (100, 150, 500, 75, True)
    assert [word.is_tall for word in found.words] == [False, False, True]
    assert [word.number for word in found.words] == [0, 1, 2]


@pytest.mark.parametrize(
    ("word", "asked", "expected"),
    [
        ("SECURITY", ["security"], True),
        ("SECURITY", ["sekurity"], True),
        ("(Security)", ["securty"], True),
        ("Straße", ["strasse"], True),
        ("SECURITY", ["entrance"], False),
        ("out", ["our"], False),
        ("out", ["out"], True),
        ("a.out", ["out"], True),
        ("---", ["out"], False),
        ("word", [], False),
    ],
)
def test_searched_words_are_known_misspelt(word, asked, expected):
    assert is_meant(word, asked) == expected


@pytest.mark.parametrize(
    "words",
    [
        [],
        [["other", 0, 0, 1, 1, 1]],
        WORDS[:2],
        [*WORDS, WORDS[0]],
        [["SECURITY"]],
        [None],
        [["SECURITY", 2, 0, 1, 1, 1]],
        ["x"],
    ],
)
def test_words_without_good_places_are_text_only(words):
    found = drawn([text(words)])
    assert found.words == []
    assert found.said[0].row.text.startswith("SECURITY")


def test_two_texts_have_numbers_of_their_own():
    assert [word.number for word in drawn([text(), text()]).words] == [0, 1, 2, 3, 4, 5]


def test_the_page_shows_them(image, client):
    page = client.get(f"{image.get_absolute_url()}?mark=sekurity").content.decode()
    assert 'class="text-boxes"' in page
    assert "<mark>SECURITY</mark>" in page
    assert "1 word like “sekurity” is marked." in page
    assert "style=" not in page.partition('class="text-boxes"')[2].partition("</svg>")[0]


def test_the_page_says_when_nothing_is_like_it(image, client):
    page = client.get(f"{image.get_absolute_url()}?mark=%3Cb%3Exylophone").content.decode()
    assert "No word of it is like “&lt;b&gt;xylophone”." in page


@pytest.mark.parametrize("mark", ["%F0%9F%98%80", "%ED%A0%80", "a" * 5000, "%22%3E%3Cscript%3E", "%D9%A0"])
def test_any_mark_is_taken(image, client, mark):
    assert client.get(f"{image.get_absolute_url()}?mark={mark}").status_code == 200


def test_pictures_without_text_have_no_section(client, transactional_db):
    (pk,) = rows(1)
    page = client.get(f"/image/{pk}/").content.decode()
    assert "text-boxes" not in page
    assert "text-inside" not in page.replace("text_inside", "")


def test_members_may_reject_it(image, as_member, client):
    address = f"{image.get_absolute_url()}text/{image.ocr_texts.get().pk}/reject/"
    assert address in as_member.get(image.get_absolute_url()).content.decode()
    assert address not in client.get(image.get_absolute_url()).content.decode()
