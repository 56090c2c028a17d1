"""The back office: every page opens for an administrator, and for nobody else."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin as django_admin
from django.test import Client

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Tag, TagAlias, User
from ingestion.models import Job
from tests.gallery.made import rows

MODELS = sorted(f"{m._meta.app_label}/{m._meta.model_name}" for m in django_admin.site._registry)


def listed(response) -> set[int]:
    return {int(pk) for pk in re.findall(r'name="_selected_action" value="(\d+)"', response.content.decode())}


def filled() -> Image:
    (pk,) = rows(1)
    image = Image.objects.get(pk=pk)
    words = {"image": image, "origin": "model"}
    ImageTag.objects.create(tag=Tag.objects.create(name="beach"), **words)
    Caption.objects.create(text="sand", **words)
    OcrText.objects.create(text="no swimming", **words)
    ImageSource.objects.create(image=image, kind="upload", address="beach.jpg")
    Job.objects.create(image=image, kind="complete", state="failed", error="No memory left.", attempts=3)
    return image


def act(client: Client, where: str, action: str, *pks: int):
    return client.post(f"/admin/{where}/", {"action": action, "_selected_action": pks}, follow=True)


@pytest.mark.django_db
def test_it_works(as_admin: Client):
    filled()
    page = as_admin.get("/admin/").content.decode()
    for model in MODELS:
        assert f"/admin/{model}/" in page


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS)
def test_every_page_opens(as_admin: Client, model: str):
    filled()
    page = as_admin.get(f"/admin/{model}/")
    assert page.status_code == 200
    for extra in ("?q=beach", "?o=1.-2", "?p=99", "?e=1", "?all="):
        assert as_admin.get(f"/admin/{model}/{extra}", follow=True).status_code == 200, extra
    assert as_admin.get(f"/admin/{model}/add/").status_code in (200, 403)
    for pk in re.findall(rf'href="/admin/{model}/(\d+)/change/', page.content.decode())[:2]:
        assert as_admin.get(f"/admin/{model}/{pk}/change/").status_code == 200
        assert as_admin.get(f"/admin/{model}/{pk}/history/").status_code == 200
        assert as_admin.get(f"/admin/{model}/{pk}/delete/").status_code in (200, 403)
    for pk in (0, 2**63, 2**64, "x"):
        assert as_admin.get(f"/admin/{model}/{pk}/change/", follow=True).status_code == 200  # "perhaps it was deleted"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", ["", *(f"{model}/" for model in MODELS), "gallery/image/1/change/", "password_change/"]
)
def test_requires_an_administrator(client: Client, as_member: Client, address: str):
    for reader in (client, as_member):
        response = reader.get(f"/admin/{address}")
        assert (response.status_code, response["Location"].split("?")[0]) == (302, "/admin/login/")


@pytest.mark.django_db
def test_images_are_filtered_by_trash_and_state(as_admin: Client):
    here, trashed, new = rows(3)
    Image.objects.filter(pk=trashed).update(trashed_at="2026-01-01T00:00Z")
    Image.objects.filter(pk=new).update(state="new")
    assert listed(as_admin.get("/admin/gallery/image/")) == {here, new}
    assert listed(as_admin.get("/admin/gallery/image/?trash=yes")) == {trashed}
    assert listed(as_admin.get("/admin/gallery/image/?trash=all")) == {here, trashed, new}
    assert listed(as_admin.get("/admin/gallery/image/?state__exact=new")) == {new}
    assert listed(as_admin.get("/admin/gallery/image/?trash=nonsense")) == {here, new}
    assert listed(as_admin.get("/admin/gallery/image/?q=2.jpg")) == {trashed} - {trashed}
    assert listed(as_admin.get("/admin/gallery/image/?q=2.jpg&trash=all")) == {trashed}


@pytest.mark.django_db
def test_images_go_to_the_trash_and_back(as_admin: Client):
    one, two, three = rows(3)
    page = act(as_admin, "gallery/image", "move_to_trash", one, two).content.decode()
    assert "2 pictures are in the trash" in page
    assert set(Image.objects.trashed().values_list("pk", flat=True)) == {one, two}
    page = act(as_admin, "gallery/image", "take_out_of_trash", three).content.decode()
    assert "0 pictures are back" in page
    response = as_admin.post(
        "/admin/gallery/image/?trash=yes", {"action": "take_out_of_trash", "_selected_action": [one]}, follow=True
    )
    assert "1 pictures are back" in response.content.decode()
    assert set(Image.objects.trashed().values_list("pk", flat=True)) == {two}
    assert Job.objects.get().image_id == one


@pytest.mark.django_db
def test_images_are_neither_added_nor_deleted_here(as_admin: Client):
    (pk,) = rows(1)
    assert as_admin.get("/admin/gallery/image/add/").status_code == 403
    assert as_admin.post(f"/admin/gallery/image/{pk}/delete/", {"post": "yes"}).status_code == 403
    act(as_admin, "gallery/image", "delete_selected", pk)
    assert Image.objects.filter(pk=pk).exists()


@pytest.mark.django_db
def test_the_list_of_images_asks_a_fixed_number_of_times(as_admin: Client, django_assert_max_num_queries):
    rows(40)
    with django_assert_max_num_queries(8):
        assert len(listed(as_admin.get("/admin/gallery/image/"))) == 40


@pytest.mark.django_db
def test_a_picture_that_is_not_public_is_shown_as_its_placeholder(as_admin: Client):
    (pk,) = rows(1)
    image = Image.objects.get(pk=pk)
    assert image.thumbnail.url in as_admin.get("/admin/gallery/image/").content.decode()
    image.trash()
    page = as_admin.get("/admin/gallery/image/?trash=yes").content.decode()
    assert image.thumbnail.url not in page
    assert "data:image/webp;base64," in page


@pytest.mark.django_db
def test_failed_jobs_say_why_and_are_tried_again(as_admin: Client):
    filled()
    job = Job.objects.get()
    page = as_admin.get("/admin/ingestion/job/?state__exact=failed").content.decode()
    assert "No memory left." in page
    assert f"/image/{job.image_id}/" in page
    page = act(as_admin, "ingestion/job", "retry", job.pk).content.decode()
    assert "1 jobs are tried again." in page
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error) == ("queued", 0, "")


@pytest.mark.django_db
def test_shows_hostile_words_as_text(as_admin: Client):
    filled()
    hostile = "<script>alert(1)</script>"
    Image.objects.update(name=hostile)
    Job.objects.update(error=hostile)
    Tag.objects.update(name=hostile)
    Caption.objects.update(text=hostile)
    for where in (
        "gallery/image/",
        f"gallery/image/{Image.objects.get().pk}/change/",
        "gallery/tag/",
        "ingestion/job/",
    ):
        page = as_admin.get(f"/admin/{where}").content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page


@pytest.mark.django_db
def test_users_are_made_and_changed(as_admin: Client):
    form = {"username": "dave", "usable_password": "true", "password1": "open sesame 12", "password2": "open sesame 12"}
    response = as_admin.post("/admin/gallery/user/add/", form)
    dave = User.objects.get(username="dave")
    assert response["Location"] == f"/admin/gallery/user/{dave.pk}/change/"
    assert not dave.is_staff
    assert as_admin.get(f"/admin/gallery/user/{dave.pk}/password/").status_code == 200
    assert Client().login(username="dave", password="open sesame 12")


def words_form(image: Image, **fields: str) -> dict[str, str]:
    """What the page of an image sends, with nothing in it but its tags and captions, and ``fields``."""
    form = {"name": image.name, "taken_at_0": "", "taken_at_1": ""}
    for name in ("sources", "image_tags", "captions", "ocr_texts"):
        rows = [] if name == "sources" else list(getattr(image, name).order_by("pk"))
        form |= {f"{name}-TOTAL_FORMS": str(len(rows)), f"{name}-INITIAL_FORMS": str(len(rows))}
        for number, row in enumerate(rows):
            values = {"id": row.pk, "image": image.pk, "origin": row.origin, "state": row.state}
            values |= {"tag": row.tag_id} if name == "image_tags" else {"text": row.text}
            form |= {f"{name}-{number}-{field}": str(value) for field, value in values.items()}
    return form | fields


@pytest.mark.django_db
@pytest.mark.parametrize("words", ["image_tags", "captions", "ocr_texts"])
def test_the_same_word_twice_is_refused(as_admin: Client, words: str):
    image = filled()
    image.sources.all().delete()
    address = f"/admin/gallery/image/{image.pk}/change/"
    what = {"tag": str(Tag.objects.get().pk)} if words == "image_tags" else {"text": "more"}
    fresh = {"origin": "person", "state": "accepted", "image": str(image.pk), **what}
    added = {f"{words}-{n}-{field}": value for n in (1, 2) for field, value in fresh.items()}
    twice = words_form(image, **added) | {f"{words}-TOTAL_FORMS": "3"}
    answer = as_admin.post(address, twice)
    assert answer.status_code == 200
    assert "is here already" in answer.content.decode()
    assert getattr(image, words).count() == 1
    once = words_form(image, **added) | {f"{words}-TOTAL_FORMS": "2"}
    assert as_admin.post(address, once).status_code == 302
    assert getattr(image, words).count() == 2
    answer = as_admin.post(address, once)  # another one who began before
    assert "is here already" in answer.content.decode()
    assert getattr(image, words).count() == 2


@pytest.mark.django_db
def test_a_tag_is_kept_as_members_write_it(as_admin: Client):
    as_admin.post("/admin/gallery/tag/add/", {"name": " Red  Panda\u200d ", "category": ""})
    assert Tag.objects.get().name == "red panda"
    for name in ("red panda\u200c", "\u2800"):
        assert as_admin.post("/admin/gallery/tag/add/", {"name": name, "category": ""}).status_code == 200
    assert Tag.objects.count() == 1


@pytest.mark.django_db
def test_tags_are_changed_on_their_pages(as_admin: Client):
    """Another name is no new tag, a rename keeps the old name, and none is deleted under pictures."""
    tag = Tag.objects.create(name="dog")
    TagAlias.objects.create(name="doggy", tag=tag)
    answer = as_admin.post("/admin/gallery/tag/add/", {"name": "Doggy", "category": ""})
    assert "“doggy” is another name of “dog”" in answer.content.decode()
    address = f"/admin/gallery/tag/{tag.pk}/change/"
    page = as_admin.get(address).content.decode()
    assert 'name="name"' not in page
    assert f'href="/tags/{tag.pk}/"' in page
    assert as_admin.post(address, {"name": "cat", "category": "animal"}).status_code == 302
    tag.refresh_from_db()
    assert (tag.name, tag.category) == ("dog", "animal")
    assert as_admin.post(f"/admin/gallery/tag/{tag.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Tag.objects.get() == tag


@pytest.mark.django_db
def test_roles_are_given_on_the_page_of_accounts(as_admin: Client, admin: User, member: User):
    """That one leaves the gallery an admin, and looks after the pictures of those who go."""
    for person, asked in ((admin, {}), (member, {"is_superuser": "on", "is_staff": "on"})):
        address = f"/admin/gallery/user/{person.pk}/"
        form = {"username": person.username, "email": "new@example.org", **asked}
        assert as_admin.post(f"{address}change/", form).status_code == 302
        assert as_admin.post(f"{address}delete/", {"post": "yes"}).status_code == 403
        before = person.role
        person.refresh_from_db()
        assert (person.email, person.role) == ("new@example.org", before)


@pytest.mark.django_db
def test_private_pictures_of_others_are_not_listed(as_admin: Client, admin: User, member: User):
    public, own, other = rows(3)
    Image.objects.filter(pk__in=[own, other]).update(private=True)
    Image.objects.get(pk=own).owners.add(admin)
    Image.objects.get(pk=other).owners.add(member)
    assert listed(as_admin.get("/admin/gallery/image/")) == {public, own}
