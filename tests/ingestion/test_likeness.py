"""What was proven, in words, and what speaks for which decision."""

from __future__ import annotations

import pytest

from ingestion.likeness import Likeness, Size, advice

SMALL, LARGE = Size(400, 300, 20_000), Size(4000, 3000, 2_000_000)


def likeness(relation: str = "same", **known) -> Likeness:
    grade = "same" if relation == "same" else "contains"
    return Likeness(12, grade, relation, "34 of 576 bits differ, mirrored", **known)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (likeness(), "The same picture as #12: 34 of 576 bits differ, mirrored."),
        (likeness(points=62, mirrored=True), "The same picture as #12: 62 matching points, mirrored."),
        (
            likeness("part", points=62, covers=0.31, place="upper left"),
            "A part of #12: 62 matching points, covers 31 % of it, upper left.",
        ),
        (
            likeness("whole", points=9, covered=0.5, place="right"),
            "It contains #12: 9 matching points, on 50 % of yours, right.",
        ),
        (
            likeness("overlap", points=9, covers=0.2, covered=0.3),
            "It shares a part with #12: 9 matching points, covers 20 % of it.",
        ),
    ],
)
def test_it_works(found, sentence):
    assert found.sentence == sentence


def test_it_can_be_written_down():
    found = likeness("part", points=62, covers=0.31, place="upper left")
    assert Likeness(**found.as_json()) == found


@pytest.mark.parametrize(
    ("new", "here", "found", "action", "words"),
    [
        (LARGE, SMALL, likeness(), "replace", "Yours is larger, 100 times the pixels"),
        (SMALL, LARGE, likeness(), "drop", "The one here is larger"),
        (SMALL, SMALL, likeness(), "drop", "as large"),
        (Size(400, 300, 40_000), SMALL, likeness(), "keep", "more bytes"),
        (SMALL, LARGE, likeness("part", covers=0.3), "drop", "The one here shows more"),
        (Size(2000, 1500, 1), Size(4000, 3000, 1), likeness("part", covers=0.25), "drop", "as sharp"),
        (LARGE, SMALL, likeness("part", covers=0.3), "keep", "Yours shows less, but 333 times the detail"),
        (LARGE, Size(2000, 1500, 1), likeness("whole", covered=0.25), "replace", "Yours shows more, and as sharp"),
        (SMALL, LARGE, likeness("whole", covered=0.5), "keep", "the one here is sharper"),
        (SMALL, LARGE, likeness("overlap", covers=0.1, covered=0.4), "keep", "Each shows something"),
    ],
)
def test_what_is_advised(new, here, found, action, words):
    told = advice(new, [(found, here)])
    assert told.action == action
    assert words in told.reason


def test_a_collage_replaces_nothing():
    both = [(likeness("whole", covered=0.5), SMALL), (likeness("whole", covered=0.5), SMALL)]
    assert advice(LARGE, both).action == "keep"


def test_nothing_speaks_against_what_is_like_nothing_any_more():
    assert advice(SMALL, []).action == "keep"


def test_an_enlargement_is_no_improvement():
    found = advice(LARGE, [(likeness(enlarged=True), SMALL)])
    assert found.action == "drop"
    assert "only enlarged" in found.reason
