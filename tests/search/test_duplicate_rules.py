"""Rules decide many groups at once: first as a plan, then for real, and back."""

import uuid

import numpy as np
import pytest
from PIL import Image as PillowImage

from gallery.models import Image, Tag
from gallery.pictures import Picture
from gallery.renditions import make, remove_renditions
from search.duplicates import examine_missing
from search.groups import regroup
from search.models import Group, Pair, Resolution
from search.rules import Plan, RuleError, Skip, apply, plan, rules, undo_rule_run
from tests.search.test_keep_best import sharp


@pytest.fixture
def rows(transactional_db):
    """rows((width, height), ...) -> images of rows and renditions, proven to be the same picture."""

    def rows(*sizes: tuple[int, int]) -> list[Image]:
        images = [
            Image.objects.create(
                sha256=uuid.uuid4().hex * 2, name=f"{w}.jpg", format="JPEG", bytes=w * h // 4, width=w, height=h,
                state="ready",
            )
            for w, h in sizes
        ]  # fmt: skip
        for image in images:
            pixels = np.asarray(sharp(1).resize((image.width, image.height)))
            make(image.sha256, Picture(pixels, image.width, image.height, "JPEG"))
        for i, one in enumerate(images):
            for other in images[i + 1 :]:
                Pair.objects.create(low=one, high=other, grade=1, score=1)
        regroup(image.pk for image in images)
        return images

    return rows


def tag(image: Image, name: str) -> None:
    image.image_tags.create(tag=Tag.objects.get_or_create(name=name)[0])


def only(rule: str) -> Plan | Skip:
    (planned,) = plan(rule, Group.objects.listed())
    return planned


def test_it_works(add):
    small, large = add(sharp(1).resize((400, 300))), add(sharp(1))
    list(examine_missing())
    tag(small, "sea")
    tag(large, "sea")
    planned = only("largest")
    assert (planned.keep, planned.drop) == (large, [small])
    assert planned.reasons == ["largest: 1000 × 750 against 400 × 300"]
    outcome = apply("largest", Group.objects.listed())
    assert (outcome.merged, outcome.dropped, outcome.skipped) == (1, 1, [])
    assert not Group.objects.exists()
    assert undo_rule_run(outcome.run) == []
    assert Group.objects.get().size == 2


def test_a_plan_changes_nothing(rows):
    rows((100, 80), (200, 160))
    for rule in rules():
        list(plan(rule, Group.objects.listed()))
    assert not Image.objects.trashed().exists()
    assert not Resolution.objects.exists()


class TestLargest:
    def test_it_leaves_other_tags_alone(self, rows):
        small, _ = rows((100, 80), (200, 160))
        tag(small, "sea")
        assert only("largest").why == "Their tags differ."

    def test_tags_that_nobody_accepted_do_not_count(self, rows):
        small, large = rows((100, 80), (200, 160))
        small.image_tags.create(tag=Tag.objects.create(name="dog"), origin="clip", state="suggested")
        assert only("largest").keep == large

    def test_it_leaves_equals_alone(self, rows):
        rows((100, 80), (100, 80))
        assert only("largest").why == "Two of them are equally large (100 × 80)."

    def test_it_leaves_an_enlarged_copy_alone(self, add):
        add(sharp(1, 500, 375))
        add(sharp(1, 500, 375).resize((1500, 1125)))
        list(examine_missing())
        assert "only enlarged" in only("largest").why


class TestOldest:
    def test_it_leaves_an_enlarged_first_alone(self, add):
        add(sharp(1, 500, 375).resize((1500, 1125)))
        add(sharp(1, 500, 375))
        list(examine_missing())
        assert "only enlarged" in only("oldest").why

    def test_it_works(self, rows):
        first, *later = rows((200, 160), (100, 80), (200, 160))
        planned = only("oldest")
        assert (planned.keep, sorted(i.pk for i in planned.drop)) == (first, sorted(i.pk for i in later))

    def test_it_leaves_a_larger_one_that_came_later_alone(self, rows):
        rows((100, 80), (200, 160))
        assert only("oldest").why == "One that came later is larger: 200 × 160."


class TestSuggested:
    def test_it_works(self, rows):
        _, large = rows((100, 80), (200, 160))
        assert only("suggested").keep == large

    def test_it_hands_tags_on(self, rows):
        small, large = rows((100, 80), (200, 160))
        tag(small, "sea")
        apply("suggested", Group.objects.listed())
        assert [t.name for t in large.tags.all()] == ["sea"]

    def test_it_leaves_alone_what_is_not_clear(self, rows):
        rows((100, 80), (100, 80))
        assert only("suggested").why == "The reasons do not agree, or there are none."


@pytest.mark.parametrize("rule", ["largest", "oldest", "suggested"])
class TestEveryRule:
    def test_it_decides_only_the_same_picture(self, rows, rule):
        rows((200, 160), (100, 80))
        Pair.objects.update(grade=3)
        regroup(Image.objects.values_list("pk", flat=True))
        assert "same picture" in only(rule).why

    def test_it_requires_a_proof_for_each(self, rows, rule):
        large, *_ = rows((300, 240), (200, 160), (100, 80))
        Pair.objects.filter(low=large).last().delete()
        assert "Not each of them" in only(rule).why

    def test_it_leaves_a_group_alone_that_is_gone(self, rows, rule):
        rows((200, 160), (100, 80))
        groups = list(Group.objects.listed())
        Group.objects.all().delete()
        (skip,) = plan(rule, groups)
        assert skip.why == "Somebody else has resolved this group."

    def test_it_requires_a_look_at_each(self, add, rule):
        """Without it the enlarged copy would be kept, and what it was made from dropped."""
        large = add(sharp(1, 500, 375).resize((1500, 1125)))
        small = add(sharp(1, 500, 375))
        list(examine_missing())
        remove_renditions(small.sha256)
        assert only(rule).why == "Not all of them could be looked at: try again later."
        Image.objects.filter(pk=large.pk).update(state="new")
        assert only(rule).why == "Not all of them are prepared: try again later."

    def test_it_leaves_more_than_it_looks_at_alone(self, rows, rule):
        rows((200, 160), *[(100, 80)] * 12)
        assert only(rule).why == "There are more than 12: look at them yourself."

    def test_it_has_words_for_people(self, rule, db):
        assert rules()[rule].label
        assert rules()[rule].description.endswith(".")


class TestRuns:
    def test_a_run_is_undone_as_a_whole(self, rows, admin):
        for _ in range(3):
            rows((100, 80), (200, 160), (300, 240))
        outcome = apply("largest", Group.objects.listed(), by=admin)
        assert (outcome.merged, outcome.dropped) == (3, 6)
        mine = Resolution.objects.filter(run=outcome.run)
        assert {(r.rule, r.by) for r in mine} == {("largest", admin)}
        assert undo_rule_run(outcome.run) == []
        assert not Image.objects.trashed().exists()
        assert Group.objects.count() == 3

    def test_what_was_purged_is_told(self, rows):
        for _ in range(2):
            rows((100, 80), (200, 160))
        outcome = apply("largest", Group.objects.listed())
        Image.objects.trashed().first().purge()
        (sentence,) = undo_rule_run(outcome.run)
        assert "cannot come back" in sentence
        assert not Image.objects.trashed().exists()

    def test_somebody_may_be_faster(self, rows, monkeypatch):
        rows((100, 80), (200, 160))
        from search import rules as module

        honest = module._plan

        def slow(rule, group):
            planned = honest(rule, group)
            planned.drop[0].trash()
            return planned

        monkeypatch.setattr(module, "_plan", slow)
        outcome = apply("largest", Group.objects.listed())
        assert outcome.merged == 0
        assert "in the trash already" in outcome.skipped[0].why

    def test_it_rejects_an_unknown_rule(self, db):
        with pytest.raises(RuleError, match="choose largest, oldest, suggested"):
            plan("best", [])

    def test_it_rejects_an_unknown_run(self, db):
        with pytest.raises(RuleError, match="no run"):
            undo_rule_run(uuid.uuid4())

    def test_it_rejects_to_undo_twice(self, rows):
        rows((100, 80), (200, 160))
        run = apply("largest", Group.objects.listed()).run
        undo_rule_run(run)
        with pytest.raises(RuleError, match="undone already"):
            undo_rule_run(run)


def test_a_larger_picture_with_borders_is_left_to_people(add):
    inner = sharp(1)
    framed = PillowImage.new("RGB", (1120, 870), (255, 255, 255))
    framed.paste(inner, (60, 60))
    add(inner)
    add(framed)
    list(examine_missing())
    assert isinstance(only("suggested"), Skip)  # it has more pixels: that is for a person to weigh
