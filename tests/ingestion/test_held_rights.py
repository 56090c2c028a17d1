"""Who may undo a decision, and whom the same bytes of somebody else tell nothing."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client

from gallery.models import Image, User
from ingestion import decisions
from ingestion.decisions import DecisionError
from ingestion.models import HeldUpload
from tests.ingestion.edits import bring_edit, crop, double_size, hold, whole
from tests.ingestion.scene import data
from tests.ingestion.test_upload import send

pytestmark = pytest.mark.django_db(transaction=True)
JSON = {"Accept": "application/json"}
FORBIDDEN = "Only staff, and whoever has decided, may undo this. Ask bob."


@pytest.fixture
def here(add) -> Image:
    return add(whole(), "whole.jpg")


@pytest.fixture
def anyone(settings) -> None:
    settings.UPLOADS = "anyone"


class TestUndo:
    def test_it_works(self, here, member, admin):
        """Everybody undoes what they have decided themselves, and staff undo all."""
        held = hold(by=member)
        for by in (member, admin):
            decisions.drop(held, member)
            decisions.take_back(held, by)
        here.sources.update(by=member)
        held = hold(double_size(), by=member)
        decisions.replace(held, here.pk, member)
        assert decisions.undo_replace(held, member) == []

    @pytest.mark.parametrize("brought", ["by a visitor", "by a member"])
    def test_a_replacement_by_staff_is_undone_by_staff_only(self, here, member, admin, as_member, client, brought):
        held = hold(double_size(), by=member if brought == "by a member" else None)
        decisions.replace(held, here.pk, admin)
        for visitor in (as_member, client):
            response = visitor.post(f"/import/held/{held.token}/undo/", headers=JSON)
            expected = 404 if visitor is client and held.by else 403
            assert response.status_code == expected
            if expected == 403:
                assert response.json() == {"detail": FORBIDDEN, "code": "forbidden"}
        here.refresh_from_db()
        assert here.trashed_at
        assert decisions.undo_replace(held, User.objects.create_user("dora", is_staff=True)) == []

    def test_a_drop_by_staff_is_undone_by_staff_only(self, here, member, admin, as_member, as_admin):
        held = hold(by=member)
        decisions.drop(held, admin)
        address = f"/import/held/{held.token}/undo/"
        assert as_member.post(address, headers=JSON).json()["detail"] == FORBIDDEN
        as_member.post("/import/held/undo/")  # all of the last day
        assert address not in as_member.get("/import/held/?decided=1").content.decode()
        assert address not in as_member.get(f"/import/held/{held.token}/").content.decode()
        held.refresh_from_db()
        assert held.state == "dropped"
        assert address in as_admin.get("/import/held/?decided=1").content.decode()
        as_admin.post(address)
        held.refresh_from_db()
        assert held.state == "waiting"

    def test_a_visitor_takes_back_a_drop_of_a_visitor(self, here):
        held = hold()
        decisions.drop(held, AnonymousUser())
        decisions.take_back(held, AnonymousUser())
        decisions.drop(held, User.objects.create_user("dora", is_staff=True))
        with pytest.raises(DecisionError, match="Ask dora"):
            decisions.take_back(held, AnonymousUser())


class TestStrangers:
    def test_it_works(self, here, client, anyone):
        """Two visitors bring the same bytes: each has a question of their own."""
        first = send(client, data(crop()), "secret name.jpg").json()["decisions"]
        second = send(Client(), data(crop()), "other.jpg").json()
        assert second["decisions"]["drop"] != first["drop"]
        assert "secret" not in str(second)
        client.post(second["decisions"]["drop"])
        assert client.get(first["picture"]).status_code == 200
        assert [held.state for held in HeldUpload.objects.all()] == ["waiting", "dropped"]

    def test_what_came_from_a_folder_is_the_business_of_staff(self, here, client, as_member, as_admin, anyone):
        held = bring_edit(crop(), "/home/ada/crop.jpg", kind="folder").held
        answer = send(client, data(crop()), "mine.jpg").json()
        assert held.token not in str(answer)
        for visitor in (client, as_member):
            assert visitor.get(f"/import/held/{held.token}/").status_code == 404
            assert visitor.post(f"/import/held/{held.token}/drop/").status_code == 404
        assert as_admin.get(f"/import/held/{held.token}/").status_code == 200
        held.refresh_from_db()
        assert (held.state, held.origin["address"], held.also) == ("waiting", "/home/ada/crop.jpg", [])
