"""The question on the page: both pictures, what was found, and buttons that work with and without JavaScript."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from django.test import Client
from PIL import Image as Pillow

from gallery.models import Image, User
from ingestion import decisions
from ingestion.models import HeldUpload
from search.models import QueryPicture
from tests.ingestion.edits import crop, double_size, enlarged, hold, mirrored_crop, whole
from tests.ingestion.scene import data
from tests.ingestion.test_upload import post, send

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}
JSON = {"Accept": "application/json"}


@pytest.fixture
def here(add) -> Image:
    return add(whole(), "whole.jpg")


@pytest.fixture
def as_another(db) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("carol", password="open sesame 12"))
    return client


def text(response) -> str:
    return response.content.decode()


class TestUpload:
    def test_it_works(self, here, as_member, member):
        response = send(as_member, data(crop()), "crop.jpg")
        held = HeldUpload.objects.get()
        answer = response.json()
        assert response.status_code == 202
        assert (answer["name"], answer["result"], answer["image"]) == ("crop.jpg", "held", None)
        assert answer["detail"].startswith(f"A part of #{here.pk}: ")
        (match,) = answer["matches"]
        assert (match["image"], match["name"], match["address"]) == (here.pk, "whole.jpg", f"/image/{here.pk}/")
        assert (match["grade"], match["relation"], match["place"]) == ("contains", "part", "upper left")
        assert (match["width"], match["height"], match["bytes"]) == (640, 480, here.bytes)
        assert answer["advice"]["action"] == "drop"
        assert answer["decisions"]["keep"] == f"/import/held/{held.token}/keep/"
        json.dumps(answer)

    def test_it_shows_both_pictures_and_the_choice(self, here, as_admin):
        response = send(as_admin, data(double_size()), "larger.jpg", Accept="text/html")
        held, line = HeldUpload.objects.get(), text(response)
        assert response.status_code == 202
        assert f'src="/import/held/{held.token}/picture/"' in line
        assert here.thumbnail.url in line
        assert "1280 × 960" in line
        assert "640 × 480" in line
        assert f'<strong>The same picture as</strong> <a href="/image/{here.pk}/">#{here.pk}, whole.jpg</a>' in line
        assert "matching points" in line
        for action in ("keep", "replace", "drop"):
            assert f'<form method="post" action="/import/held/{held.token}/{action}/" hx-post=' in line
        assert "Yours is larger, 4 times the pixels: we would replace the one here." in line
        assert 'class="button little main">Replace' in line
        assert "<html" not in line

    def test_the_form_shows_them_too(self, here, as_admin):
        page = text(post(as_admin, ("a.jpg", data(crop())), ("b.jpg", data(whole(2)))))
        assert page.count("<strong>Stored</strong>") == 1
        assert page.count('data-state="held"') == 1  # once, not again in the list below
        assert "1 picture waits for your decision" in page
        assert post(as_admin, ("a.jpg", data(mirrored_crop()))).status_code == 200

    @pytest.mark.parametrize(("edits", "result", "status"), [("keep", "stored", 201), ("skip", "skipped", 200)])
    def test_who_has_chosen_before_is_not_asked(self, here, as_member, edits, result, status):
        response = send(as_member, data(crop()), **{"X-Edits": edits})
        assert (response.status_code, response.json()["result"]) == (status, result)
        assert [match["image"] for match in response.json()["matches"]] == [here.pk]
        line = text(send(as_member, data(mirrored_crop()), **{"X-Edits": edits, "Accept": "text/html"}))
        assert f'<a href="/image/{here.pk}/">#{here.pk}, whole.jpg</a>' in line
        page = text(post(as_member, ("a.jpg", data(crop(), quality=50)), edits=edits))
        assert f'<option value="{edits}" selected>' in page
        assert not HeldUpload.objects.exists()

    def test_it_rejects_another_choice(self, as_member):
        response = send(as_member, data(1), **{"X-Edits": "burn"})
        assert (response.status_code, response.json()["code"]) == (400, "edits")
        assert post(as_member, ("a.jpg", data(1)), edits="burn").status_code == 400
        assert not Image.objects.exists()

    def test_an_enlargement_is_not_advised_for(self, here, as_admin):
        line = text(send(as_admin, data(enlarged()), Accept="text/html"))
        assert "it was only enlarged" in line
        assert "we would replace" not in line

    def test_members_are_not_offered_to_replace_what_others_brought(self, here, as_member):
        line = text(send(as_member, data(double_size()), Accept="text/html"))
        assert "/replace/" not in line
        assert "we would keep both" in line


class TestDecisions:
    @pytest.mark.parametrize("headers", [{}, HTMX, JSON])
    def test_keep(self, here, as_member, member, headers):
        held = hold(by=member)
        response = as_member.post(f"/import/held/{held.token}/keep/", headers=headers)
        image = Image.objects.latest("id")
        assert image.sha256 == held.sha256
        if headers == JSON:
            assert (response.status_code, response.json()["result"], response.json()["image"]) == (
                201,
                "stored",
                image.pk,
            )
        elif headers:
            assert 'data-state="stored"' in text(response)
        else:
            assert response.headers["Location"] == "/import/"
            assert "crop.jpg is stored." in text(as_member.get("/import/"))

    @pytest.mark.parametrize("headers", [{}, HTMX, JSON])
    def test_replace_and_undo(self, here, as_admin, admin, headers):
        held = hold(double_size(), by=admin)
        response = as_admin.post(f"/import/held/{held.token}/replace/", {"image": here.pk}, headers=headers)
        here.refresh_from_db()
        assert here.trashed_at
        if headers == HTMX:
            assert f"in place of #{here.pk}, which is in the trash" in text(response)
            assert f'hx-post="/import/held/{held.token}/undo/"' in text(response)
        elif not headers:
            page = text(as_admin.get("/import/"))
            assert f"crop.jpg is stored in place of #{here.pk}, which is in the trash." in page
            assert "1 decision of the last day" in page
            assert f"/import/held/{held.token}/undo/" in text(as_admin.get("/import/held/?decided=1"))
        response = as_admin.post(f"/import/held/{held.token}/undo/", headers=headers)
        here.refresh_from_db()
        assert here.trashed_at is None
        if headers == HTMX:
            assert "The one that was replaced is back; yours stays too." in text(response)
        assert Image.objects.filter(trashed_at=None).count() == 2

    @pytest.mark.parametrize("headers", [{}, HTMX, JSON])
    def test_drop_and_undo(self, here, as_member, member, headers):
        held = hold(by=member)
        response = as_member.post(f"/import/held/{held.token}/drop/", headers=headers)
        held.refresh_from_db()
        assert held.state == "dropped"
        if headers == JSON:
            assert response.json()["result"] == "dropped"
            assert response.json()["undo_until"]
        elif headers:
            assert "<strong>Not stored.</strong> It can be taken back until" in text(response)
            assert f'hx-post="/import/held/{held.token}/undo/"' in text(response)
        else:
            page = text(as_member.get("/import/"))
            assert "crop.jpg was not stored. Undo it within a day." in page
            assert "1 was not stored" in page
            assert f"/import/held/{held.token}/undo/" in text(as_member.get("/import/held/?decided=1"))
        response = as_member.post(f"/import/held/{held.token}/undo/", headers=headers)
        held.refresh_from_db()
        assert held.state == "waiting"
        if headers == HTMX:
            assert f"/import/held/{held.token}/keep/" in text(response)

    def test_the_second_decision_is_a_sentence(self, here, as_member, as_admin, member):
        held = hold(by=member)
        as_admin.post(f"/import/held/{held.token}/drop/")
        address = f"/import/held/{held.token}/keep/"
        sentence = "bob has decided already: it is not stored."
        response = as_member.post(address, headers=JSON)
        assert (response.status_code, response.json()) == (409, {"detail": sentence, "code": "decided"})
        response = as_member.post(address, headers=HTMX)
        assert response.status_code == 409
        assert sentence in text(response)
        assert f"/import/held/{held.token}/undo/" not in text(response)  # staff have decided
        assert f"/import/held/{held.token}/undo/" in text(as_admin.post(address, headers=HTMX))
        assert f"crop.jpg: {sentence}" in text(as_member.post(address, follow=True))

    def test_what_is_gone_is_said_and_keep_is_offered(self, here, as_admin, admin):
        held = hold(double_size(), by=admin)
        here.trash()
        response = as_admin.post(f"/import/held/{held.token}/replace/", {"image": here.pk}, headers=HTMX)
        assert response.status_code == 409
        assert f"#{here.pk} is not here any more, so there is nothing to replace." in text(response)
        assert "nothing speaks against storing it" in text(response)
        assert f"/import/held/{held.token}/keep/" in text(response)
        assert "/replace/" not in text(response)

    @pytest.mark.parametrize("image", ["", "0", "-1", "9" * 40, "x"])
    def test_replace_requires_an_image(self, here, as_admin, admin, image):
        held = hold(by=admin)
        response = as_admin.post(f"/import/held/{held.token}/replace/", {"image": image}, headers=JSON)
        assert (response.status_code, response.json()["code"]) == (409, "gone")

    def test_a_lost_file_is_a_sentence(self, here, as_member, member):
        held = hold(by=member)
        held.path.unlink()
        response = as_member.post(f"/import/held/{held.token}/keep/", headers=HTMX)
        assert response.status_code == 410
        assert "The file of this upload is lost." in text(response)
        assert f"/import/held/{held.token}/drop/" in text(response)
        assert as_member.get("/import/").status_code == 200
        assert as_member.get(f"/import/held/{held.token}/picture/").status_code == 404

    @pytest.mark.parametrize("action", ["keep", "replace", "drop", "undo", "compare"])
    def test_it_requires_post_and_the_token_of_the_page(self, here, member, action):
        held = hold(by=member)
        client = Client(enforce_csrf_checks=True)
        client.force_login(member)
        assert client.get(f"/import/held/{held.token}/{action}/").status_code == 405
        assert client.post(f"/import/held/{held.token}/{action}/").status_code == 403
        held.refresh_from_db()
        assert held.state == "waiting"


class TestWhoMay:
    def test_another_member_sees_and_decides_nothing(self, here, as_another, client, member):
        held = hold(by=member)
        for visitor in (as_another, client):
            assert visitor.get(f"/import/held/{held.token}/picture/").status_code == 404
            assert visitor.get(f"/import/held/{held.token}/").status_code == 404
            for action in ("keep", "replace", "drop", "undo", "compare"):
                assert visitor.post(f"/import/held/{held.token}/{action}/").status_code == 404
        assert "crop.jpg" not in text(as_another.get("/import/"))
        assert "crop.jpg" not in text(as_another.get("/import/held/"))
        for action in ("keep", "drop"):
            as_another.post(f"/import/held/{action}/", {"until": held.pk})
        held.refresh_from_db()
        assert held.state == "waiting"
        HeldUpload.objects.drop(member)
        as_another.post("/import/held/undo/")
        held.refresh_from_db()
        assert held.state == "dropped"

    def test_staff_see_all(self, here, as_admin, member):
        held = hold(by=member)
        page = text(as_admin.get("/import/"))
        assert "from alice" in page
        assert "You see those of everybody: " in page
        assert as_admin.get(f"/import/held/{held.token}/picture/").status_code == 200

    def test_a_visitor_without_an_account_has_the_address(self, here, client, settings):
        settings.UPLOADS = "anyone"
        addresses = send(client, data(crop())).json()["decisions"]
        assert client.get(addresses["picture"]).status_code == 200
        response = client.post(addresses["drop"])
        assert response.headers["Location"] == f"/import/held/{HeldUpload.objects.get().token}/"
        assert addresses["undo"] in text(client.get(response.headers["Location"]))
        assert "crop" not in text(client.get("/import/held/"))  # no list for visitors: whose would it be?
        client.post(addresses["undo"])
        assert client.post(addresses["keep"]).status_code == 302
        assert Image.objects.count() == 2

    def test_lists_require_one_who_may_add(self, client):
        for path in ("/import/held/", "/import/held/bar/"):
            assert client.get(path).status_code == 403


class TestPicture:
    def test_it_works(self, here, as_member, member):
        held = hold(by=member)
        response = as_member.get(f"/import/held/{held.token}/picture/")
        assert response.headers["Content-Type"] == "image/webp"
        assert "no-store" in response.headers["Cache-Control"]
        assert Pillow.open(BytesIO(response.content)).size == crop().size

    def test_it_never_lies_under_the_public_mount(self, here, settings):
        held = hold()
        assert settings.MEDIA_ROOT / "renditions" not in held.path.parents
        assert not list((settings.MEDIA_ROOT / "renditions").rglob(f"{held.sha256}*"))


class TestList:
    def test_it_works(self, here, as_member, member, monkeypatch):
        monkeypatch.setattr("ingestion.questions.PAGE", 2)
        helds = [hold(by=member, picture=crop().resize((side, side))) for side in (200, 210, 220)]
        page = text(as_member.get("/import/"))
        assert "3 pictures wait for your decision" in page
        assert [f"held-{held.token}" in page for held in helds] == [True, True, False]
        assert f'href="/import/held/?after={helds[1].pk}"' in page
        more = as_member.get(f"/import/held/?after={helds[1].pk}", headers=HTMX)
        assert f"held-{helds[2].token}" in text(more)
        assert "<html" not in text(more)
        assert "<html" in text(as_member.get(f"/import/held/?after={helds[1].pk}"))

    @pytest.mark.parametrize("after", ["x", "-1", "9" * 30, ""])
    def test_it_handles_any_address(self, here, as_member, member, after):
        hold(by=member)
        assert as_member.get("/import/held/", {"after": after}).status_code == 200

    def test_keep_all(self, here, as_member, member):
        from ingestion import tasks

        last = [hold(by=member), hold(mirrored_crop(), by=member)][-1]
        later = hold(double_size(), by=member)  # has come since the page was read
        response = as_member.post("/import/held/keep/", {"until": last.pk}, follow=True)
        assert "2 pictures are being stored." in text(response)
        tasks.keep_held.call_local()
        assert Image.objects.count() == 3
        assert HeldUpload.objects.waiting().get() == later

    def test_drop_all_and_undo(self, here, as_member, member):
        first = hold(by=member)
        decisions.drop(first, member)
        last = [hold(mirrored_crop(), by=member), hold(double_size(), by=member)][-1]
        page = text(as_member.post("/import/held/drop/", {"until": last.pk}, follow=True))
        assert "2 pictures were not stored. Undo it within a day." in page
        assert "2 were not stored" in page
        (moment,) = [part.split('"')[0] for part in page.split('name="at" value="')[1:]]
        page = text(as_member.post("/import/held/undo/", {"at": moment}, follow=True))
        assert "2 pictures wait for your decision again." in page
        first.refresh_from_db()
        assert first.state == "dropped"  # that was another act
        assert as_member.post("/import/held/undo/", {"at": "yesterday"}).status_code == 400
        as_member.post("/import/held/undo/")
        assert HeldUpload.objects.waiting().count() == 3

    def test_nothing_is_shown_where_nothing_waits(self, as_member):
        page = text(as_member.get("/import/"))
        assert "for your decision" not in page
        assert "Nothing waits for a decision." in text(as_member.get("/import/held/"))

    def test_the_admin_shows_them(self, here, as_admin, member):
        hold(by=member)
        assert "crop.jpg" in text(as_admin.get("/admin/ingestion/heldupload/"))


def test_compare_asks_with_the_held_picture(here, as_member, member):
    held = hold(by=member)
    response = as_member.post(f"/import/held/{held.token}/compare/", {"image": here.pk})
    query = QueryPicture.objects.get()
    assert response.headers["Location"] == f"/search/q/{query.token}/match/{here.pk}/"
    assert as_member.get(response.headers["Location"]).status_code == 200
    held.refresh_from_db()
    assert held.state == "waiting"


def test_compare_tells_of_a_lost_file(here, as_member, member):
    held = hold(by=member)
    held.path.unlink()
    response = as_member.post(f"/import/held/{held.token}/compare/", {"image": here.pk})
    assert response.status_code == 410
    assert "The file of this upload is lost." in text(response)
