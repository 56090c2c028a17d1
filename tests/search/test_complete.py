"""What a search box offers while somebody writes."""

from __future__ import annotations

import pytest

from gallery.models import Image, ImageTag, Tag, TagAlias
from gallery.tags import fold_tallies
from search.compiling.nearest import nearest_tags
from search.complete import complete, complete_tag, forget_vocabulary
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def tags():
    """dog: 5 pictures, door: 3, mountain path: 2, path: 1, dungeon: none; doggy is another name of dog."""
    forget_vocabulary()
    images = rows(5)
    made = {}
    for name, count in {"dog": 5, "door": 3, "mountain path": 2, "path": 1, "dungeon": 0}.items():
        made[name] = Tag.objects.create(name=name, category="thing")
        ImageTag.objects.bulk_create([ImageTag(image_id=pk, tag=made[name]) for pk in images[:count]])
    TagAlias.objects.create(name="hound", tag=made["dog"])
    yield made
    forget_vocabulary()


def offered(text: str, at: int | None = None) -> list[str]:
    """The query as it would be after each suggestion."""
    found = complete(text, len(text) if at is None else at)
    return [text[: one.start] + one.text + text[one.end :] for one in found if one.kind != "field"]


def test_it_works():
    found = complete("d", 1)
    assert (found[0].label, found[0].count, found[0].note) == ("dog", 5, "thing")
    assert [one.label for one in found if one.kind == "tag"] == ["dog", "door"]


class TestWhichTags:
    def test_any_word_of_a_name(self):
        assert [one.label for one in complete("pat", 3) if one.kind == "tag"] == ["path", "mountain path"]
        assert [one.label for one in complete("path", 4) if one.kind == "tag"] == ["path", "mountain path"]

    @pytest.mark.parametrize("written", ["door", "dooor", "odor", "dor", "do0r"])
    def test_a_typo(self, written):
        assert "door" in [one.label for one in complete_tag(written)]

    @pytest.mark.parametrize("written", ["mountian", "muontian", "montain p", "mountain parh"])
    def test_two_typos_in_a_longer_word(self, written):
        assert [one.label for one in complete_tag(written)] == ["mountain path"]

    def test_two_typos_in_a_short_word_are_another_word(self):
        assert complete_tag("dxxr") == []

    def test_another_name(self):
        found = complete_tag("houn")[0]
        assert (found.label, found.said, found.count) == ("dog", "hound", 5)

    def test_new_ones_are_known_at_once(self):
        assert complete_tag("zebra") == []
        Tag.objects.create(name="zebra")
        assert [one.label for one in complete_tag("zebra")] == ["zebra"]

    def test_deleted_ones_are_gone_at_once(self, tags):
        assert {one.label for one in complete_tag("dungeon") + complete_tag("houn")} >= {"dungeon", "dog"}
        tags["dungeon"].delete()
        TagAlias.objects.all().delete()
        assert not {one.label for one in complete_tag("dungeon") + complete_tag("houn")} & {"dungeon", "dog"}

    def test_tags_of_hidden_pictures_are_told_to_nobody(self, tags, as_member, client):
        TagAlias.objects.create(name="oubliette", tag=tags["dungeon"])
        assert nearest_tags("dungeom") == nearest_tags("oubliete") == []
        ImageTag.objects.create(image_id=rows(1)[0], tag=tags["dungeon"])
        assert offered("dung") == ["tag:dungeon"]  # its first picture is noticed
        assert (nearest_tags("dungeom"), nearest_tags("oubliete")) == (["dungeon"], ["oubliette"])
        Image.objects.order_by("-pk")[0].trash()
        forget_vocabulary()
        for written in ("dung", "dungeon", "dungeom", "tag:dung", "oubl"):
            assert offered(written) == []
        assert (nearest_tags("dungeom"), nearest_tags("oubliete")) == ([], [])
        asked = {"q": "dung", "for": "tags"}
        assert client.get("/search/complete/", asked).json()["suggestions"] == []
        assert len(as_member.get("/search/complete/", asked).json()["suggestions"]) == 1  # who may give it

    def test_counts_survive_their_folding(self):
        fold_tallies()
        forget_vocabulary()
        assert complete_tag("dog")[0].count == 5


class TestWhereItFits:
    @pytest.mark.parametrize(
        ("written", "then"),
        [
            ("mountain pa", "tag:\"mountain path\""),
            ("width>100 doo", "width>100 tag:door"),
            ("-doo", "-tag:door"),
            ("a house and a doo", "a house and a door"),
            ("a house on a mountain pa", "a house on a mountain path"),
            ("winter&&doo", "winter&&door"),
            ("winter&&(forest||mountain pa", 'winter&&(forest||"mountain path"'),
            ("winter, !doo", "winter, !door"),
            ("tag:doo", "tag:door"),
            ('a tag:"mountain', 'a tag:"mountain path"'),
            ('winter && "mountain pa', 'winter && "mountain path"'),
            ("🐕 a doo", "🐕 a door"),
        ],
    )  # fmt: skip
    def test_at_the_end(self, written, then):
        assert offered(written)[0] == then

    def test_in_the_middle(self):
        assert offered("winter&&do||sea", 10)[0] == "winter&&dog||sea"
        assert offered("winter && dooxyz || sea", 13)[0] == "winter && door || sea"
        assert offered('tag:"mountain" sea', 10) == ['tag:"mountain path" sea']

    @pytest.mark.parametrize(
        "written", ["", " ", "dog ", "width>", "width>=1", "(", "!", '"', "-", "dog &&", "\x00", ":"]
    )
    def test_nothing_to_complete(self, written):
        assert complete(written, len(written)) == []

    def test_names_with_a_colon(self):
        ImageTag.objects.create(image_id=rows(1)[0], tag=Tag.objects.create(name="artist:shishkin"))
        assert offered("artist:shi") == ['tag:"artist:shishkin"']


class TestFields:
    def test_names_and_values(self):
        assert [one.text for one in complete("wid", 3)][-1] == "width:"
        assert offered("orientation:w") == ["orientation:wide"]
        assert offered("forest sort:lar") == ["forest sort:largest"]
        assert "colour:teal" in offered("colour:te")
        assert offered("tag:")[0] == "tag:dog"
        assert offered("width:1") == []


class TestAddress:
    def test_it_works(self, client):
        found = client.get("/search/complete/", {"q": "a doo || x", "at": 5}).json()["suggestions"]
        assert found[0] == {
            "kind": "tag",
            "label": "door",
            "text": "door",
            "start": 2,
            "end": 5,
            "count": 3,
            "note": "thing",
        }

    def test_only_tags(self, client):
        (found,) = client.get("/search/complete/", {"q": "Mountain", "for": "tags"}).json()["suggestions"]
        assert (found["text"], found["start"], found["end"]) == ("mountain path", 0, 8)
        assert client.get("/search/complete/", {"q": "widt", "for": "tags"}).json()["suggestions"] == []

    @pytest.mark.parametrize(
        "asked",
        [
            {"q": "x" * 10_000},
            {"q": "\x00"},
            {"q": "(" * 900},
            {"q": "d", "at": "-1"},
            {"q": "d", "at": "9" * 99},
            {"q": '"' * 99 + "d"},
            {"q": "\u202edog"},
            {"q": "<b>"},
            {},
            {"q": "' OR 1=1 --", "for": "tags"},
        ],
    )
    def test_bad_input_is_answered(self, client, asked):
        response = client.get("/search/complete/", asked)
        assert (response.status_code, type(response.json()["suggestions"])) == (200, list)
