"""A private picture: its owners have it, and nobody else learns that it is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.test import Client

from gallery import opinions, renditions
from gallery.bulk import apply
from gallery.models import Edit, Image, ImageSource, Tag, User
from gallery.sharing import SharingError, share
from ingestion import tasks
from ingestion.pipeline import Origin, Result, complete, import_blocks
from tests.gallery.made import rows
from tests.pictures import encode, photo

TAIL = f"ab/cd/{'abcd' * 16}-360.webp"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def moderator(db: None) -> User:
    return User.objects.create_user("mo", is_staff=True)


def mine(owner: User, private: bool = True) -> Image:
    """Without an original, but with thumbnails."""
    image = Image.objects.get(pk=rows(1)[0])
    Image.objects.filter(pk=image.pk).update(private=private, sha256="abcd" * 16)
    image.refresh_from_db()
    image.owners.add(owner)
    ImageSource.objects.create(image=image, kind="upload", address="mine.jpg", by=owner)
    image.thumbnail.path.parent.mkdir(parents=True)
    image.thumbnail.path.write_bytes(b"webp")
    return image


def bring(seed: int, by: User | None = None, kind: str = "upload", private: bool = False) -> Any:
    address = f"{kind} {by}.jpg"
    return import_blocks([encode(photo(seed, 64, 48))], address, Origin(kind, address, by=by, private=private))


def where() -> list[str]:
    """Which of the two folders hold a thumbnail."""
    roots = {"public": renditions.root(), "private": renditions.private_root()}
    return [name for name, root in roots.items() if (root / TAIL).exists()]


def test_it_works(alice: User, bob: User, client: Client):
    outcome = bring(1, alice, private=True)
    image = outcome.image
    complete(image)
    assert (outcome.result, image.private, list(image.owners.all())) == (Result.STORED, True, [alice])
    image.refresh_from_db()
    thumbnail = image.thumbnail
    assert thumbnail.path.is_relative_to(renditions.private_root())
    assert thumbnail.path.exists()
    for reader, status in ((signed_in(alice), 200), (signed_in(bob), 404), (client, 404)):
        for address in (image.get_absolute_url(), thumbnail.url, f"/image/{image.pk}/original/"):
            assert reader.get(address).status_code == status
    response = signed_in(alice).get(thumbnail.url)
    assert "private" in response["Cache-Control"]
    assert "public" not in response["Cache-Control"]


class TestSameBytes:
    """See ingestion.pipeline.meet."""

    def test_another_person_becomes_an_owner_and_it_stays_private(self, alice: User, bob: User):
        image = bring(1, alice, private=True).image
        again = bring(1, bob)
        image.refresh_from_db()
        assert (again.result, again.image, image.private) == (Result.KNOWN, image, True)
        assert set(image.owners.all()) == {alice, bob}
        assert not image.may_change(alice)
        assert not image.may_change(bob)

    def test_what_is_public_stays_public(self, alice: User, bob: User):
        image = bring(1, alice).image
        again = bring(1, bob, private=True).image
        assert again == image
        assert not again.private
        assert set(image.owners.all()) == {alice, bob}
        assert not image.may_change(bob)

    @pytest.mark.parametrize("kind", ["upload", "folder", "reddit"])
    def test_without_an_account_nobody_is_told_and_nothing_is_shown(self, alice: User, client: Client, settings, kind):
        settings.UPLOADS = "anyone"
        image = bring(1, alice, private=True).image
        outcome = bring(1, None, kind)
        image.refresh_from_db()
        assert (outcome.result, outcome.is_hidden, image.private) == (Result.STORED, True, True)
        assert image.sources.filter(kind=kind, by=None).exists()
        body = encode(photo(1, 64, 48))
        for accept in ("text/html", "application/json"):
            headers = {"X-File-Name": "again.jpg", "Accept": accept}
            said = client.post("/import/file/", body, "application/octet-stream", headers=headers)
            assert said.status_code == 201
            assert f"#{image.pk}" not in said.content.decode()
            assert f"/image/{image.pk}/" not in said.content.decode()
            assert accept != "application/json" or said.json()["image"] is None

    def test_what_a_folder_has_met_begins_again_when_its_owner_has_purged_it(self, alice: User):
        image = bring(1, alice, private=True).image
        opinions.add_tag(image, "zanzibarish", alice)
        bring(1, None, "folder")
        image.trash()
        image.purge()
        fresh = Image.objects.get()
        assert (fresh.private, fresh.state, fresh.pk != image.pk) == (False, "new", True)
        assert [source.kind for source in fresh.sources.all()] == ["folder"]
        assert not fresh.image_tags.exists()
        assert not Tag.objects.exists()
        assert complete(fresh) == []

    def test_the_picture_of_a_deleted_account_does_not_come_back(self, alice: User):
        image = bring(1, alice, private=True).image
        alice.delete()
        image.trash()
        image.purge()
        assert not Image.objects.exists()

    def test_a_visitor_keeps_nothing_private(self, client: Client, settings, db):
        settings.UPLOADS = "anyone"
        headers = {"X-File-Name": "a.jpg", "X-Private": "1"}
        said = client.post("/import/file/", b"x", "application/octet-stream", headers=headers)
        assert (said.status_code, said.json()["code"]) == (403, "private")
        assert client.post("/import/", {"private": "1"}).status_code == 403


class TestToggle:
    def test_it_works(self, alice: User, django_capture_on_commit_callbacks):
        image = mine(alice, private=False)
        assert where() == ["public"]
        reader = signed_in(alice)
        with django_capture_on_commit_callbacks(execute=True):
            page = reader.post(f"/image/{image.pk}/share/", {"private": "1"}, headers={"HX-Request": "true"})
        assert where() == ["private"]
        assert "Show it to everybody" in page.content.decode()
        with django_capture_on_commit_callbacks(execute=True):
            assert reader.post(f"/image/{image.pk}/share/", {"private": "0"}).status_code == 302
        assert where() == ["public"]
        assert [edit.after["private"] for edit in Edit.objects.order_by("pk")] == [True, False]

    def test_the_public_file_is_gone_before_it_is_committed(self, alice: User):
        image = mine(alice, private=False)
        assert image.set_private(True)  # and the transaction of this test is not over
        assert where() == ["private"]
        assert image.set_private(False)
        assert where() == ["private"]  # whoever dies now has shown nothing

    def test_the_sweep_mends_what_a_crash_has_left(self, alice: User):
        image = mine(alice, private=False)
        Image.objects.filter(pk=image.pk).update(private=True)
        tasks.unpublish_all.call_local()
        assert where() == ["private"]
        Image.objects.filter(pk=image.pk).update(private=False)
        tasks.unpublish_all.call_local()
        assert where() == ["public"]

    def test_requires_who_has_brought_it_alone(self, alice: User, bob: User, moderator: User):
        image = mine(alice, private=False)
        with pytest.raises(SharingError):
            share(image, True, bob)
        image.owners.add(bob)
        with pytest.raises(SharingError):
            share(image, True, alice)
        assert share(image, True, moderator)
        with pytest.raises(SharingError):
            share(image, False, moderator)  # it is not theirs to show

    def test_requires_an_owner(self, moderator: User):
        with pytest.raises(SharingError, match="with an account"):
            share(Image.objects.get(pk=rows(1)[0]), True, moderator)

    def test_a_selection_leaves_what_is_others(self, alice: User, bob: User):
        own, other = mine(alice, private=False), Image.objects.get(pk=rows(1)[0])
        other.owners.add(bob)
        done = apply("private", [own.pk, other.pk], "", "", alice)
        assert done.sentence.startswith("Kept for its owners only: 1 picture.")
        assert list(Image.objects.filter(private=True)) == [own]
        assert signed_in(alice).post(f"/changes/{done.batch.pk}/undo/").status_code == 302
        assert not Image.objects.filter(private=True).exists()

    def test_a_selection_of_others_pictures_says_why_nothing_happens(self, alice: User):
        form = {"action": "private", "images": ",".join(map(str, rows(3)))}
        body = signed_in(alice).post("/select/", form, headers={"HX-Request": "true"}).content.decode()
        assert "None of these pictures would change. They are not only yours, or so already." in body
        assert not Image.objects.filter(private=True).exists()

    def test_owners_throw_away_and_take_back_their_own(self, alice: User, bob: User):
        image = mine(alice)
        assert signed_in(bob).post(f"/image/{image.pk}/trash/").status_code == 404
        for action, gone in (("trash", True), ("restore", False)):
            assert signed_in(alice).post(f"/image/{image.pk}/{action}/").status_code == 302
            assert bool(Image.objects.get().trashed_at) is gone


class TestHistory:
    def test_what_was_done_while_it_was_private_stays_so(self, alice: User, bob: User, moderator: User):
        image = mine(alice)
        opinions.add_tag(image, "zanzibarish", alice)
        share(image, False, alice)
        opinions.add_tag(image, "harbour", alice)
        address = f"/image/{image.pk}/history/"
        for reader, sees in ((alice, True), (bob, False), (moderator, False)):
            body = signed_in(reader).get(address).content.decode()
            assert ("zanzibarish" in body, "harbour" in body) == (sees, True)

    def test_the_changes_of_all_leave_it_out(self, alice: User, moderator: User):
        image = mine(alice)
        opinions.add_tag(image, "zanzibarish", alice)
        for address in ("/changes/", "/changes/?by=alice", "/changes/revert/?by=alice"):
            assert "zanzibarish" not in signed_in(moderator).get(address).content.decode()


def test_a_gallery_for_members_mounts_nothing(settings, alice: User, client: Client):
    from gallery.management.commands.run import _mount

    assert str(renditions.root()) in _mount()
    settings.ACCESS = "members"
    assert _mount() == []
    path = renditions.root() / TAIL
    path.parent.mkdir(parents=True)
    path.write_bytes(b"webp")
    assert client.get(f"{settings.RENDITION_URL}{TAIL}").status_code != 200
    response = signed_in(alice).get(f"{settings.RENDITION_URL}{TAIL}")
    assert response.status_code == 200
    assert "private" in response["Cache-Control"]


def test_an_export_leaves_it_out(alice: User, tmp_path: Path):
    opinions.add_tag(mine(alice), "zanzibarish", alice)
    target = tmp_path / "said.jsonl"
    for options, there in (([], False), (["--private"], True)):
        call_command("export", str(target), *options)
        assert ("zanzibarish" in target.read_text()) is there


def test_an_admin_opens_it_by_its_address_only(alice: User):
    image, admin = mine(alice), User.objects.create_superuser("root")
    reader = signed_in(admin)
    assert reader.get(image.get_absolute_url()).status_code == 200
    assert image.thumbnail.url not in reader.get("/").content.decode()
    assert image not in Image.objects.visible_to(admin)
    assert not Image.objects.visible_to(AnonymousUser()).exists()
