"""Lists of hits become one list of matches."""

from hypothesis import given
from hypothesis import strategies as st

from search.engines._base import Grade, Hit
from search.fusion import Voice, fuse


def hit(image_id: int, score: float = 0.9, grade: Grade = Grade.LOOKS_LIKE, certain: bool = False) -> Hit:
    return Hit(image_id, score, grade, certain)


def ids(matches) -> list[int]:
    return [match.image_id for match in matches]


def test_it_works():
    answers = {"a": [hit(1), hit(2)], "b": [hit(2), hit(3)]}
    matches = fuse(answers, {})
    assert ids(matches) == [2, 1, 3]  # both engines speak for 2
    assert set(matches[0].hits) == {"a", "b"}


def test_it_keeps_what_a_single_engine_found():
    assert ids(fuse({"a": [hit(1)], "b": []}, {})) == [1]


def test_proof_outranks_every_similarity():
    similar = [hit(n, 1.0) for n in range(1, 50)]
    proven = [hit(n, 1.0) for n in range(1, 40)] + [hit(99, 0.6, Grade.SAME, certain=True)]
    assert ids(fuse({"a": similar, "b": proven}, {}))[0] == 99


def test_grades_come_in_their_order():
    answers = {
        "colours": [hit(4, grade=Grade.SAME_COLOURS)],
        "likes": [hit(3)],
        "parts": [hit(2, grade=Grade.CONTAINS, certain=True)],
        "same": [hit(1, grade=Grade.SAME, certain=True)],
    }
    assert ids(fuse(answers, {})) == [1, 2, 3, 4]


def test_a_match_has_the_best_grade_and_its_score():
    answers = {"a": [hit(1, 0.6, Grade.SAME, True)], "b": [hit(1, 0.9, Grade.SAME_COLOURS)]}
    (match,) = fuse(answers, {})
    assert (match.grade, match.score, match.certain) == (Grade.SAME, 0.6, True)


def test_it_calls_weak_what_no_engine_finds_good_enough():
    answers = {"a": [hit(1, 0.4), hit(2, 0.4)], "b": [hit(2, 0.8)]}
    matches = fuse(answers, {"a": Voice(cutoff=0.5), "b": Voice(cutoff=0.7)})
    assert [(match.image_id, match.weak) for match in matches] == [(2, False), (1, True)]


def test_a_weak_hit_does_not_lift_the_grade_of_a_strong_one():
    answers = {"a": [hit(1, 0.3, Grade.LOOKS_LIKE)], "b": [hit(1, 0.8, Grade.SAME_COLOURS)]}
    (match,) = fuse(answers, {})
    assert (match.grade, match.score, match.weak) == (Grade.SAME_COLOURS, 0.8, False)


def test_a_certain_hit_is_never_weak():
    (match,) = fuse({"a": [hit(1, 0.1, Grade.SAME, certain=True)]}, {"a": Voice(cutoff=0.9)})
    assert not match.weak


def test_it_weighs_the_engines():
    answers = {"loud": [hit(1)], "quiet": [hit(2)]}
    assert ids(fuse(answers, {"loud": Voice(weight=2.0)})) == [1, 2]
    assert ids(fuse(answers, {"quiet": Voice(weight=2.0)})) == [2, 1]


def test_hits_of_one_score_share_a_rank_and_others_decide():
    tagged = [hit(n, 1.0) for n in (3, 2, 1)]
    assert ids(fuse({"words": tagged, "meaning": [hit(9, 0.9), hit(1, 0.8)]}, {})) == [1, 3, 2, 9]
    assert ids(fuse({"words": tagged}, {})) == [3, 2, 1]


def test_it_handles_no_hits():
    assert fuse({}, {}) == []
    assert fuse({"a": []}, {"a": Voice()}) == []


hits = st.lists(
    st.builds(hit, st.integers(1, 20), st.floats(0, 1), st.sampled_from(Grade), st.booleans()),
    unique_by=lambda h: h.image_id,
)


@given(st.dictionaries(st.sampled_from("abc"), hits))
def test_every_image_comes_exactly_once_and_strong_before_weak(answers):
    matches = fuse(answers, {})
    assert sorted(ids(matches)) == sorted({h.image_id for found in answers.values() for h in found})
    assert [match.weak for match in matches] == sorted(match.weak for match in matches)
    strong = [match.grade for match in matches if not match.weak]
    assert strong == sorted(strong)
