"""A picture that shows many of those that are here: all are found, and each can be replaced by its own button."""

from __future__ import annotations

import pytest
from PIL.Image import Image as PillowImage

from ingestion.models import HeldUpload
from ingestion.questions import questions
from tests.ingestion.edits import hold
from tests.ingestion.scene import data
from tests.ingestion.test_upload import send
from tests.pictures import photo

pytestmark = pytest.mark.django_db(transaction=True)
SIDE = (400, 300)


def collage(seeds: range, wide: int = 3) -> PillowImage:
    """``wide``: how many are in a row."""
    rows = -(-len(seeds) // wide)
    sheet = photo(99, wide * SIDE[0], rows * SIDE[1])
    for at, seed in enumerate(seeds):
        sheet.paste(photo(seed, 640, 480).resize(SIDE), (at % wide * SIDE[0], at // wide * SIDE[1]))
    return sheet


def test_it_works(add):
    here = {add(photo(seed, 640, 480), f"{seed}.jpg").pk for seed in range(12)}
    held = hold(collage(range(12), wide=4))
    assert {match["image"] for match in held.matches} == here


def test_what_is_small_on_the_sheet_is_found(add):
    """At 256 pixels of the whole sheet hardly one is: it has to be read at a fine size."""
    sheet, width = photo(99, 1600, 1200), 1600 // 9
    here = {add(photo(seed, 640, 480), f"{seed}.jpg").pk for seed in range(3)}
    for seed in range(3):
        sheet.paste(photo(seed, 640, 480).resize((width, width * 3 // 4)), (200 + 500 * seed, 500))
    assert {match["image"] for match in hold(sheet).matches} == here


def test_the_page_shows_the_first_few(add, as_admin, admin):
    for seed in range(6):
        add(photo(seed, 640, 480), f"{seed}.jpg")
    line = send(as_admin, data(collage(range(6))), "sheet.jpg", Accept="text/html").content.decode()
    (question,) = questions([HeldUpload.objects.get()], admin)
    assert len(question.others) == 6
    before, after = line.split("<summary>and 3 more</summary>")
    for one in question.shown:
        assert f"Replace #{one.image.pk}<" in before
    for one in question.more:
        assert f"Replace #{one.image.pk}<" in after
    assert "Keep yours too" in after
    assert "Replace" not in after.split('<p class="advice">')[1]  # each button stands below its image


def test_one_image_has_its_button_with_the_others(add, as_admin, admin):
    add(photo(1, 640, 480))
    crop = photo(1, 640, 480).crop((0, 0, 453, 339))
    line = send(as_admin, data(crop), Accept="text/html").content.decode()
    assert "<summary>" not in line
    assert line.count("Replace #") == 1
    assert "Replace #" in line.split('<p class="advice">')[1]


def test_the_advice_says_which_of_several(add, admin):
    first, second = add(photo(1, 640, 480)), add(photo(1, 640, 480).resize((480, 360)))
    (question,) = questions([hold(photo(1, 640, 480).resize((1280, 960)))], admin)
    assert {one.image for one in question.others} == {first, second}
    assert question.advice.reason.endswith(f"we would replace #{question.others[0].image.pk}.")
