"""Bring a picture to /search/, get an address with the answer."""

import io
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from queue import LifoQueue

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.test import Client
from PIL import Image, ImageOps

from gallery import children
from gallery.models import Image as GalleryImage
from gallery.pictures import decode
from search import tasks
from search.models import QueryPicture, queries
from tests.pictures import encode, photo

pytestmark = pytest.mark.django_db(transaction=True)


def ask(client, data: bytes, name: str = "query.jpg", **headers):
    return client.post("/search/", {"picture": SimpleUploadedFile(name, data)}, **headers)


def asked(client, data: bytes) -> str:
    """The address of the answer."""
    response = ask(client, data)
    assert response.status_code == 302
    return response["Location"]


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_it_works(client, add):
    image = add(1, name="wanted.jpg")
    page = client.get(asked(client, encode(ImageOps.mirror(photo(1)))))
    assert page.status_code == 200
    assert "same picture<" in text(page).lower()
    assert "of 576 bits differ, mirrored" in text(page)
    assert f'href="/image/{image.pk}/' in text(page)


def test_the_page_with_the_form_answers(client):
    assert 'type="file"' in text(client.get("/search/"))


def test_it_answers_a_script_with_the_address(client, add):
    add(1)
    response = ask(client, encode(photo(1)), headers={"Accept": "application/json"})
    assert response.status_code == 201
    assert client.get(response.json()["address"]).status_code == 200


def test_the_query_never_becomes_part_of_the_gallery(client):
    asked(client, encode(photo(1)))
    assert not GalleryImage.objects.exists()


def test_the_address_cannot_be_guessed(client):
    first, second = (asked(client, encode(photo(1))) for _ in range(2))
    assert first != second
    assert len(first.split("/")[-2]) >= 32


def test_anybody_with_the_address_sees_the_answer(client, add):
    add(1)
    address = asked(client, encode(photo(1)))
    assert Client().get(address).status_code == 200


def test_it_says_honestly_that_there_is_nothing(client):
    page = client.get(asked(client, encode(photo(1))))
    assert page.status_code == 200
    assert "Nothing like it" in text(page)


def test_it_hides_weaker_results_behind_a_count(client, add):
    for seed in range(1, 14):
        add(seed)
    address = asked(client, encode(photo(1)))
    page = text(client.get(address))
    (count,) = re.findall(r"(\d+) weaker results? hidden", page)
    weak = text(client.get(f"{address}?weak=1"))
    assert len(set(re.findall(r'href="/image/(\d+)/', weak))) == int(count)


def test_it_pages_the_answer(client, add, settings):
    settings.PAGE_SIZE = 2
    for quality in (50, 60, 70):
        add(photo(1), quality=quality)
    address = asked(client, encode(photo(1)))
    first, second = (text(client.get(f"{address}?page={n}")) for n in (1, 2))
    found = [set(re.findall(r'href="/image/(\d+)/', page)) for page in (first, second)]
    assert [len(ids) for ids in found] == [2, 1]
    assert not found[0] & found[1]
    assert "page=2" in first


@pytest.mark.parametrize("page", ["0", "-1", "abc", "999999999999", "1e3", "NaN"])
def test_it_handles_nonsense_in_the_page_number(client, add, page):
    address = asked(client, encode(photo(1)))
    assert client.get(address, {"page": page, "weak": page}).status_code == 200


def test_htmx_gets_the_partial(client, add):
    add(1)
    address = asked(client, encode(photo(1)))
    partial = text(client.get(address, headers={"HX-Request": "true"}))
    assert "<html" not in partial
    assert "same picture<" in partial.lower()


def test_it_shows_the_asked_picture_without_metadata(client):
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    address = asked(client, encode(photo(1), exif=exif))
    response = client.get(f"{address}picture/")
    assert response["Content-Type"] == "image/webp"
    assert b"secret" not in response.content
    assert Image.open(io.BytesIO(response.content)).size == (320, 240)


def test_it_can_be_deleted(client):
    address = asked(client, encode(photo(1)))
    path = QueryPicture.objects.get().path
    assert path.exists()
    assert client.post(f"{address}delete/").status_code == 302
    assert client.get(address).status_code == 404
    assert client.get(f"{address}picture/").status_code == 404
    assert not path.exists()


def test_deleting_requires_a_post(client):
    address = asked(client, encode(photo(1)))
    assert client.get(f"{address}delete/").status_code == 405
    assert QueryPicture.objects.count() == 1


def test_it_is_over_after_a_day(client):
    address = asked(client, encode(photo(1)))
    query = QueryPicture.objects.get()
    assert timedelta(hours=23, minutes=59) < query.expires_at - query.created_at < timedelta(hours=24, minutes=1)
    QueryPicture.objects.update(expires_at=Now() - timedelta(seconds=1))
    assert client.get(address).status_code == 404
    tasks.forget_queries.call_local()
    assert not QueryPicture.objects.exists()
    assert not query.path.exists()


def test_a_living_query_is_not_swept(client):
    asked(client, encode(photo(1)))
    tasks.forget_queries.call_local()
    assert QueryPicture.objects.get().path.exists()


def test_only_a_small_picture_is_kept_of_a_large_one(client):
    """Each reader of the answer has it decoded: a bomb of 38 bytes must not cost its 100 megapixels again."""
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    large = encode(photo(1, 2400, 1800), exif=exif)
    asked(client, large)
    query = QueryPicture.objects.get()
    with Image.open(query.path) as kept:
        assert kept.size == (1600, 1200)
    assert b"secret" not in query.path.read_bytes()
    picture = query.picture()
    assert (query.format, query.width, query.height) == ("JPEG", 2400, 1800)
    assert (picture.format, picture.width, picture.height) == ("JPEG", 2400, 1800)
    # Not a bit is lost, so the engines answer as if they had seen what came.
    assert np.array_equal(picture.pixels, decode(large, longest=1600).pixels)
    assert [path.name for path in query.path.parent.iterdir()] == [query.token]


def test_what_is_kept_may_be_larger_than_an_upload(client, settings):
    data = encode(photo(1), quality=30)
    settings.MAX_BYTES = 2 * len(data)
    address = asked(client, data)
    assert QueryPicture.objects.get().path.stat().st_size > settings.MAX_BYTES
    assert client.get(address).status_code == 200


def test_a_full_disk_is_said(client, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(queries, "_write_whole", full)
    response = ask(client, encode(photo(1)))
    assert response.status_code == 507
    assert "No space left" in text(response)
    assert not QueryPicture.objects.exists()


def test_a_query_whose_file_is_gone_is_over(client):
    address = asked(client, encode(photo(1)))
    QueryPicture.objects.get().path.unlink()
    assert client.get(address).status_code == 404
    assert client.get(f"{address}picture/").status_code == 404


def test_files_that_a_crash_left_are_swept_when_they_are_old(client, settings):
    asked(client, encode(photo(1)))
    query = QueryPicture.objects.get()
    old, part, new = (query.path.with_name(name) for name in ("old", ".old.part", "new"))
    for path in (old, part, new):
        path.write_bytes(b"x")
    ago = time.time() - settings.QUERY_HOURS * 3600 - 60
    for path in (old, part, query.path):
        os.utime(path, (ago, ago))
    tasks.forget_queries.call_local()
    assert sorted(query.path.parent.iterdir()) == sorted([new, query.path])


class TestWhenEveryDecoderIsBusy:
    @pytest.fixture
    def busy(self, monkeypatch):
        monkeypatch.setattr(children, "WAIT_SECONDS", 0.1)
        monkeypatch.setattr(children, "_slots", LifoQueue())

    def test_it_asks_to_come_back(self, client, busy):
        response = ask(client, encode(photo(1)))
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert "Too many pictures are being read just now." in text(response)
        assert not QueryPicture.objects.exists()

    def test_a_job_is_done_later(self, add, monkeypatch):
        from ingestion.models import Job
        from ingestion.tasks import work_once

        image = add(1)
        Job.objects.enqueue(Job.Kind.COMPLETE, image)
        monkeypatch.setattr(children, "WAIT_SECONDS", 0.1)
        monkeypatch.setattr(children, "_slots", LifoQueue())
        assert work_once()
        assert Job.objects.get(image=image).state == Job.State.QUEUED


def test_no_more_pictures_are_decoded_at_once_than_there_are_processors_for_us():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    code += "from gallery import children; print(children.AT_ONCE)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


REFUSED = [
    (b"", 400, "empty"),
    (b"just text", 415, "unsupported_type"),
    (encode(photo(1))[:2000], 422, "corrupt"),
]


@pytest.mark.parametrize(("data", "status", "code"), REFUSED, ids=[r[2] for r in REFUSED])
def test_it_rejects_what_is_no_picture(client, settings, data, status, code):
    response = ask(client, data, headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (status, code)
    page = ask(client, data)
    assert page.status_code == status
    assert 'role="alert"' in text(page)
    assert not QueryPicture.objects.exists()
    assert not [p for p in (settings.MEDIA_ROOT / ".incoming").glob("*") if p.is_file()]


def test_it_rejects_a_search_without_a_picture(client):
    assert client.post("/search/", {}).status_code == 400
    assert client.post("/search/", {"picture": "not a file"}).status_code == 400


def test_it_rejects_what_is_too_large(client, settings):
    settings.MAX_BYTES = 1000
    assert ask(client, encode(photo(1))).status_code == 413


def test_it_requires_a_csrf_token(db):
    assert ask(Client(enforce_csrf_checks=True), encode(photo(1))).status_code == 403


def test_it_starts_from_a_picture_of_the_gallery(client, add):
    image, copy = add(1), add(photo(1), quality=30)
    page = text(client.get(f"/search/like/{image.pk}/"))
    assert f'href="/image/{copy.pk}/' in page
    assert client.get("/search/like/99999/").status_code == 404
    assert client.get(f"/search/like/{2**64}/").status_code == 404


class TestColours:
    def test_it_works(self, client, add):
        red = add(Image.new("RGB", (64, 64), (210, 30, 40)))
        page = text(client.get("/search/colours/?c=d21e28"))
        assert f'href="/image/{red.pk}/' in page

    def test_it_asks_for_colours(self, client):
        page = client.get("/search/colours/")
        assert page.status_code == 200
        assert 'name="c"' in text(page)

    @pytest.mark.parametrize("c", ["zzz", "fff," * 9, "<script>", "x" * 5000])
    def test_it_explains_a_mistake(self, client, c):
        page = client.get("/search/colours/", {"c": c})
        assert page.status_code == 400
        assert "<script>alert" not in text(page)
        assert "colour" in text(page)
