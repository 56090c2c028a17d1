"""Duplicates are found one image at a time, and kept in groups that are always up to date."""

import threading
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import DataError, IntegrityError, InterfaceError, InternalError, OperationalError, connection
from django.db.models.functions import Now
from PIL import Image as PillowImage
from PIL import ImageOps

from gallery.models import Image, ImageSource, User
from gallery.paging import CursorError
from ingestion.pipeline import Origin, complete, import_blocks
from search import duplicates, groups
from search.duplicates import dismiss, examine, examine_missing, progress, undismiss, unexamined
from search.engines import get_engine
from search.engines._base import Engine, Grade
from search.models import (
    Dismissal,
    Examination,
    Group,
    GroupMember,
    Pair,
    Resolution,
    page_of_images,
    same_bytes,
)
from tests.gallery import made
from tests.pictures import encode, photo


def examine_all() -> None:
    for _ in examine_missing():
        pass


def shown(grade=None) -> list[set[int]]:
    """The images of each group, in the order of their first."""
    found = [set(group.members.values_list("image", flat=True)) for group in Group.objects.listed(grade)]
    return sorted(found, key=sorted)


def large(seed: int) -> PillowImage.Image:
    return photo(seed, 800, 600)


@pytest.fixture
def copies(add):
    """Three copies of one picture, and another picture."""
    first, second, third = add(large(1)), add(large(1).resize((400, 300))), add(large(1), quality=40)
    add(large(2))
    return first, second, third


def pair(one: Image, other: Image, grade: Grade = Grade.SAME, whole: Image | None = None) -> Pair:
    low, high = sorted((one, other), key=lambda image: image.pk)
    return Pair.objects.create(low=low, high=high, grade=grade, score=0.9, whole=whole, versions=duplicates.versions())


@pytest.fixture
def rows(db):
    """rows(n) -> n images that are only rows."""

    def rows(n: int) -> list[Image]:
        first = Image.objects.count()
        images = [
            Image(
                sha256=f"{first + i:064x}", name=f"{first + i}.jpg", format="JPEG", bytes=10, width=8, height=6,
                state="ready",
            )
            for i in range(n)
        ]  # fmt: skip
        return Image.objects.bulk_create(images)

    return rows


def test_it_works(copies):
    first, second, third = copies
    examine_all()
    assert shown() == [{first.pk, second.pk, third.pk}]
    group = Group.objects.get()
    assert (group.grade, group.label, group.size) == (Grade.SAME, "same picture", 3)
    assert not unexamined().exists()
    assert (progress().examined, progress().total, progress().missing) == (4, 4, 0)


class TestExamining:
    def test_a_pair_is_the_same_from_either_side(self, add):
        first, second = add(large(1)), add(ImageOps.mirror(large(1)))
        assert examine(first) == 1
        before = Pair.objects.get()
        assert examine(second) == 1
        after = Pair.objects.get()
        assert (before.low_id, before.high_id, before.grade) == (after.low_id, after.high_id, after.grade)
        assert after.found_at == before.found_at
        assert after.seen_from(first).query == after.seen_from(second).match == first
        assert "mirrored" in after.words

    def test_it_can_be_repeated(self, copies):
        for _ in range(2):
            for image in Image.objects.all():
                examine(image)
        assert Pair.objects.count() == 3
        assert Group.objects.count() == 1

    def test_two_may_examine_at_the_same_time(self, copies):
        failed = []

        def look(image: Image) -> None:
            try:
                examine(image)
            except Exception as error:
                failed.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=look, args=[image]) for image in (*copies, *copies)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert Pair.objects.count() == 3
        assert shown() == [{image.pk for image in copies}]

    def test_a_crop_is_a_part_whichever_is_asked(self, add):
        part, whole = add(large(1).crop((200, 100, 560, 420))), add(large(1))
        for asked in (part, whole):
            Pair.objects.all().delete()
            examine(asked)
            found = Pair.objects.get()
            assert (found.grade, found.whole) == (Grade.CONTAINS, whole)
            assert found.seen_from(part).alignment["relation"] == "part"
            assert found.seen_from(whole).alignment["relation"] == "whole"
            assert "of the original" in found.seen_from(part).words
        assert [(group.centre, group.size) for group in Group.objects.all()] == [(whole, 2)]

    def test_the_outline_of_a_part_is_where_it_was_cut(self, add):
        whole, part = add(large(1)), add(large(1).crop((200, 150, 600, 450)))
        examine(part)
        corners = Pair.objects.get().seen_from(whole).alignment["in_query"]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        assert (min(xs), max(xs), min(ys), max(ys)) == pytest.approx((0.25, 0.75, 0.25, 0.75), abs=0.03)

    def test_a_collage_is_shown_with_its_parts(self, add):
        parts = [add(large(seed)) for seed in (1, 2, 3, 4)]
        sheet = PillowImage.new("RGB", (1600, 1200))
        for i, seed in enumerate((1, 2, 3, 4)):
            sheet.paste(large(seed), (800 * (i % 2), 600 * (i // 2)))
        collage = add(sheet)
        examine_all()
        assert shown(Grade.CONTAINS) == [{collage.pk, *(part.pk for part in parts)}]
        group = Group.objects.get(grade=Grade.CONTAINS)
        assert group.centre == collage
        assert group.candidates()[0] == collage
        assert group.pairs().count() == 4

    def test_unrelated_pictures_are_no_duplicates(self, add):
        for seed in range(1, 7):
            add(seed)
        examine_all()
        assert not Pair.objects.exists()

    def test_plain_pictures_are_no_duplicates(self, add):
        for grey in (10, 90, 170, 250):
            add(PillowImage.new("RGB", (300, 200), (grey, grey, grey)))
        add(PillowImage.linear_gradient("L").convert("RGB"))
        add(PillowImage.linear_gradient("L").resize((300, 300)).convert("RGB"))
        examine_all()
        assert shown(Grade.LOOKS_LIKE) == []

    def test_what_lies_in_the_trash_is_not_found(self, add):
        first, second = add(1), add(photo(1), quality=50)
        second.trash()
        assert examine(first) == 0

    def test_what_goes_to_the_trash_meanwhile_gets_no_pair(self, add, monkeypatch):
        first, second = add(1), add(photo(1), quality=50)
        honest = duplicates.retrieve

        def slow(*args, **options):
            answer = honest(*args, **options)
            second.trash()
            return answer

        monkeypatch.setattr(duplicates, "retrieve", slow)
        assert examine(first) == 0
        assert not Group.objects.exists()

    def test_a_new_version_of_an_engine_examines_again(self, copies, monkeypatch):
        examine_all()
        monkeypatch.setattr(duplicates, "versions", lambda: "local_features 99, phash 99")
        assert unexamined().count() == 4
        Pair.objects.create(
            low=copies[0], high=Image.objects.get(pk=copies[2].pk + 1), grade=1, score=1
        )  # once a proof
        examine_all()
        assert not unexamined().exists()
        assert Pair.objects.count() == 3  # and now no more
        assert set(Pair.objects.values_list("versions", flat=True)) == {"local_features 99, phash 99"}

    def test_a_group_that_a_new_version_does_not_find_goes(self, add, monkeypatch):
        one, other = add(1), add(2)
        for grade, whole in ((Grade.SAME, None), (Grade.CONTAINS, one), (Grade.LOOKS_LIKE, None)):
            Pair.objects.all().delete()
            pair(one, other, grade, whole)
            groups.regroup([one.pk])
            assert len(shown(grade)) == 1
            monkeypatch.setattr(duplicates, "versions", lambda grade=grade: f"local_features {90 + grade}")
            examine_all()
            assert not Pair.objects.exists()
            assert shown() == []

    def test_a_picture_without_features_waits(self, add):
        image = add(1)
        image.features.filter(engine="phash").delete()
        assert not unexamined().exists()
        assert progress().missing == 1

    def test_a_busy_machine_is_waited_for(self, copies, monkeypatch):
        """A page would give up by now."""
        monkeypatch.setattr(Engine, "seconds", 0.0)
        examine_all()
        assert set(Examination.objects.values_list("notice", flat=True)) == {""}

    def test_an_engine_that_fails_is_asked_again_later(self, copies, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(type(get_engine("phash")), "search", lambda *args: 1 / 0)
            examine_all()
        assert not unexamined().exists()
        assert progress().examined == 0
        assert Examination.objects.filter(notice__contains="failed").count() == 4
        Examination.objects.update(at=Now() - timedelta(hours=2))
        assert unexamined().count() == 4
        examine_all()
        assert progress().missing == 0

    def test_one_that_cannot_be_examined_does_not_hold_up_the_others(self, copies, monkeypatch):
        honest = duplicates.examine
        bad = copies[1]
        monkeypatch.setattr(duplicates, "examine", lambda image: 1 / 0 if image == bad else honest(image))
        examine_all()
        assert (progress().examined, progress().missing) == (3, 1)
        assert "ZeroDivisionError" in Examination.objects.get(image=bad).notice

    @pytest.mark.parametrize("error", [DataError, IntegrityError, InternalError])
    def test_a_row_that_the_database_refuses_does_not_either(self, copies, monkeypatch, error):
        def refuse(image: Image, pairs: list) -> None:
            if image == copies[1]:
                raise error("It does not fit.")

        monkeypatch.setattr(duplicates, "_remember", refuse)
        examine_all()
        assert (progress().examined, progress().missing) == (3, 1)
        assert Examination.objects.get(image=copies[1]).notice == f"{error.__name__}: It does not fit."

    @pytest.mark.parametrize("error", [OperationalError, InterfaceError])
    def test_without_a_database_nothing_is_noted(self, copies, monkeypatch, error):
        def lose(image: Image) -> int:
            raise error("The connection is closed.")

        monkeypatch.setattr(duplicates, "examine", lose)
        with pytest.raises(error):
            examine_all()
        assert not Examination.objects.exists()

    def test_the_newest_comes_first(self, add):
        images = [add(seed) for seed in (1, 2, 3)]
        assert list(unexamined()) == images[::-1]

    def test_one_at_a_time(self, add):
        add(1)
        seen = []

        def other() -> None:
            try:
                seen.extend(examine_missing())
            finally:
                connection.close()

        with duplicates._turn(wait=False) as mine:
            assert mine
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        assert seen == []
        assert len(list(examine_missing())) == 1

    def test_the_task_examines(self, copies):
        from search.tasks import examine_new

        examine_new.call_local()
        assert len(shown()) == 1


class TestGroups:
    def test_alike_pictures_are_not_chained(self, rows):
        images = rows(5)
        for one, other in pairwise(images):
            pair(one, other, Grade.LOOKS_LIKE)
            groups.regroup([one.pk])
        for group in Group.objects.all():
            near = {p.low_id if p.high_id == group.centre_id else p.high_id for p in group.pairs()}
            assert set(group.members.values_list("image", flat=True)) == near | {group.centre_id}
        covered = [set(m) for m in shown()]
        assert all(any({p.low_id, p.high_id} <= m for m in covered) for p in Pair.objects.all())

    def test_what_is_the_same_by_way_of_a_third_is_not_shown_as_alike_too(self, rows):
        a, b, c = rows(3)
        pair(a, b, Grade.LOOKS_LIKE)
        groups.regroup([a.pk])
        assert shown(Grade.LOOKS_LIKE) == [{a.pk, b.pk}]
        pair(a, c)
        pair(b, c)
        groups.regroup([c.pk])
        assert shown() == [{a.pk, b.pk, c.pk}]

    def test_two_that_only_overlap_are_a_group_of_their_own(self, rows):
        a, b, c = rows(3)
        pair(a, b, Grade.CONTAINS)
        pair(b, c, Grade.CONTAINS)
        groups.regroup([b.pk])
        assert shown(Grade.CONTAINS) == [{a.pk, b.pk}, {b.pk, c.pk}]
        assert all(group.pairs().count() == 1 for group in Group.objects.all())

    def test_a_picture_in_many_others_does_not_slow_them_down(self, rows, django_assert_max_num_queries):
        logo, *pages = rows(301)
        for page in pages:
            pair(logo, page, Grade.CONTAINS, page)
        with django_assert_max_num_queries(30):
            groups.regroup([logo.pk])
        assert Group.objects.count() == 300
        with django_assert_max_num_queries(30):
            groups.regroup([pages[0].pk])
        assert Group.objects.count() == 300

    def test_a_group_that_grows_keeps_its_address(self, rows):
        a, b, c = rows(3)
        pair(a, b)
        groups.regroup([a.pk])
        before = Group.objects.get().pk
        pair(b, c)
        groups.regroup([c.pk])
        assert Group.objects.get().pk == before
        assert shown() == [{a.pk, b.pk, c.pk}]

    def test_two_groups_become_one(self, rows):
        a, b, c, d = rows(4)
        pair(a, b)
        pair(c, d)
        groups.regroup([a.pk, c.pk])
        assert len(shown()) == 2
        pair(b, c)
        groups.regroup([b.pk])
        assert shown() == [{a.pk, b.pk, c.pk, d.pk}]

    def test_the_rest_of_the_collection_is_left_alone(self, rows):
        images = rows(40)
        for one, other in zip(images[::2], images[1::2], strict=True):
            pair(one, other)
            groups.regroup([one.pk])
        before = list(Group.objects.order_by("pk").values_list("pk", flat=True))
        new = rows(1)[0]
        pair(images[0], new)
        groups.regroup([new.pk])
        assert list(Group.objects.order_by("pk").values_list("pk", flat=True)) == before
        assert len(shown()) == 20


class TestTrash:
    def test_the_trash_takes_an_image_out_and_restoring_brings_it_back(self, copies):
        first, second, third = copies
        examine_all()
        second.trash()
        assert shown() == [{first.pk, third.pk}]
        third.trash()
        assert shown() == []
        second.restore()
        third.restore()
        assert shown() == [{first.pk, second.pk, third.pk}]

    def test_a_restored_image_is_examined_again(self, copies):
        examine_all()
        copies[1].trash()
        assert not unexamined().exists()
        copies[1].restore()
        complete(copies[1])
        assert list(unexamined()) == [copies[1]]

    def test_without_the_one_that_connects_them_two_groups_are_left(self, rows):
        a, b, c, d, e = rows(5)
        for one, other in ((a, b), (b, c), (c, d), (d, e)):
            pair(one, other)
        groups.regroup([c.pk, a.pk, e.pk])
        assert len(shown()) == 1
        c.trash()
        assert shown() == [{a.pk, b.pk}, {d.pk, e.pk}]

    @pytest.mark.django_db(transaction=True)
    def test_a_purge_leaves_no_group_of_one(self, copies):
        examine_all()
        copies[0].trash()
        copies[0].purge()
        assert shown() == [{copies[1].pk, copies[2].pk}]
        copies[1].delete()  # not even by way of the trash
        assert shown() == []
        assert not Group.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_a_larger_group_is_smaller_after_a_purge(self, copies):
        examine_all()
        copies[2].delete()
        assert Group.objects.get().size == 2

    def test_a_crash_after_a_purge_is_mended(self, copies):
        examine_all()
        GroupMember.objects.filter(image=copies[2]).delete()
        copies[2].trash()
        Group.objects.update(size=3)
        assert groups.mend_groups() == 1
        assert Group.objects.get().size == 2
        assert groups.mend_groups() == 0

    def test_an_image_without_duplicates_costs_the_trash_little(self, rows, django_assert_max_num_queries):
        (image,) = rows(1)
        with django_assert_max_num_queries(12):
            image.trash()


class TestDismissing:
    def test_it_works(self, copies, admin):
        first, second, third = copies
        examine_all()
        for p in Pair.objects.touching([third.pk]):
            p.dismiss(admin)
        assert shown() == [{first.pk, second.pk}]
        assert {d.by for d in Dismissal.objects.all()} == {admin}
        assert {image for d in Dismissal.objects.all() for image in d.images()} == {first, second, third}

    def test_it_is_undone(self, copies):
        examine_all()
        batch = Group.objects.get().dismiss()
        assert shown() == []
        assert undismiss(batch) == 3
        assert len(shown()) == 1
        assert undismiss(batch) == 0

    def test_one_is_taken_back(self, rows):
        a, b = rows(2)
        pair(a, b).dismiss()
        assert shown() == []
        Dismissal.objects.get().undo()
        assert shown() == [{a.pk, b.pk}]

    def test_it_is_remembered_when_everything_is_examined_again(self, copies, monkeypatch):
        examine_all()
        Group.objects.get().dismiss()
        monkeypatch.setattr(duplicates, "versions", lambda: "local_features 99, phash 99")
        examine_all()
        assert shown() == []
        Pair.objects.all().delete()
        examine(copies[0])
        assert Pair.objects.exists()
        assert shown() == []

    def test_it_is_remembered_after_a_purge_and_a_new_import(self, add):
        first, second = add(1), add(photo(1), quality=50)
        examine_all()
        Group.objects.get().dismiss()
        second.trash()
        second.purge()
        again = add(photo(1), quality=50)
        assert again.pk != second.pk
        examine_all()
        assert Pair.objects.get().dismissed
        assert shown() == []
        assert undismiss(Dismissal.objects.all()) == 1
        assert shown() == [{first.pk, again.pk}]

    def test_pairs_that_were_not_found_yet_are_dismissed_with_the_group(self, rows):
        a, b, c = rows(3)
        pair(a, b)
        pair(b, c)
        groups.regroup([b.pk])
        Group.objects.get().dismiss()
        pair_now = duplicates._dismissed_of(a)
        assert pair_now == {b.sha256, c.sha256}

    def test_the_parts_of_a_whole_say_nothing_of_each_other(self, rows):
        whole, a, b = rows(3)
        pair(whole, a, Grade.CONTAINS, whole)
        pair(whole, b, Grade.CONTAINS, whole)
        groups.regroup([whole.pk])
        Group.objects.get().dismiss()
        said = [set(dismissal.images()) for dismissal in Dismissal.objects.order_by("pk")]
        assert sorted(said, key=lambda images: b in images) == [{whole, a}, {whole, b}]

    def test_it_requires_what_was_shown(self, rows):
        a, b, c = rows(3)
        pair(a, b)
        groups.regroup([a.pk])
        group = Group.objects.get()
        seen = groups.stamps([group.pk])[group.pk]
        pair(b, c)
        groups.regroup([c.pk])
        with pytest.raises(groups.GroupChanged, match="has changed since"):
            group.dismiss(shown=seen)
        assert not Dismissal.objects.exists()
        group.dismiss(shown=groups.stamps([group.pk])[group.pk])
        assert shown() == []

    def test_twice_is_as_good_as_once(self, rows):
        a, b = rows(2)
        pair(a, b)
        dismiss([(a.pk, b.pk)])
        dismiss([(b.pk, a.pk)])
        assert Dismissal.objects.count() == 1

    def test_images_that_are_gone_are_passed_over(self, rows):
        (a,) = rows(1)
        dismiss([(a.pk, a.pk + 99)])
        assert not Dismissal.objects.exists()

    def test_it_outlives_the_person(self, rows):
        a, b = rows(2)
        user = User.objects.create_user("carol")
        pair(a, b).dismiss(user)
        user.delete()
        assert Dismissal.objects.get().by is None


class TestSameBytes:
    def test_it_works(self, add):
        image, other = add(1, name="a.jpg"), add(2, name="c.jpg")
        import_blocks([encode(photo(1))], "b.jpg", Origin("folder", "/photos/b.jpg"))
        images, after = page_of_images(same_bytes())
        assert (images, after) == ([image], "")
        assert [source.address for source in images[0].sources.all()] == ["a.jpg", "/photos/b.jpg"]
        assert other not in images

    def test_what_a_merge_handed_on_is_no_second_place(self, rows):
        keep, drop, twice = rows(3)
        keep.sources.create(kind="folder", address="/own.jpg")
        for image in (drop, twice):
            image.sources.create(kind="folder", address=f"/{image.pk}.jpg")
        twice.sources.create(kind="upload", address="again.jpg")
        Resolution.objects.merge(keep, [drop])
        assert keep.sources.count() == 2
        assert list(same_bytes()) == [twice]
        Resolution.objects.merge(keep, [twice])
        assert list(same_bytes()) == []
        keep.sources.create(kind="upload", address="own, again.jpg")
        assert list(same_bytes()) == [keep]

    def test_it_is_paged(self, rows, django_assert_num_queries):
        images = rows(30)
        ImageSource.objects.bulk_create(
            ImageSource(image=image, kind="folder", address=f"/{i}") for image in images for i in (1, 2)
        )
        found, after = [], ""
        while True:
            with django_assert_num_queries(2):
                page, after = page_of_images(same_bytes(), after, 7)
            found += page
            if not after:
                break
        assert found == images[::-1]


def many_groups(n: int) -> None:
    images = made.rows(2 * n)
    groups = Group.objects.bulk_create(Group(grade=1 + i % 3, size=2) for i in range(n))
    GroupMember.objects.bulk_create(
        GroupMember(group=group, image_id=image)
        for i, group in enumerate(groups)
        for image in images[2 * i : 2 * i + 2]
    )  # fmt: skip


class TestManyGroups:
    def test_a_page_takes_the_same_few_queries(self, db, django_assert_num_queries):
        many_groups(3_000)
        with django_assert_num_queries(2):
            page, after = Group.objects.listed().page(size=20)
            assert [len(group.shown) for group in page] == [2] * 20
            assert page[0].shown[0].image.name
        with django_assert_num_queries(2):
            second, _ = Group.objects.listed().page(after, 20)
        assert second[0].pk == page[-1].pk - 1
        middle = str(Group.objects.listed()[1500].pk)
        with django_assert_num_queries(2):
            Group.objects.listed(Grade.SAME).page(middle, 20)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE search_group, search_groupmember, gallery_image")
        plan = Group.objects.listed(Grade.SAME).filter(pk__lt=int(middle))[:21].explain()
        assert "group_by_grade" in plan or "search_group_pkey" in plan
        assert "Sort" not in plan
        with django_assert_num_queries(2):
            page, _ = Group.objects.listed(name="5999.JPG").page()
        assert len(page) == 1
        with django_assert_num_queries(1):
            assert Group.objects.counts() == {Grade.SAME: 1000, Grade.CONTAINS: 1000, Grade.LOOKS_LIKE: 1000}

    def test_every_group_is_on_one_page(self, db):
        many_groups(300)
        found, after = [], ""
        while True:
            page, after = Group.objects.listed(Grade.CONTAINS).page(after, 30)
            found += [group.pk for group in page]
            if not after:
                break
        assert found == sorted(set(found), reverse=True)
        assert len(found) == 100

    def test_it_filters_by_size(self, rows):
        a, b, c, d, e = rows(5)
        for one, other in ((a, b), (b, c), (d, e)):
            pair(one, other)
        groups.regroup([a.pk, b.pk, d.pk])
        assert [group.size for group in Group.objects.listed(min_size=3)] == [3]

    def test_it_rejects_a_broken_cursor(self, db):
        for broken in ("x", "-1", "0", "9" * 30, "1.2"):
            with pytest.raises(CursorError, match="Start again"):
                Group.objects.listed().page(broken)
