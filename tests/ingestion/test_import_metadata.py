"""``manage.py import --metadata``: what ``export`` wrote comes back, and people's decisions win over machines'."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from itertools import product
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from gallery.metadata import SaidImage, exported
from gallery.models import (
    Caption,
    Image,
    ImageSource,
    ImageTag,
    ImpliedTag,
    OcrText,
    Tag,
    TagAlias,
    TagImplication,
    TagWork,
    User,
)
from gallery.tags import tags_called
from ingestion.metadata import AT_ONCE, BYTES_AT_ONCE, Line, _batches
from search.models import Feature, Generation
from tests.ingestion.colour_networks import ColourCaptioner, fill, image_of, known
from tests.ingestion.scene import at_once

pytestmark = pytest.mark.django_db
SHA = "0123456789abcdef" * 4


@pytest.fixture
def image() -> Image:
    return make(SHA)


def make(sha256: str, name: str = "wave.png") -> Image:
    values = {"width": 20, "height": 10, "bytes": 300, "format": "PNG", "state": "ready"}
    return Image.objects.create(sha256=sha256, name=name, **values)


def tag(image: Image, name: str, **values: object) -> ImageTag:
    return ImageTag.objects.create(image=image, tag=Tag.objects.get_or_create(name=name)[0], **values)


def network(role: str = "places", name: str = "net:1", state: str = "current") -> Generation:
    return Generation.objects.create(role=role, network=name, fingerprint="f", state=state)


def say_everything(image: Image) -> None:
    """Everything that can be said, by everybody."""
    generation = network().pk
    tag(image, "sea", origin="net:1", generation=generation, confidence=0.8, state="accepted", decision=5)
    tag(image, "sea")
    tag(image, "boat", origin="net:1", generation=generation, confidence=0.4, state="suggested", offered=False)
    tag(image, "wave", origin="sidecar")
    tag(image, "plane", origin="net:1", generation=generation, confidence=0.9, state="rejected", decision=6)
    TagAlias.objects.create(name="ocean", tag=Tag.objects.get(name="sea"))
    Tag.objects.filter(name="sea").update(category="place")
    TagImplication.objects.create(tag=Tag.objects.get(name="wave"), implied=Tag.objects.create(name="water"))
    Caption.objects.create(image=image, text="A wave", decision=9)
    Caption.objects.create(image=image, text="a boat", origin="net:2", generation=7, state="rejected", confidence=0.3)
    OcrText.objects.create(image=image, text="STOP\nGO", origin="eyes", words=[["STOP", 0.1, 0.2, 0.3, 0.1, 0.95]])
    by = User.objects.create_user("ada")
    ImageSource.objects.create(image=image, kind="web", address="https://example.org/", title="Wave", author="I", by=by)
    Image.objects.filter(pk=image.pk).update(scores={"novelty": 0.5}, taken_at=datetime(1850, 1, 1, tzinfo=UTC))


def forget() -> None:
    for model in (ImageTag, Caption, OcrText, ImageSource, TagAlias, TagImplication, Tag):
        model.objects.all().delete()
    Image.objects.update(scores={}, taken_at=None)


def bring(tmp_path: Path, *lines: object) -> tuple[str, str]:
    """(what it says, what it says of what went wrong)"""
    file = tmp_path / "said.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    out, err = StringIO(), StringIO()
    call_command("import", metadata=str(file), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def of(*tags: dict, sha256: str = SHA, **more: object) -> dict:
    return {"image": sha256, "tags": [{"state": "accepted"} | each for each in tags], **more}


def states(image: Image) -> dict[tuple[str, str], str]:
    rows = image.image_tags.values_list("tag__name", "origin", "state")
    return {(name, origin): state for name, origin, state in rows}


def test_it_works(image, tmp_path):
    """There, and back again."""
    say_everything(image)
    Generation.objects.create(pk=7, role="caption", network="net:2", fingerprint="f", state="former")
    before = list(exported())
    forget()
    assert len(list(exported())) < len(before)
    out, err = bring(tmp_path, *before)
    assert (
        out
        == "5 tags; 1 pictures are here, 1 of them changed, with 8 words more; 0 are not here; 0 lines are broken.\n"
    )
    assert err == ""
    assert list(exported()) == before
    found = Image.objects.defer(None).get()
    assert found.caption == "A wave"
    names = set(Tag.objects.filter(pk__in=found.tag_ids).values_list("name", flat=True))
    assert names == {"sea", "wave", "water"}
    assert ImpliedTag.objects.count() == 1


def test_it_changes_nothing_the_second_time(image, tmp_path):
    say_everything(image)
    lines = list(exported())
    forget()
    bring(tmp_path, *lines)
    decisions = list(ImageTag.objects.order_by("pk").values())
    out, _ = bring(tmp_path, *lines)
    assert "1 pictures are here, 0 of them changed, with 0 words more" in out
    assert list(ImageTag.objects.order_by("pk").values()) == decisions


def test_pictures_that_are_not_here_are_counted(image, tmp_path):
    out, _ = bring(tmp_path, of({"tag": "sea"}, sha256="f" * 64), of({"tag": "sea"}))
    assert "1 pictures are here, 1 of them changed, with 1 words more; 1 are not here" in out


def test_a_broken_line_is_named_and_the_rest_goes_on(image, tmp_path):
    lines = ['{"lookalike": "metadata", "version": 1}', "{", of({"tag": "sea", "state": "x"}), "", of({"tag": "sea"})]
    out, err = bring(tmp_path, *lines, *["["] * 30)
    assert states(image) == {("sea", "person"): "accepted"}
    assert "line 2: it is no JSON." in err
    assert "line 3: there is no state 'x'; there are suggested, accepted, rejected." in err
    assert "and 12 broken lines more" in err
    assert "32 lines are broken" in out


def test_a_line_that_the_database_refuses_does_not_stop_the_others(image, tmp_path):
    other = make("f" * 64)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE gallery_caption ADD CONSTRAINT picky CHECK (text <> 'bad')")
    refused = of({"tag": "sea"}, captions=[{"text": "bad"}])
    _, err = bring(tmp_path, refused, of({"tag": "lake"}, sha256=other.sha256))
    assert "line 1: the database does not take it" in err
    assert states(other) == {("lake", "person"): "accepted"}
    assert states(image) == {}


def test_a_picture_of_which_very_much_is_said_comes_with_the_others(image, tmp_path):
    """A document has room for 1 MB."""
    other = make("f" * 64)
    captions = [
        {"text": " ".join(f"{number}x{n}" for n in range(120)), "origin": f"net:{number}", "state": "accepted"}
        for number in range(1_500)
    ]
    _, err = bring(tmp_path, of({"tag": "sea"}, captions=captions), of({"tag": "lake"}, sha256=other.sha256))
    assert err == ""
    assert image.captions.count() == 1_500
    assert states(other) == {("lake", "person"): "accepted"}


def test_so_does_one_with_the_most_words_there_are(image):
    """Letters of four bytes, each compound kept as a whole and in its parts."""
    words = ("".join(letters) for letters in product([chr(0x10380 + n) for n in range(30)], repeat=4))
    long = [" ".join(f"{next(words)}-{next(words)}" for _ in range(99)) for _ in range(250)]
    Caption.objects.bulk_create(Caption(image=image, text=long.pop(), origin=f"net:{n}") for n in range(60))
    OcrText.objects.bulk_create(OcrText(image=image, text=long.pop(), origin=f"net:{n}") for n in range(60))
    facts = [[text[:250], text[250:500], text[500:750]] for text in long]
    ImageSource.objects.bulk_create(
        ImageSource(image=image, kind=f"k{n}", title=title, author=author, licence=licence)
        for n, (title, author, licence) in enumerate(facts)
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_column_size(document || ''), length(document) FROM gallery_image")
        size, _ = cursor.fetchone()
    assert 200_000 < size < 2**20


def test_of_two_lines_about_one_picture_both_count(image, tmp_path):
    out, _ = bring(tmp_path, of({"tag": "sea"}), of({"tag": "lake"}))
    assert states(image) == {("sea", "person"): "accepted", ("lake", "person"): "accepted"}
    assert "2 words more; 0 are not here" in out


def test_little_is_in_memory_at_once():
    image = SaidImage(SHA, "", None, None, [], [], [], [], {})
    lines = [Line(n, size, replace(image, sha256=f"{n:064x}")) for n, size in enumerate([9, BYTES_AT_ONCE, 1, 2, 3])]
    assert [[line.number for line in batch] for batch in _batches(lines)] == [[0], [1], [2, 3, 4]]
    many = [Line(n, 9, replace(image, sha256=f"{n:064x}")) for n in range(2 * AT_ONCE + 1)]
    assert [len(batch) for batch in _batches(many)] == [AT_ONCE, AT_ONCE, 1]


@pytest.mark.parametrize("name", ["no.jsonl", "."])
def test_a_file_that_cannot_be_read_is_told(tmp_path, name):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import", metadata=str(tmp_path / name))


def test_something_must_be_named():
    with pytest.raises(CommandError, match="Name a folder"):
        call_command("import")


class TestDecisions:
    def test_a_persons_there_wins_over_a_machines_here(self, image, tmp_path):
        tag(image, "sea", origin="net:1", generation=1, confidence=0.8, state="suggested")
        bring(tmp_path, of({"tag": "sea", "state": "rejected", "origin": "old net", "decided": True}))
        assert states(image) == {("sea", "net:1"): "rejected", ("sea", "old net"): "rejected"}
        assert image.image_tags.get(origin="net:1").decision

    def test_a_persons_here_wins_over_a_machines_there(self, image, tmp_path):
        tag(image, "sea", origin="net:1", generation=1, state="rejected", decision=4)
        bring(tmp_path, of({"tag": "sea", "state": "suggested", "origin": "old net"}))
        assert states(image) == {("sea", "net:1"): "rejected", ("sea", "old net"): "rejected"}

    def test_of_two_persons_the_one_here_wins_and_it_is_said(self, image, tmp_path):
        tag(image, "sea", state="rejected", decision=4)
        Caption.objects.create(image=image, text="Mine")
        _, err = bring(tmp_path, of({"tag": "sea"}, captions=[{"text": "Theirs", "state": "accepted"}]))
        assert err == "2 decisions differ from those made here, which were kept.\n"
        assert states(image) == {("sea", "person"): "rejected"}
        assert image.captions.get().text == "Mine"

    def test_a_persons_caption_comes_beside_a_machines(self, image, tmp_path):
        Caption.objects.create(image=image, text="a dog", origin="net:2", generation=1, state="suggested")
        said = [{"text": "a dog", "origin": "net:9", "state": "rejected"}, {"text": "A wave", "state": "accepted"}]
        bring(tmp_path, of(captions=said))
        assert Image.objects.get().caption == "A wave"
        assert image.captions.get(origin="net:2").state == "rejected"

    def test_a_sidecar_is_no_person(self, image, tmp_path):
        tag(image, "sea", origin="sidecar")
        bring(tmp_path, of({"tag": "sea", "state": "rejected", "decided": True}))
        assert states(image)["sea", "sidecar"] == "rejected"


class TestNetworks:
    def test_words_belong_to_the_generation_that_answers_here(self, image, tmp_path):
        former, current = network(state="former"), network()
        network(role="clip")  # no annotator: it writes no words
        bring(tmp_path, of({"tag": "sea", "state": "suggested", "origin": "net:1", "generation": 999}))
        assert image.image_tags.get().generation == current.pk
        bring(tmp_path, of({"tag": "sea", "state": "suggested", "origin": "net:1", "generation": former.pk}))
        assert set(image.image_tags.values_list("generation", flat=True)) == {former.pk, current.pk}

    def test_a_network_that_was_never_here_owns_nothing(self, image, tmp_path):
        network(name="another")
        bring(tmp_path, of({"tag": "sea", "state": "suggested", "origin": "net:1", "generation": 999}))
        assert (image.image_tags.get().generation, image.image_tags.get().shown) == (0, True)


class TestFacts:
    def test_a_picture_that_came_back_from_its_original_gets_its_name(self, tmp_path):
        image = make(SHA, f"{SHA}.png")
        added = datetime(2020, 5, 5, tzinfo=UTC)
        bring(tmp_path, of(name="../wave.png", added=added.isoformat(), scores={"novelty": 0.5, "size": 1}))
        image.refresh_from_db()
        assert (image.name, image.added_at, image.scores) == ("wave.png", added, {"novelty": 0.5, "size": 1})

    def test_what_is_known_stays(self, image, tmp_path):
        Image.objects.update(scores={"novelty": 0.1}, taken_at=datetime(2000, 1, 1, tzinfo=UTC))
        before = Image.objects.values().get()
        late = "2999-01-01T00:00:00+00:00"
        bring(tmp_path, of(name="other.png", added=late, taken=late, scores={"novelty": 0.5}))
        assert Image.objects.values().get() == before

    def test_sources_are_filled_and_never_replaced(self, image, tmp_path):
        ImageSource.objects.create(image=image, kind="web", address="a", title="Mine")
        bring(tmp_path, of(sources=[{"kind": "web", "address": "a", "title": "Theirs", "author": "I"}]))
        assert list(image.sources.values_list("title", "author")) == [("Mine", "I")]


class TestTags:
    def test_a_name_may_be_another_name_here(self, image, tmp_path):
        sea = Tag.objects.create(name="sea")
        TagAlias.objects.create(name="ocean", tag=sea)
        bring(tmp_path, {"tag": "ocean", "category": "place", "aliases": ["main"]}, of({"tag": "ocean"}))
        assert image.image_tags.get().tag == sea
        assert set(sea.aliases.values_list("name", flat=True)) == {"ocean", "main"}
        assert Tag.objects.get().category == "place"

    def test_what_means_something_else_here_is_left_out_and_said(self, tmp_path):
        cat, dog = Tag.objects.create(name="cat", category="animal"), Tag.objects.create(name="dog")
        TagImplication.objects.create(tag=dog, implied=cat)
        TagAlias.objects.create(name="pet", tag=dog)
        _, err = bring(tmp_path, {"tag": "cat", "category": "x", "aliases": ["pet", "dog"], "implies": ["dog", "cat"]})
        assert err == "4 aliases or implications were left out: they mean something else here.\n"
        cat.refresh_from_db()
        assert (cat.category, cat.aliases.count(), TagImplication.objects.count()) == ("animal", 0, 1)

    def test_pictures_that_are_here_get_what_their_tags_imply(self, image, tmp_path):
        row = tag(image, "husky")
        bring(tmp_path, {"tag": "husky", "implies": ["dog"]}, {"tag": "dog", "implies": ["animal"]})
        tags = Tag.objects.filter(pk__in=Image.objects.defer(None).get(pk=row.image_id).tag_ids)
        assert set(tags.values_list("name", flat=True)) == {"husky", "dog", "animal"}

    def test_no_circle_comes_about(self, tmp_path):
        """Not even a long one, of lines that are read together."""
        said = [{"tag": name, "implies": [implied]} for name, implied in (("a", "b"), ("b", "c"), ("c", "a"))]
        _, err = bring(tmp_path, *said)
        assert err == "1 aliases or implications were left out: they mean something else here.\n"
        assert TagImplication.objects.count() == 2

    def test_a_tag_that_is_just_being_merged_is_told(self, image, tmp_path):
        dog = Tag.objects.create(name="dog")
        TagWork.objects.create(kind="merge", tag=dog, name="dog", before={"name": "doggy"}, after={})
        _, err = bring(tmp_path, {"tag": "husky", "implies": ["dog"]}, {"tag": "cat", "implies": ["animal"]})
        assert "line 1: “doggy”" in err
        assert "its pictures are still being changed" in err
        assert TagImplication.objects.get().implied.name == "animal"

    def test_what_a_stopped_import_has_left_is_caught_up_on(self, image, tmp_path):
        tag(image, "husky")
        bring(tmp_path, {"tag": "husky", "implies": ["dog"]})
        Image.objects.update(tag_ids=[])
        bring(tmp_path, {"tag": "husky", "implies": ["dog"]})
        assert len(Image.objects.defer(None).get().tag_ids) == 2


@pytest.mark.django_db(transaction=True)
class TestOthersAtWork:
    def test_rules_wait_for_whoever_writes_tags(self, tmp_path):
        """Otherwise a picture that gets its tag just now would be without what this tag implies."""
        image, husky = make(SHA), Tag.objects.create(name="husky")
        written, done = threading.Event(), threading.Event()

        def write() -> None:
            with transaction.atomic():
                ImageTag.objects.create(image=image, tag=husky)
                written.set()
                done.wait(1)

        def import_() -> None:
            assert written.wait(60)
            bring(tmp_path, {"tag": "husky", "implies": ["dog"]})
            done.set()

        at_once(2, lambda number: (write, import_)[number]())
        dog = Tag.objects.get(name="dog")
        assert Image.objects.defer(None).get().tag_ids == [husky.pk, dog.pk]

    def test_new_tags_are_there_for_all_before_a_picture_is_locked(self, tmp_path):
        """Somebody else makes a tag, then needs a picture: whoever has the picture must not wait for the tag."""
        image = make(SHA)
        made, ended = threading.Event(), []

        def write() -> None:
            with transaction.atomic():
                pk = tags_called(["new"])["new"]
                made.set()
                time.sleep(0.3)
                Image.objects.select_for_update(no_key=True).get(pk=image.pk)
                ImageTag.objects.create(image=image, tag_id=pk, origin="net:1")
            ended.append("written")

        def import_() -> None:
            assert made.wait(60)
            assert bring(tmp_path, of({"tag": "new"}))[1] == ""

        with connection.cursor() as cursor:
            cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            at_once(2, lambda number: (write, import_)[number]())
        assert ended == ["written"]
        assert states(image) == {("new", "net:1"): "accepted", ("new", "person"): "accepted"}

    def test_a_deadlock_is_tried_again(self, tmp_path):
        first, second = make(SHA), make("f" * 64)
        held, ended = threading.Event(), []

        def write() -> None:
            try:
                with transaction.atomic():
                    Image.objects.select_for_update(no_key=True).get(pk=second.pk)
                    held.set()
                    with connection.cursor() as cursor:
                        cursor.execute("SET LOCAL deadlock_timeout = '60s'")  # the import is the one that ends
                    time.sleep(0.3)
                    Image.objects.select_for_update(no_key=True).get(pk=first.pk)
            finally:
                ended.append("written")

        def import_() -> None:
            assert held.wait(60)
            _, err = bring(tmp_path, of({"tag": "sea"}), of({"tag": "sea"}, sha256=second.sha256))
            assert err == ""

        at_once(2, lambda number: (write, import_)[number]())
        assert ended == ["written"]
        assert ImageTag.objects.count() == 2


@pytest.mark.django_db(transaction=True)
class TestAfterwards:
    """What was brought back outlives indexes and networks."""

    @pytest.fixture
    def image(self) -> Image:
        return image_of("red")

    @pytest.fixture
    def before(self, image, tmp_path) -> list:
        said = {"captions": [{"text": "Mine", "state": "accepted"}], "ocr": [{"text": "STOP", "origin": "eyes"}]}
        tags = [{"tag": "sea"}, {"tag": "boat", "origin": "sidecar"}, {"tag": "red", "state": "rejected"}]
        bring(tmp_path, of(*tags, sha256=image.sha256, **said))
        return self.words()

    def words(self) -> list:
        rows = [row for model in (ImageTag, Caption, OcrText) for row in model.objects.filter(generation=0).values()]
        return rows + list(Image.objects.values("caption", "tag_ids", "document"))

    def test_a_new_index_leaves_them_alone(self, before):
        assert len(before) == 6
        Feature.objects.all().delete()
        call_command("reindex", stdout=StringIO())
        assert Feature.objects.exists()
        call_command("reindex", "--all", stdout=StringIO())
        assert self.words() == before

    def test_so_does_another_network(self, before):
        for network, shade in (("first", 1.0), ("second", 2.0)):
            generation = fill("caption", known(ColourCaptioner(f"colour:{network}", shade)))
            assert generation.state == "current"
            assert self.words()[:5] == before[:5]
            assert Caption.objects.filter(generation=generation.pk).exists()
        assert Image.objects.get().caption == "Mine"
