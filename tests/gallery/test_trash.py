"""The trash: out of sight at once, back when wanted, gone for good when its time is over."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from gallery import originals
from gallery.models import Image
from gallery.signals import image_trashed
from ingestion.models import Job
from ingestion.pipeline import Origin, complete, import_blocks
from ingestion.tasks import sweep, unpublish_all
from tests.pictures import encode, photo


@pytest.fixture
def image(add) -> Image:
    return add(1, "beach.jpg")


def files(image: Image) -> tuple[bool, bool]:
    """(original is there, any rendition is there)"""
    return (
        originals.path_of(image.sha256, image.format).exists(),
        any(rendition.path.exists() for rendition in image.renditions),
    )


def age(image: Image, days: float) -> None:
    Image.objects.filter(pk=image.pk).update(trashed_at=timezone.now() - timedelta(days=days))


def test_it_works(image: Image, as_admin: Client, client: Client):
    response = as_admin.post(f"/image/{image.pk}/trash/", follow=True)
    page = response.content.decode()
    assert "beach.jpg is in the trash for 30 days." in page
    assert f'action="/image/{image.pk}/restore/"' in page  # undo
    assert client.get(f"/image/{image.pk}/").status_code == 404
    response = as_admin.post(f"/image/{image.pk}/restore/", follow=True)
    assert "beach.jpg is back." in response.content.decode()
    complete(image)
    assert client.get(f"/image/{image.pk}/").status_code == 200


def test_renditions_leave_the_public_folder(image: Image, client: Client):
    assert files(image) == (True, True)
    assert image.trash()
    assert files(image) == (True, False)
    assert client.get(image.thumbnail.url).status_code == 404


def test_renditions_stay_when_the_transaction_fails(image: Image):
    with suppress(ZeroDivisionError), transaction.atomic():
        image.trash()
        1 / 0
    assert files(image) == (True, True)


def test_a_restored_image_gets_a_job_and_is_shown_when_that_is_done(image: Image, client: Client):
    image.trash()
    assert not Job.objects.exists()
    assert image.restore()
    assert Job.objects.get().image == image
    assert (image.state, image.trashed_at) == ("new", None)
    assert client.get(f"/image/{image.pk}/").status_code == 404
    complete(image)
    assert files(image) == (True, True)
    assert client.get(f"/image/{image.pk}/").status_code == 200


def test_twice_is_once(image: Image, as_admin: Client):
    assert image.trash()
    since = image.trashed_at
    assert not image.trash()
    assert image.trashed_at == since  # the days are not counted anew
    assert "in the trash" not in as_admin.post(f"/image/{image.pk}/trash/", follow=True).content.decode()
    assert image.restore()
    assert not image.restore()
    assert Job.objects.count() == 1


@pytest.mark.parametrize("action", ["trash", "restore"])
def test_requires_staff(image: Image, client: Client, as_member: Client, action: str):
    response = client.post(f"/image/{image.pk}/{action}/")
    assert (response.status_code, "/login/" in response["Location"]) == (302, True)
    assert as_member.post(f"/image/{image.pk}/{action}/").status_code == 403
    image.refresh_from_db()
    assert (image.state, image.trashed_at) == ("ready", None)


@pytest.mark.parametrize("action", ["trash", "restore"])
def test_requires_a_post_with_a_token(image: Image, admin, as_admin: Client, action: str):
    assert as_admin.get(f"/image/{image.pk}/{action}/").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin)
    assert strict.post(f"/image/{image.pk}/{action}/").status_code == 403
    image.refresh_from_db()
    assert image.trashed_at is None


@pytest.mark.parametrize("pk", [0, 2**63 - 1, 2**63, 2**64, 10**30])
@pytest.mark.parametrize("action", ["trash", "restore"])
def test_answers_404_for_what_is_not_there(db, as_admin: Client, pk: int, action: str):
    assert as_admin.post(f"/image/{pk}/{action}/").status_code == 404


def test_shows_hostile_names_as_text(image: Image, as_admin: Client):
    Image.objects.update(name="<script>alert(1)</script>")
    assert "<script>alert" not in as_admin.post(f"/image/{image.pk}/trash/", follow=True).content.decode()


def test_the_sweep_destroys_what_has_been_in_the_trash_too_long(add, settings):
    settings.TRASH_DAYS = 10
    kept, young, old = add(1), add(2), add(3)
    young.trash()
    age(young, 9.9)
    old.trash()
    age(old, 10.1)
    sweep.call_local()
    assert set(Image.objects.all()) == {kept, young}
    assert files(old) == (False, False)
    assert files(young) == (True, False)
    assert files(kept) == (True, True)


def test_purge_destroys_the_rows_that_belong_to_the_image(image: Image):
    pk = image.pk
    image.trash()
    assert image.purge()
    with connection.cursor() as cursor:
        for table in ("gallery_imagesource", "search_feature", "ingestion_job"):
            cursor.execute(f"SELECT count(*) FROM {table} WHERE image_id = %s", [pk])
            assert cursor.fetchone() == (0,)
    assert files(image) == (False, False)


def test_purge_spares_what_was_restored_in_between(image: Image):
    image.trash()
    age(image, 100)
    (found,) = Image.objects.expired()  # the sweep has seen it ...
    image.restore()  # ... and somebody wants it back
    assert not found.purge()
    assert Image.objects.filter(pk=image.pk).exists()
    assert files(image)[0]


def test_purge_spares_what_was_restored_and_trashed_again(image: Image):
    image.trash()
    age(image, 100)
    (found,) = Image.objects.expired()
    image.restore()
    image.trash()
    assert not found.purge()
    assert files(image)[0]


def test_the_same_picture_comes_in_again_after_a_purge(image: Image, client: Client):
    data = originals.path_of(image.sha256, image.format).read_bytes()
    image.purge()
    again = import_blocks([data], "again.jpg", Origin("upload", "again.jpg")).image
    complete(again)
    assert files(again) == (True, True)
    assert client.get(f"/image/{again.pk}/").status_code == 200


def test_it_does_not_come_back_by_itself(image: Image):
    data = originals.path_of(image.sha256, image.format).read_bytes()
    image.trash()
    outcome = import_blocks([data], "x.jpg", Origin("upload", "x.jpg"))
    assert (outcome.image, outcome.result) == (image, "known")
    assert outcome.reason == "It lies in the trash; only staff can bring it back."
    image.refresh_from_db()
    assert image.trashed_at
    assert not Job.objects.exists()


def test_whoever_may_brings_it_back_with_the_same_bytes(image: Image):
    data = originals.path_of(image.sha256, image.format).read_bytes()
    image.trash()
    outcome = import_blocks([data], "x.jpg", Origin("upload", "x.jpg", may_restore=True))
    assert (outcome.image, outcome.reason) == (image, "")
    image.refresh_from_db()
    assert image.trashed_at is None
    assert Job.objects.filter(image=image).exists()


def test_it_is_told_within_the_transaction(image: Image):
    told = []

    def listen(image: Image, **kwargs) -> None:
        told.append((image.pk, connection.in_atomic_block))
        raise ZeroDivisionError

    image_trashed.connect(listen)
    try:
        with suppress(ZeroDivisionError):
            image.trash()
    finally:
        image_trashed.disconnect(listen)
    assert told == [(image.pk, True)]
    image.refresh_from_db()
    assert image.trashed_at is None  # what listens and the trash happen together or not at all
    assert files(image) == (True, True)


@pytest.mark.parametrize(("days", "look"), [(0, sweep), (3, unpublish_all)])
def test_the_sweep_finishes_what_a_process_that_died_began(image: Image, days: float, look):
    age(image, days)  # trashed, and nothing else
    assert files(image) == (True, True)
    look.call_local()
    assert files(image) == (True, False)


def test_what_was_taken_out_meanwhile_keeps_its_fresh_renditions(image: Image):
    late = Image.objects.get(pk=image.pk)
    image.trash()
    image.restore()
    complete(image)
    late.unpublish()  # a removal that comes late: of the sweep, or of the one who trashed it
    assert files(image) == (True, True)


def test_a_job_that_is_late_makes_nothing_public_of_what_is_in_the_trash(transactional_db):
    image = import_blocks([encode(photo(5))], "x.jpg", Origin("upload", "x")).image
    image.trash()
    complete(image)
    assert files(image) == (True, False)
    image.restore()
    complete(image)
    assert files(image) == (True, True)


def test_a_job_that_is_late_leaves_no_files_of_what_was_destroyed(image: Image):
    late = Image.objects.get(pk=image.pk)
    path = originals.path_of(image.sha256, image.format)
    data = path.read_bytes()
    image.trash()
    image.purge()
    path.write_bytes(data)  # the worker had it open
    complete(late)
    assert not files(late)[1]


def test_the_reader_stays_in_the_same_place(as_admin, add):
    images = [add(seed) for seed in (1, 2, 3)]
    response = as_admin.post(f"/image/{images[1].pk}/trash/?sort=oldest")
    assert response["Location"] == f"/?sort=oldest&after={images[0].pk}"
    assert as_admin.post(f"/image/{images[2].pk}/trash/?sort=nonsense")["Location"] == "/?sort=newest"
