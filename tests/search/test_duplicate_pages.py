"""The pages of duplicates: looking at groups, deciding about them, taking it back."""

import re
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.models import Image, ImageTag, Tag
from gallery.renditions import remove_renditions
from search.duplicates import examine_missing
from search.engines._base import Grade
from search.groups import stamps
from search.models import Dismissal, Group, GroupMember, Resolution
from tests.search.doubles import LIST, large, pair, text

HTMX = {"HX-Request": "true"}


def rows(count: int) -> None:
    """So many groups of two, as rows only; each has more to gain than the one before."""
    images = Image.objects.bulk_create(
        Image(
            sha256=f"{i:064x}", name=f"{i}.jpg", format="JPEG", bytes=1000 + i, width=80, height=60, state="ready"
        )
        for i in range(2 * count)
    )  # fmt: skip
    groups = Group.objects.bulk_create(Group(grade=Grade.SAME, size=2) for _ in range(count))
    GroupMember.objects.bulk_create(
        GroupMember(group=group, image=image) for i, group in enumerate(groups) for image in images[2 * i : 2 * i + 2]
    )


def seen(group: Group) -> dict[str, str]:
    """What the button "Not duplicates" posts."""
    return {"shown": stamps([group.pk])[group.pk]}


def shown(response) -> list[int]:
    return [int(pk) for pk in re.findall(r'id="group-(\d+)"', response.content.decode())]


class TestLooking:
    def test_it_works(self, two, as_admin: Client):
        first, second, group = two
        page = as_admin.get(LIST)
        assert "2 copies of the same picture" in text(page)
        assert "matching points" in text(page)
        assert "2 of 2 pictures" not in text(page)  # all are examined: nothing to say
        row = as_admin.get(f"{LIST}{group.pk}/row/", headers=HTMX)
        assert "Keep this one: larger: 800 × 600 against 400 × 300." in text(row)
        assert "harbour.jpg stays; the other one goes to the trash." in text(row)
        page = as_admin.get(f"{LIST}{group.pk}/")
        assert f'value="{first.pk}" data-key="1" autocomplete="off" required checked' in page.content.decode()
        for words in ("larger: 800 × 600 against 400 × 300", "Pixels", "400 × 300", "Compression", "bits a pixel"):
            assert words in text(page)
        assert f"/search/like/{second.pk}/match/{first.pk}/warped.webp" in page.content.decode()

    def test_it_is_for_staff_only(self, two, client: Client, as_member: Client):
        pk = two[2].pk
        pages = [LIST, f"{LIST}progress/", f"{LIST}same-bytes/", f"{LIST}{pk}/", f"{LIST}{pk}/row/"]
        pages += [f"{LIST}{pk}/outcome/", f"{LIST}rules/", f"{LIST}history/"]
        for page in pages:
            answer = client.get(page)
            assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={page}")
            assert as_member.get(page).status_code == 403  # the sign-in would only send a member back
            assert client.get(page, headers=HTMX).status_code == 403
        actions = [f"{pk}/merge/", f"{pk}/dismiss/", "decision/1/undo/", f"dismissal/{uuid.uuid4()}/undo/"]
        for action in [*actions, "rules/apply/", f"rules/{uuid.uuid4()}/undo/"]:
            assert client.post(LIST + action)["Location"] == f"/login/?next={LIST}"
            assert as_member.post(LIST + action).status_code == 403
        assert not Image.objects.trashed().exists()
        assert LIST not in as_member.get("/").content.decode()

    def test_it_tells_how_far_the_examination_is(self, add, as_admin: Client):
        add(1)
        assert "Nothing found so far" in text(as_admin.get(LIST))
        page = as_admin.get(f"{LIST}progress/", headers=HTMX).content.decode()
        assert "0 of 1 picture examined" in page
        assert "every 3s" in page
        for _ in examine_missing():
            pass
        page = as_admin.get(f"{LIST}progress/", headers=HTMX).content.decode()
        assert "All 1 picture is examined" in page
        assert "hx-trigger" not in page
        assert "There are no duplicates" in text(as_admin.get(LIST))

    def test_it_says_what_an_empty_list_means(self, db, as_admin: Client):
        assert "There is no picture yet" in text(as_admin.get(LIST))
        rows(1)
        assert "There is no group of this kind" in text(as_admin.get(f"{LIST}?grade=like"))
        assert "No group is like that" in text(as_admin.get(f"{LIST}?name=nowhere"))

    def test_it_shows_grades_apart(self, add, as_admin: Client):
        one, other, piece = add(1), add(2), add(3)
        same, part = pair(one, other), pair(one, piece, Grade.CONTAINS, whole=one)
        assert shown(as_admin.get(f"{LIST}?grade=same")) == [same.pk]
        page = as_admin.get(f"{LIST}?grade=part")
        assert shown(page) == [part.pk]
        assert "A picture and 1 part of it" in text(page)
        assert "Merge: keep the best" not in text(page)
        assert "All 2 Same picture 1 Part of 1 Look-alike 0" in text(page)

    def test_it_filters(self, db, as_admin: Client):
        rows(3)
        group = Group.objects.first()
        assert group
        Image.objects.filter(duplicate_groups=group).update(width=4000, height=3000)
        assert shown(as_admin.get(f"{LIST}?mp=12")) == [group.pk]
        assert shown(as_admin.get(f"{LIST}?many=3")) == []
        name = group.members.first().image.name
        assert shown(as_admin.get(f"{LIST}?name={name}")) == [group.pk]
        assert as_admin.get(f"{LIST}?name=%00&many=x&mp=9&sort=no&grade=no").status_code == 200

    @pytest.mark.parametrize("sort", ["room", "newest", "largest"])
    def test_it_pages_through_every_group_once(self, db, as_admin: Client, sort: str):
        rows(45)
        address, met = f"{LIST}?sort={sort}", []
        while address:
            page = as_admin.get(address).content.decode()
            met += [int(pk) for pk in re.findall(r'id="group-(\d+)"', page)]
            onward = re.search(r'rel="next" href="([^"]+)"', page)
            address = LIST + onward[1].replace("&amp;", "&") if onward else ""
        assert met == list(Group.objects.order_by("-pk").values_list("pk", flat=True))

    def test_it_needs_no_more_queries_for_thousands_of_groups(self, db, as_admin: Client):
        def queries(path: str) -> int:
            with CaptureQueriesContext(connection) as seen:
                assert as_admin.get(path).status_code == 200
            return len(seen)

        as_admin.get("/")  # it is noted, once an hour, that somebody was here
        rows(30)
        few = queries(LIST), queries(f"{LIST}{Group.objects.first().pk}/"), queries(f"{LIST}history/")
        GroupMember.objects.all().delete()
        Group.objects.all().delete()
        Image.objects.all().delete()
        rows(1_000)
        many = queries(LIST), queries(f"{LIST}{Group.objects.first().pk}/"), queries(f"{LIST}history/")
        assert many == few
        assert max(many) < 40

    def test_it_shows_what_came_in_twice(self, add, as_admin: Client):
        image = add(1, "twice.jpg")
        assert "No file came in twice" in text(as_admin.get(f"{LIST}same-bytes/"))
        image.sources.create(kind="folder", address="/photos/twice.jpg")
        assert "/photos/twice.jpg" in text(as_admin.get(f"{LIST}same-bytes/"))

    def test_it_outlines_parts(self, add, as_admin: Client):
        whole = add(large(5), "whole.jpg")
        add(large(5).crop((200, 150, 600, 450)), "part.jpg")
        for _ in examine_missing():
            pass
        group = Group.objects.get(grade=Grade.CONTAINS)
        page = as_admin.get(f"{LIST}{group.pk}/").content.decode()
        assert page.count('<polygon class="line"') == 1
        assert not re.search(r'name="(keep|drop)"[^>]* checked', page)  # each is worth keeping
        assert group.centre == whole

    def test_many_are_shown_on_demand(self, add, as_admin: Client):
        images = [add(seed) for seed in range(6)]
        for other in images[1:]:
            group = pair(images[0], other)
        assert as_admin.get(f"{LIST}{group.pk}/").content.decode().count('name="keep"') == 4
        assert "Show 2 more" in text(as_admin.get(f"{LIST}{group.pk}/"))
        assert as_admin.get(f"{LIST}{group.pk}/?all=1").content.decode().count('name="keep"') == 6

    def test_it_lays_the_chosen_two_on_each_other(self, two, as_admin: Client):
        first, second, group = two
        query = f"?under={second.pk}&over={first.pk}"
        partial = as_admin.get(f"{LIST}{group.pk}/{query}", headers=HTMX).content.decode()
        assert f"/search/like/{first.pk}/match/{second.pk}/warped.webp" in partial
        assert "<html" not in partial
        for query in ("?under=x&over=-1", f"?under={first.pk}&over={first.pk}"):
            assert as_admin.get(f"{LIST}{group.pk}/{query}").status_code == 200

    @pytest.mark.parametrize("pk", [0, 10**9, 2**63, 10**30])
    def test_it_says_that_a_group_is_gone(self, db, as_admin: Client, pk: int):
        for path in (f"{pk}/", f"{pk}/merge/", f"{pk}/dismiss/"):
            answer = as_admin.get(LIST + path) if path == f"{pk}/" else as_admin.post(LIST + path)
            assert answer.status_code == 410
            assert "not there any more" in text(answer)

    @pytest.mark.parametrize("after", ["x", "-1", "1.2.3", "9" * 30, "5", "1.%00"])
    def test_it_rejects_a_broken_page_address(self, db, as_admin: Client, after: str):
        answer = as_admin.get(f"{LIST}?after={after}")
        assert answer.status_code == 400
        assert "Start again from the first page" in text(answer)
        for path in ("same-bytes/", "history/", "history/?kind=dismissed", "rules/?rule=largest"):
            sign = "&" if "?" in path else "?"
            assert as_admin.get(f"{LIST}{path}{sign}after=x").status_code == 400

    def test_hostile_names_are_text(self, two, as_admin: Client):
        Image.objects.update(name="<script>alert(1)</script>")
        pk = two[2].pk
        for path in ("", f"{pk}/", f"{pk}/row/", "rules/?rule=largest"):
            assert "<script>alert" not in as_admin.get(LIST + path, headers=HTMX).content.decode()


class TestDeciding:
    def test_it_works(self, two, as_admin: Client):
        """Merge, see it said, undo."""
        first, second, group = two
        ImageTag.objects.create(image=second, tag=Tag.objects.create(name="ship"))
        choice = {"keep": first.pk, "drop": [second.pk]}
        outcome = as_admin.get(f"{LIST}{group.pk}/outcome/", choice, headers=HTMX)
        assert "harbour.jpg stays; the other one goes to the trash. 1 tag or text and 1 source are handed on." in text(
            outcome
        )
        page = as_admin.post(f"{LIST}{group.pk}/merge/", choice, follow=True)
        assert "harbour.jpg is kept, small.jpg is in the trash for 30 days." in text(page)
        assert "All is decided" in text(page)
        second.refresh_from_db()
        assert second.trashed_at
        assert first.tags.get().name == "ship"
        resolution = Resolution.objects.get()
        assert resolution.by.username == "bob"
        undo = f"{LIST}decision/{resolution.pk}/undo/?"
        assert f'action="{undo}"' in page.content.decode()
        page = as_admin.post(undo, follow=True)
        assert "Undone: 1 picture back." in text(page)
        assert page.redirect_chain[0][0].startswith(f"{LIST}{Group.objects.get().pk}/")
        assert not first.tags.exists()
        assert as_admin.post(undo).status_code == 409

    def test_dismissed_is_not_asked_again_until_wanted(self, two, as_admin: Client):
        group = two[2]
        page = as_admin.post(f"{LIST}{group.pk}/dismiss/", seen(group), follow=True)
        assert "These 2 pictures are no duplicates" in text(page)
        assert not Group.objects.exists()
        batch = Dismissal.objects.get().batch
        history = as_admin.get(f"{LIST}history/?kind=dismissed")
        assert "harbour.jpg , small.jpg : no duplicates" in text(history)
        page = as_admin.post(f"{LIST}dismissal/{batch}/undo/", follow=True)
        assert "they may be duplicates again" in text(page)
        assert Group.objects.count() == 1
        assert as_admin.post(f"{LIST}dismissal/{batch}/undo/").status_code == 409

    def test_it_goes_on_to_the_next_group(self, db, as_admin: Client):
        rows(3)
        last, middle, _ = Group.objects.order_by("-pk")
        answer = as_admin.post(f"{LIST}{last.pk}/dismiss/?sort=newest", seen(last))
        assert answer["Location"] == f"{LIST}{middle.pk}/?sort=newest"
        answer = as_admin.post(f"{LIST}{middle.pk}/dismiss/?sort=newest&from=list&after=5.6", seen(middle))
        assert answer["Location"] == f"{LIST}?sort=newest&after=5.6"

    def test_in_the_list_a_line_takes_the_place_of_the_group(self, two, as_admin: Client):
        first, second, group = two
        choice = {"keep": first.pk, "drop": [second.pk]}
        line = as_admin.post(f"{LIST}{group.pk}/merge/?from=list", choice, headers=HTMX)
        assert (line.status_code, "<html" in line.content.decode()) == (200, False)
        assert "harbour.jpg is kept" in text(line)
        undo = re.search(r'hx-post="([^"]+)"', line.content.decode())[1]
        row = as_admin.post(undo, headers=HTMX)
        assert "2 copies of the same picture" in text(row)

    @pytest.mark.parametrize(
        ("choice", "sentence"),
        [
            ({}, "Choose the picture to keep first."),
            ({"keep": "1"}, "Choose at least one picture that may go to the trash."),
            ({"keep": "first", "drop": ["first"]}, "Choose at least one picture that may go to the trash."),
            ({"keep": "first", "drop": ["x"]}, "This group has changed"),
            ({"keep": "first", "drop": ["999999"]}, "This group has changed"),
            ({"keep": "-1", "drop": ["second"]}, "This group has changed"),
            ({"keep": "first", "drop": ["stranger"]}, "This group has changed"),
        ],
    )
    def test_it_rejects_what_the_page_did_not_offer(self, two, add, as_admin: Client, choice, sentence):
        names = {"first": str(two[0].pk), "second": str(two[1].pk), "stranger": str(add(9).pk)}
        data = {key: [names.get(v, v) for v in ([value] if isinstance(value, str) else value)]
                for key, value in choice.items()}  # fmt: skip
        answer = as_admin.post(f"{LIST}{two[2].pk}/merge/", data)
        assert answer.status_code == 409
        assert sentence in text(answer)
        assert not Image.objects.trashed().exists()

    def test_the_faster_one_wins(self, two, as_admin: Client):
        first, second, group = two
        choice = {"keep": second.pk, "drop": [first.pk]}
        Resolution.objects.merge(first, [second])
        answer = as_admin.post(f"{LIST}{group.pk}/merge/", choice)
        assert answer.status_code == 410
        assert as_admin.post(f"{LIST}{group.pk}/dismiss/", headers=HTMX).status_code == 410
        first.refresh_from_db()
        assert first.trashed_at is None

    def test_a_member_that_went_meanwhile_is_told(self, two, add, as_admin: Client):
        first, second, group = two
        third = add(large(1), "third.jpg", quality=40)
        group = pair(first, third)
        second.trash()
        answer = as_admin.post(f"{LIST}{group.pk}/merge/", {"keep": first.pk, "drop": [second.pk, third.pk]})
        assert answer.status_code == 409
        assert "This group has changed" in text(answer)
        third.refresh_from_db()
        assert third.trashed_at is None

    @pytest.mark.parametrize("path", ["", "{}/", "{}/row/"])
    def test_not_duplicates_is_said_only_of_what_was_shown(self, two, add, as_admin: Client, path: str):
        first, _, group = two
        page = as_admin.get(LIST + path.format(group.pk), headers=HTMX if "row" in path else {}).content.decode()
        data = {"shown": re.search(r'name="shown" value="([0-9a-f]+)"', page)[1]}
        third = add(large(1), "third.jpg", quality=40)
        pair(first, third)  # found after the page
        for wrong in (data, {}, {"shown": ""}):
            answer = as_admin.post(f"{LIST}{group.pk}/dismiss/", wrong)
            assert answer.status_code == 409
            assert "This group has changed since the page was shown." in text(answer)
        assert not Dismissal.objects.exists()
        third.trash()
        assert as_admin.post(f"{LIST}{group.pk}/dismiss/", data).status_code == 302
        assert Dismissal.objects.count() == 1

    def test_no_merge_is_offered_before_all_were_looked_at(self, two, as_admin: Client):
        _, second, group = two
        remove_renditions(second.sha256)
        row = as_admin.get(f"{LIST}{group.pk}/row/", headers=HTMX)
        assert "Not all of them were looked at." in text(row)
        assert "Merge: keep the best" not in text(row)
        assert "hx-trigger" not in row.content.decode()  # or it would ask for ever

    def test_it_requires_a_post_with_a_token(self, two, admin, as_admin: Client):
        assert as_admin.get(f"{LIST}{two[2].pk}/merge/").status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(admin)
        assert strict.post(f"{LIST}{two[2].pk}/dismiss/").status_code == 403
        assert Group.objects.exists()

    def test_unknown_decisions_are_not_undone(self, db, as_admin: Client):
        assert as_admin.post(f"{LIST}decision/5/undo/").status_code == 404
        assert as_admin.post(f"{LIST}decision/{10**30}/undo/").status_code == 404
        assert as_admin.post(f"{LIST}dismissal/{uuid.uuid4()}/undo/").status_code == 409
        assert as_admin.post(f"{LIST}rules/{uuid.uuid4()}/undo/").status_code == 409
