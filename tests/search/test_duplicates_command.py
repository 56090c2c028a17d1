"""manage.py duplicates."""

import io
import json
import uuid

import pytest
from django.core.management import CommandError, call_command

from gallery.models import Image, Tag
from ingestion.pipeline import Origin, import_blocks
from search.management.commands import duplicates as command
from search.models import Group, Resolution
from tests.pictures import encode, photo
from tests.search.test_keep_best import sharp


def run(*arguments: object) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("duplicates", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def copies(add):
    """Two copies of one picture, a part of another, and that one."""
    return (
        add(sharp(1).resize((400, 300)), name="small.jpg"),
        add(sharp(1), name="large.jpg"),
        add(sharp(2).crop((100, 100, 600, 500)), name="part.jpg"),
        add(sharp(2), name="whole.jpg"),
    )


@pytest.fixture
def examined(copies):
    run("--examine")
    return copies


def test_it_works(copies):
    assert "0 of 4 pictures examined." in run()[0]
    assert "4 of 4 pictures examined." in run("--examine")[0]
    out, _ = run()
    assert "same picture: 1, contains / part of: 1, looks like: 0" in out
    assert "large.jpg (1000 × 750)" in out
    assert "whole.jpg" in out


class TestListing:
    @pytest.mark.parametrize(("grade", "name"), [("same", "large.jpg"), ("part", "whole.jpg")])
    def test_it_shows_one_grade(self, examined, grade, name):
        found = json.loads(run("--grade", grade, "--json")[0])
        (group,) = found["groups"]
        assert name in [image["file"] for image in group["images"]]
        assert found["after"] == ""

    def test_it_filters_by_name(self, examined):
        assert len(json.loads(run("--name", "LARGE", "--json")[0])["groups"]) == 1
        assert "No such duplicates." in run("--name", "nothing")[0]

    def test_it_is_paged(self, examined):
        first = json.loads(run("--limit", 1, "--json")[0])
        second = json.loads(run("--limit", 1, "--after", first["after"], "--json")[0])
        assert first["groups"][0]["id"] > second["groups"][0]["id"]
        assert second["after"] == ""
        assert "More: --after" in run("--limit", 1)[1]

    def test_it_shows_where_the_same_bytes_were_met(self, add):
        add(1, name="a.jpg")
        import_blocks([encode(photo(1))], "b.jpg", Origin("folder", "/photos/b.jpg"))
        assert "at a.jpg; /photos/b.jpg" in run("--grade", "bytes")[0]
        (row,) = json.loads(run("--grade", "bytes", "--json")[0])["groups"]
        assert row["places"] == ["a.jpg", "/photos/b.jpg"]

    def test_an_empty_gallery_has_none(self, transactional_db):
        assert "No such duplicates." in run()[0]

    def test_it_says_who_waits_for_features(self, copies):
        copies[0].features.all().delete()
        assert "1 wait for their features" in run("--examine")[1]


class TestExamining:
    def test_it_goes_on_after_ctrl_c(self, copies, monkeypatch):
        honest = command.examine_missing

        def stopped(**options):
            for image in honest(**options):
                yield image
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(command, "examine_missing", stopped)
            out, err = run("--examine")
        assert "goes on from here" in err
        assert "1 of 4 pictures examined." in out
        assert "4 of 4 pictures examined." in run("--examine")[0]


class TestRules:
    def test_it_is_a_dry_run_at_first(self, examined):
        small, large, *_ = examined
        out, _ = run("--rule", "largest")
        assert f"keep {large.pk} large.jpg (1000 × 750): largest: 1000 × 750 against 400 × 300" in out
        assert f"to the trash: {small.pk} small.jpg" in out
        assert "Would resolve: 1 groups; to the trash: 1 pictures; left alone: 0 groups." in out
        assert not Resolution.objects.exists()

    def test_it_applies_and_takes_back(self, examined):
        out, _ = run("--rule", "largest", "--apply")
        assert "Resolved: 1 groups; to the trash: 1 pictures." in out
        assert Image.objects.trashed().get() == examined[0]
        again = out.split("--undo ")[1].split()[0]
        assert "Undone" in run("--undo", again)[0]
        assert not Image.objects.trashed().exists()

    def test_one_merge_is_taken_back(self, examined):
        resolution = Resolution.objects.merge(examined[1], [examined[0]])
        assert "Undone" in run("--undo", resolution.pk)[0]
        assert not Image.objects.trashed().exists()

    def test_the_name_and_the_limit_choose_the_groups(self, examined):
        assert "Would resolve: 0 groups" in run("--rule", "largest", "--name", "nothing")[0]
        assert "Would resolve: 1 groups" in run("--rule", "largest", "--limit", "1")[0]

    def test_it_says_why_a_group_is_left_alone(self, examined):
        Group.objects.filter(grade=1).get().images.last().image_tags.create(tag=Tag.objects.create(name="sea"))
        assert "left alone: Their tags differ." in run("--rule", "largest")[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rule", "best"], "There is no rule “best”; choose largest, oldest, suggested."),
        (["--apply"], "--apply goes with --rule."),
        (["--undo", "77"], "There is no merge 77."),
        (["--undo", "9" * 40], "There is no merge"),
        (["--undo", "abc"], "neither the number of a merge nor a run"),
        (["--undo", str(uuid.uuid4())], "There is no run"),
        (["--limit", "0"], "--limit must be from 1 to"),
        (["--after", "x"], "Start again"),
        (["--rule", "largest", "--grade", "like"], "leave --grade away"),
    ],
)
def test_it_rejects_what_makes_no_sense(transactional_db, arguments, sentence):
    with pytest.raises(CommandError, match=sentence.replace("(", r"\(")):
        run(*arguments)
