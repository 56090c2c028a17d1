"""The pages of rules and of the history of duplicates."""

import re

import pytest
from django.test import Client

from gallery.models import Image, ImageTag, Tag
from search.models import Resolution
from tests.search.doubles import LIST, large, pair, text


class TestRules:
    def plans(self, client: Client) -> list[str]:
        page = client.get(f"{LIST}rules/?rule=largest").content.decode()
        return re.findall(r'name="plan" value="([^"]+)"', page)

    def test_it_works(self, two, as_admin: Client):
        """Choose, see what it would do, confirm the numbers, undo the run."""
        first, second, group = two
        page = as_admin.get(f"{LIST}rules/?rule=largest")
        assert "harbour.jpg stays, small.jpg goes to the trash" in text(page)
        (plan,) = self.plans(as_admin)
        assert plan == f"{group.pk}.{first.pk}.{second.pk}"
        page = as_admin.post(f"{LIST}rules/apply/", {"rule": "largest", "plan": [plan]})
        assert "1 picture stays, 1 goes to the trash." in text(page)
        assert not Resolution.objects.exists()
        page = as_admin.post(f"{LIST}rules/apply/", {"rule": "largest", "plan": [plan], "confirmed": "1"}, follow=True)
        assert "1 group merged: 1 picture is in the trash for 30 days." in text(page)
        assert "Keep the largest : 1 group bob" in text(page)
        run = Resolution.objects.get().run
        page = as_admin.post(f"{LIST}rules/{run}/undo/", follow=True)
        assert "Undone: 1 group." in text(page)
        second.refresh_from_db()
        assert second.trashed_at is None
        assert as_admin.post(f"{LIST}rules/{run}/undo/").status_code == 409

    def test_it_applies_only_what_was_shown(self, two, add, as_admin: Client):
        first = two[0]
        (plan,) = self.plans(as_admin)
        pair(first, add(large(1), "third.jpg", quality=40))  # came in after the page
        data = {"rule": "largest", "plan": [plan], "confirmed": "1"}
        page = as_admin.post(f"{LIST}rules/apply/", data, follow=True)
        assert "1 group left alone." in text(page)
        assert not Image.objects.trashed().exists()

    def test_groups_that_are_gone_are_counted(self, two, as_admin: Client):
        first, second, _ = two
        (plan,) = self.plans(as_admin)
        Resolution.objects.merge(second, [first])
        page = as_admin.post(
            f"{LIST}rules/apply/", {"rule": "largest", "plan": [plan], "confirmed": "1"}, follow=True
        )  # fmt: skip
        assert "1 group left alone. Somebody has decided about them meanwhile" in text(page)

    def test_it_says_why_a_group_is_left_alone(self, two, as_admin: Client):
        ImageTag.objects.create(image=two[1], tag=Tag.objects.create(name="ship"))
        page = as_admin.get(f"{LIST}rules/?rule=largest")
        assert "is left alone. Their tags differ." in text(page)
        assert self.plans(as_admin) == []

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"rule": "largest"},
            {"rule": "nothing", "plan": ["1.2.3"]},
            {"rule": "largest", "plan": ["x"]},
            {"rule": "largest", "plan": ["1.2"]},
            {"rule": "largest", "plan": ["1.2.3-"]},
            {"rule": "largest", "plan": ["9" * 30 + ".2.3"]},
        ],
    )
    def test_it_rejects_what_is_no_plan(self, db, as_admin: Client, data):
        for confirmed in ("", "1"):
            answer = as_admin.post(f"{LIST}rules/apply/", data | {"confirmed": confirmed})
            assert answer.status_code == 400

    def test_it_rejects_an_unknown_rule(self, db, as_admin: Client):
        answer = as_admin.get(f"{LIST}rules/?rule=everything")
        assert answer.status_code == 400
        assert "There is no rule" in text(answer)


class TestHistory:
    def test_it_works(self, two, as_admin: Client):
        first, second, _ = two
        resolution = Resolution.objects.merge(first, [second])
        page = text(as_admin.get(f"{LIST}history/"))
        assert "harbour.jpg kept, small.jpg to the trash" in page
        assert "Handed on: source small.jpg" in page
        resolution.undo()
        page = as_admin.get(f"{LIST}history/")
        assert "undone" in text(page)
        assert f"{LIST}decision/{resolution.pk}/undo/" not in page.content.decode()

    def test_it_outlives_the_pictures(self, two, as_admin: Client):
        first, second, _ = two
        Resolution.objects.merge(first, [second])
        second.refresh_from_db()
        assert second.purge()
        page = as_admin.get(f"{LIST}history/")
        assert "harbour.jpg kept, small.jpg to the trash" in text(page)
        answer = as_admin.post(f"{LIST}decision/{Resolution.objects.get().pk}/undo/")
        assert answer.status_code == 409
        assert "cannot come back" in text(answer)

    def test_it_pages(self, add, as_admin: Client):
        image = add(1)
        Resolution.objects.bulk_create(Resolution(keep=image) for _ in range(35))
        page = as_admin.get(f"{LIST}history/")
        after = re.search(r"after=(\d+)", page.content.decode())[1]
        assert page.content.decode().count('class="event"') == 30
        assert as_admin.get(f"{LIST}history/?after={after}").content.decode().count('class="event"') == 5
