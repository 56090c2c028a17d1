"""One image is kept and gets the words of the others; and all of it back."""

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Tag
from search.groups import regroup, regrouped_once
from search.merge import MergeError
from search.models import Group, Pair, Resolution


@pytest.fixture
def rows(transactional_db):
    """rows(n) -> n images that are only rows."""

    def rows(n: int) -> list[Image]:
        return [
            Image.objects.create(
                sha256=f"{i:064x}", name=f"{i}.jpg", format="JPEG", bytes=10, width=8, height=6, state="ready"
            )
            for i in range(1, n + 1)
        ]

    return rows


@pytest.fixture
def two(rows):
    return rows(2)


def tag(image: Image, name: str, origin: str = "person", state: str = "accepted") -> ImageTag:
    return image.image_tags.create(tag=Tag.objects.get_or_create(name=name)[0], origin=origin, state=state)


def tags(image: Image) -> set[tuple[str, str, str]]:
    return set(image.image_tags.values_list("tag__name", "origin", "state"))


def merge(keep: Image, *drop: Image, **options: object) -> Resolution:
    return Resolution.objects.merge(keep, list(drop), **options)


def trashed(image: Image) -> bool:
    return Image.objects.get(pk=image.pk).trashed_at is not None


def test_it_works(two, admin):
    keep, drop = two
    tag(keep, "sea")
    tag(drop, "harbour")
    drop.sources.create(kind="folder", address="/old/2.jpg", title="Old")
    resolution = merge(keep, drop, by=admin)
    assert trashed(drop)
    assert not trashed(keep)
    assert tags(keep) == {("sea", "person", "accepted"), ("harbour", "person", "accepted")}
    assert keep.sources.get().address == "/old/2.jpg"
    assert (resolution.by, resolution.keep, resolution.dropped.get().image) == (admin, keep, drop)
    assert resolution.given_words == ["tag “harbour”", "source Old"]
    assert resolution.undo() == []
    assert not trashed(drop)
    assert tags(keep) == {("sea", "person", "accepted")}
    assert not keep.sources.exists()
    assert tags(drop) == {("harbour", "person", "accepted")}
    assert drop.sources.exists()


class TestHandingOn:
    def test_what_is_there_already_is_not_doubled(self, two):
        keep, drop = two
        tag(keep, "sea")
        tag(drop, "sea", "clip")
        tag(drop, "sea")
        for image in two:
            image.sources.create(kind="folder", address="/a.jpg")
        resolution = merge(keep, drop)
        assert resolution.given == []
        assert len(tags(keep)) == keep.sources.count() == 1

    def test_a_suggestion_that_was_accepted_elsewhere_is_accepted(self, two):
        keep, drop = two
        tag(keep, "sea", "clip", "suggested")
        tag(drop, "sea", "clip")
        resolution = merge(keep, drop)
        assert tags(keep) == {("sea", "clip", "accepted")}
        resolution.undo()
        assert tags(keep) == {("sea", "clip", "suggested")}

    def test_suggestions_and_rejections_stay_where_they_are(self, two):
        keep, drop = two
        tag(keep, "dog", state="rejected")
        tag(drop, "dog")
        tag(drop, "cat", "clip", "suggested")
        tag(drop, "cow", "clip", "rejected")
        merge(keep, drop)
        assert tags(keep) == {("dog", "person", "rejected")}

    @pytest.mark.parametrize("model", [Caption, OcrText])
    def test_texts_are_handed_on(self, two, model):
        keep, drop = two
        model.objects.create(image=drop, text="A boat.", origin="blip")
        model.objects.create(image=drop, text="Unsure.", origin="ofa", state="suggested")
        resolution = merge(keep, drop)
        assert model.objects.get(image=keep).text == "A boat."
        resolution.undo()
        assert not model.objects.filter(image=keep).exists()
        assert model.objects.filter(image=drop).count() == 2

    @pytest.mark.parametrize("model", [Caption, OcrText])
    def test_two_texts_of_people_become_one(self, two, model):
        keep, drop = two
        model.objects.create(image=keep, text="A boat.")
        model.objects.create(image=drop, text="In Lisbon.")
        resolution = merge(keep, drop)
        assert model.objects.get(image=keep).text == "A boat.\nIn Lisbon."
        resolution.undo()
        assert model.objects.get(image=keep).text == "A boat."

    def test_an_equal_text_is_not_repeated(self, two):
        keep, drop = two
        Caption.objects.create(image=keep, text="A boat.", origin="blip", state="suggested")
        Caption.objects.create(image=drop, text="A boat.")
        merge(keep, drop)
        assert list(keep.captions.values_list("text", "state")) == [("A boat.", "accepted")]

    @pytest.mark.parametrize("model", [Caption, OcrText])
    def test_what_a_machine_said_stays_a_machines(self, two, model):
        """Of each network there are sentences of several generations."""
        keep, drop = two
        for generation in (1, 2):
            model.objects.create(
                image=keep, text=f"A barn {generation}.", origin="blip", generation=generation, state="suggested"
            )
        model.objects.create(image=drop, text="A boat.", origin="blip", generation=1)
        resolution = merge(keep, drop)
        assert model.objects.get(image=keep, text="A boat.").origin == "blip"
        assert model.objects.filter(image=keep).count() == 3
        resolution.undo()
        assert (
            model.objects.filter(image=keep, state="suggested").count() == model.objects.filter(image=keep).count() == 2
        )

    def test_all_that_say_the_same_are_accepted(self, two):
        keep, drop = two
        for generation in (1, 2):
            words = {"text": "A boat.", "origin": "blip", "generation": generation}
            Caption.objects.create(image=keep, state="suggested", **words)
            Caption.objects.create(image=drop, **words)
        resolution = merge(keep, drop)
        assert set(keep.captions.values_list("origin", "generation", "state")) == {
            ("blip", 1, "accepted"),
            ("blip", 2, "accepted"),
        }
        resolution.undo()
        assert set(keep.captions.values_list("state", flat=True)) == {"suggested"}

    def test_the_date_fills_a_gap(self, two):
        keep, drop = two
        Image.objects.filter(pk=drop.pk).update(taken_at=datetime(2020, 5, 17, 12, tzinfo=UTC))
        resolution = merge(keep, drop)
        keep.refresh_from_db()
        assert keep.taken_at.year == 2020
        resolution.undo()
        keep.refresh_from_db()
        assert keep.taken_at is None

    def test_several_are_merged_at_once(self, rows):
        keep, *drop = rows(4)
        for i, image in enumerate(drop):
            tag(image, "sea")
            tag(image, f"n{i}")
            Caption.objects.create(image=image, text=f"Text {i}")
        resolution = merge(keep, *drop)
        assert {name for name, _, _ in tags(keep)} == {"sea", "n0", "n1", "n2"}
        assert keep.captions.get().text == "Text 0\nText 1\nText 2"
        assert all(trashed(image) for image in drop)
        resolution.undo()
        assert not keep.image_tags.exists()
        assert not keep.captions.exists()
        assert not any(trashed(image) for image in drop)


class TestUndo:
    def test_it_leaves_what_was_changed_since(self, two):
        keep, drop = two
        tag(drop, "sea")
        tag(drop, "sun")
        Caption.objects.create(image=keep, text="A boat.")
        Caption.objects.create(image=drop, text="In Lisbon.")
        drop.sources.create(kind="folder", address="/a.jpg")
        resolution = merge(keep, drop)
        keep.image_tags.filter(tag__name="sea").update(state="rejected")
        keep.captions.update(text="Two boats in Lisbon.")
        keep.sources.update(author="Carol")
        resolution.undo()
        assert tags(keep) == {("sea", "person", "rejected")}
        assert keep.captions.get().text == "Two boats in Lisbon."
        assert keep.sources.get().author == "Carol"

    def test_it_says_what_was_purged_and_keeps_its_words(self, rows):
        keep, one, other = rows(3)
        tag(one, "sea")
        tag(other, "sun")
        resolution = merge(keep, one, other)
        Image.objects.get(pk=one.pk).purge()
        assert resolution.undo() == [
            "2.jpg cannot come back: it was purged. What the kept picture got from it stays there."
        ]
        assert not trashed(other)
        assert {name for name, _, _ in tags(keep)} == {"sea"}

    def test_it_rejects_when_nothing_can_come_back(self, two):
        keep, drop = two
        resolution = merge(keep, drop)
        Image.objects.get(pk=drop.pk).purge()
        with pytest.raises(MergeError, match=r"2\.jpg cannot come back"):
            resolution.undo()
        assert Resolution.objects.standing().exists()

    def test_it_rejects_a_second_time(self, two):
        resolution = merge(*two)
        resolution.undo()
        with pytest.raises(MergeError, match="undone already"):
            resolution.undo()

    def test_it_works_when_somebody_has_restored_already(self, two):
        keep, drop = two
        tag(drop, "sea")
        resolution = merge(keep, drop)
        Image.objects.get(pk=drop.pk).restore()
        assert resolution.dropped.get().restored()
        assert resolution.undo() == []
        assert tags(keep) == set()

    def test_it_works_when_the_kept_one_is_gone(self, two):
        keep, drop = two
        tag(drop, "sea")
        resolution = merge(keep, drop)
        keep.trash()
        keep.purge()
        assert resolution.undo() == []
        assert not trashed(drop)
        assert tags(drop) == {("sea", "person", "accepted")}

    def test_a_chain_of_merges_is_undone_backwards(self, rows):
        a, b, c = rows(3)
        tag(c, "sea")
        first = merge(b, c)
        second = merge(a, b)
        assert {name for name, _, _ in tags(a)} == {"sea"}
        second.undo()
        first.undo()
        assert not any(trashed(image) for image in (a, b, c))
        assert tags(a) == tags(b) == set()


class TestRefusing:
    def test_it_rejects_nothing_to_drop(self, two):
        with pytest.raises(MergeError, match="at least one"):
            merge(two[0])

    def test_it_rejects_the_kept_one_among_the_dropped(self, two):
        with pytest.raises(MergeError, match="kept and dropped"):
            merge(two[0], two[1], two[0])
        assert not trashed(two[1])

    def test_it_rejects_the_same_one_twice(self, two):
        with pytest.raises(MergeError, match="twice"):
            merge(two[0], two[1], two[1])

    def test_it_rejects_what_is_in_the_trash(self, two):
        keep, drop = two
        drop.trash()
        with pytest.raises(MergeError, match=r"2\.jpg is in the trash already"):
            merge(keep, drop)
        with pytest.raises(MergeError, match=r"2\.jpg is in the trash already"):
            merge(drop, keep)
        assert not trashed(keep)

    def test_it_rejects_what_is_gone(self, two):
        keep, drop = two
        stale = Image.objects.get(pk=drop.pk)
        drop.delete()
        with pytest.raises(MergeError, match=r"2\.jpg is gone"):
            merge(keep, stale)

    def test_all_or_nothing(self, rows):
        keep, one, other = rows(3)
        tag(one, "sea")
        other.trash()
        with pytest.raises(MergeError):
            merge(keep, one, other)
        assert not trashed(one)
        assert tags(keep) == set()
        assert not Resolution.objects.exists()

    def test_of_two_at_the_same_time_one_wins(self, two):
        one, other = two
        barrier, results = threading.Barrier(2), []

        def decide(keep: Image, drop: Image) -> None:
            try:
                barrier.wait()
                merge(keep, drop)
                results.append("merged")
            except MergeError as error:
                results.append(str(error))
            finally:
                connection.close()

        threads = [threading.Thread(target=decide, args=pair) for pair in ((one, other), (other, one))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results.count("merged") == 1
        assert any("is in the trash already" in result for result in results)
        assert trashed(one) != trashed(other)


class TestWhatSeveralHad:
    """What two dropped images had in common stays until the last of them goes back."""

    @pytest.fixture
    def three(self, rows):
        keep, one, other = rows(3)
        for image in (one, other):
            tag(image, "harbour")
            image.sources.create(kind="folder", address="/a.jpg")
            Caption.objects.create(image=image, text="A boat.", origin="blip")
            OcrText.objects.create(image=image, text="Lisbon")
        Image.objects.filter(pk__in=[one.pk, other.pk]).update(taken_at=datetime(2020, 5, 17, 12, tzinfo=UTC))
        OcrText.objects.create(image=keep, text="Porto")
        return keep, one, other

    def words(self, image: Image) -> tuple:
        image.refresh_from_db()
        return (
            [name for name, _, _ in tags(image)],
            [source.address for source in image.sources.all()],
            [caption.text for caption in image.captions.all()],
            OcrText.objects.get(image=image).text,
            image.taken_at and image.taken_at.year,
        )

    BEFORE = ([], [], [], "Porto", None)
    AFTER = (["harbour"], ["/a.jpg"], ["A boat."], "Porto\nLisbon", 2020)

    @pytest.mark.parametrize("first", [0, 1])
    def test_it_works(self, three, first):
        keep, one, other = three
        both = [merge(keep, one), merge(keep, other)]
        assert self.words(keep) == self.AFTER
        assert both[1].given_words == []
        both[first].undo()
        assert self.words(keep) == self.AFTER
        both[1 - first].undo()
        assert self.words(keep) == self.BEFORE

    def test_the_one_that_stays_is_said_to_have_given_it(self, three):
        keep, one, other = three
        first, second = merge(keep, one), merge(keep, other)
        first.undo()
        second.refresh_from_db()
        assert len(second.given_words) == 5

    def test_both_in_one_merge_go_back_together(self, three):
        keep, one, other = three
        resolution = merge(keep, one, other)
        assert len(resolution.given_words) == 5
        resolution.undo()
        assert self.words(keep) == self.BEFORE

    def test_one_of_a_merge_that_was_purged_keeps_it_there(self, three):
        keep, one, other = three
        resolution = merge(keep, one, other)
        Image.objects.get(pk=other.pk).purge()
        assert len(resolution.undo()) == 1
        assert self.words(keep) == self.AFTER

    def test_what_was_accepted_for_two_is_a_suggestion_again_at_the_end(self, rows):
        keep, one, other = rows(3)
        tag(keep, "sea", "clip", "suggested")
        for image in (one, other):
            tag(image, "sea", "clip")
        first, second = merge(keep, one), merge(keep, other)
        first.undo()
        assert tags(keep) == {("sea", "clip", "accepted")}
        second.undo()
        assert tags(keep) == {("sea", "clip", "suggested")}


class TestTrashedAgain:
    """Somebody took it out of the trash, and put it back there for a reason of their own."""

    def again(self, image: Image) -> None:
        now = Image.objects.get(pk=image.pk)
        assert now.restore()
        assert now.trash()

    def test_it_works(self, rows):
        keep, one, other = rows(3)
        tag(one, "sea")
        tag(other, "sun")
        resolution = merge(keep, one, other)
        self.again(one)
        (sentence,) = resolution.undo()
        assert sentence.startswith("2.jpg stays in the trash: it was put there again since.")
        assert trashed(one)
        assert not trashed(other)
        assert {name for name, _, _ in tags(keep)} == {"sea"}

    def test_it_rejects_when_none_would_come_back(self, two):
        keep, drop = two
        resolution = merge(keep, drop)
        self.again(drop)
        with pytest.raises(MergeError, match=r"2\.jpg stays in the trash: it was put there again since"):
            resolution.undo()
        assert trashed(drop)
        assert Resolution.objects.standing().exists()

    def test_a_later_merge_is_such_a_reason(self, rows):
        keep, drop, better = rows(3)
        first = merge(keep, drop)
        Image.objects.get(pk=drop.pk).restore()
        merge(better, drop)
        with pytest.raises(MergeError, match="put there again"):
            first.undo()


class TestManyAtOnce:
    @pytest.fixture
    def looks(self, monkeypatch) -> list[set[int]]:
        """The images around which was regrouped, each time."""
        from search import groups

        seen, honest = [], groups.regroup
        monkeypatch.setattr(groups, "regroup", lambda images: (seen.append(set(images)), honest(images)))
        return seen

    def test_the_groups_are_looked_at_once(self, rows, looks):
        keep, *drop = rows(8)
        for image in drop:
            Pair.objects.create(low=keep, high=image, grade=1, score=1)
        regroup([keep.pk])
        resolution = merge(keep, *drop)
        assert looks == [{image.pk for image in drop}]
        assert not Group.objects.exists()
        resolution.undo()
        assert looks[1:] == [{image.pk for image in drop}]
        assert Group.objects.get().size == 8

    def test_nothing_is_regrouped_when_it_fails(self, rows, looks):
        keep, drop = rows(2)
        Pair.objects.create(low=keep, high=drop, grade=1, score=1)

        def fail() -> None:
            with regrouped_once():
                drop.trash()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert looks == []
        assert not trashed(drop)
        drop.trash()
        assert looks == [{drop.pk}]


def test_sources_of_every_kind_are_handed_on(two):
    keep, drop = two
    first_seen = ImageSource.objects.create(image=drop, kind="upload", address="x", author="Ann").first_seen
    merge(keep, drop)
    assert (keep.sources.get().author, keep.sources.get().first_seen) == ("Ann", first_seen)
