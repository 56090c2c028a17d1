"""Pictures through the browser: one as the body of a request, or many in a form."""

from __future__ import annotations

import gc
from io import BytesIO
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.test.utils import CaptureQueriesContext

from gallery import originals
from gallery.models import Image
from ingestion.models import Job
from tests.ingestion.scene import bring_image, data, stored_files
from tests.ingestion.test_pipeline import full_disk

pytestmark = pytest.mark.django_db(transaction=True)


def send(client: Client, content: bytes, name: str = "beach.jpg", **headers: str):
    """As the drop zone does, but asking for JSON."""
    headers = {"X-File-Name": quote(name, errors="surrogatepass"), "Accept": "application/json"} | headers
    return client.post("/import/file/", content, content_type="application/octet-stream", headers=headers)


def post(client: Client, *files: tuple[str, bytes], **fields: str):
    """As the form does."""
    return client.post("/import/", {"files": [SimpleUploadedFile(*file) for file in files], **fields})


class TestBody:
    def test_it_works(self, as_member, member):
        response = send(as_member, data(1), "beach.jpg")
        image = Image.objects.get()
        assert response.status_code == 201
        assert response.json() == {
            "name": "beach.jpg",
            "result": "stored",
            "image": image.pk,
            "matches": [],
            "detail": "",
            "code": "",
        }
        source = image.sources.get()
        assert (source.kind, source.address, source.by) == ("upload", "beach.jpg", member)
        assert image.jobs.get().state == "queued"

    def test_it_shows_a_line(self, as_member):
        response = send(as_member, data(1), "<b>beach</b>.jpg", Accept="text/html")
        assert response.status_code == 201
        assert "Stored" in response.content.decode()
        assert "b&gt;.jpg" in response.content.decode()
        assert "<html" not in response.content.decode()

    def test_the_same_bytes_are_already_here(self, as_member):
        first = send(as_member, data(1)).json()
        response = send(as_member, data(1), "again.jpg")
        assert response.status_code == 200
        assert (response.json()["result"], response.json()["image"]) == ("known", first["image"])

    @pytest.mark.parametrize(
        ("content", "code", "status"),
        [
            (b"", "empty", 400),
            (b"just some text", "unsupported_type", 415),
            (data(1)[:1000], "corrupt", 422),
            (b"\xff\xd8\xff" + b"x" * 200_000, "too_large", 413),
        ],
    )
    def test_it_rejects(self, as_member, settings, content, code, status):
        settings.MAX_BYTES = 100_000
        response = send(as_member, content)
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.json()["detail"].endswith(".")
        assert response.json()["result"] == "refused"
        page = send(as_member, content, Accept="text/html")
        assert page.status_code == status
        assert "Refused:" in page.content.decode()
        assert not Image.objects.exists()
        assert stored_files(".") == []

    def test_reading_stops_at_the_limit(self, as_member, settings):
        settings.MAX_BYTES = 100_000
        body = BytesIO(b"\xff\xd8\xff" + b"x" * 10_000_000)
        extra = _as_body(body, 10_000_003)
        response = as_member.generic("POST", "/import/file/", b"", "application/octet-stream", **extra)
        assert response.status_code == 413
        assert body.tell() < 1_000_000

    def test_it_handles_a_connection_that_breaks_off(self, as_member):
        body = Broken(data(1)[:5000])
        extra = _as_body(body, 9000)
        response = as_member.generic("POST", "/import/file/", b"", "application/octet-stream", **extra)
        assert (response.status_code, response.json()["code"]) == (400, "broken")
        assert stored_files(".") == []

    def test_a_body_that_is_shorter_than_announced_is_not_stored(self, as_member):
        extra = _as_body(BytesIO(data(1)), len(data(1)) + 1)
        response = as_member.generic("POST", "/import/file/", b"", "application/octet-stream", **extra)
        assert (response.status_code, response.json()["code"]) == (400, "broken")
        assert stored_files(".") == []

    def test_it_handles_a_full_disk(self, as_member):
        with full_disk():
            response = send(as_member, data(1))
        assert (response.status_code, response.json()["code"]) == (507, "storage")
        assert response.json()["detail"] == "The picture cannot be stored now: File too large."
        assert stored_files(".") == []

    def test_it_handles_what_curl_sends(self, as_member):
        """--data-binary says that the bytes are a form."""
        form = "application/x-www-form-urlencoded"
        response = as_member.generic("POST", "/import/file/", data(1), form, headers={"Accept": "application/json"})
        assert (response.status_code, response.json()["name"]) == (201, "untitled")

    def test_it_requires_post(self, as_member):
        assert as_member.get("/import/file/").status_code == 405


class TestForm:
    def test_it_works(self, as_member, member):
        response = post(as_member, ("a.jpg", data(1)), ("b.png", data(2, "PNG")), ("c.txt", b"text"))
        page = response.content.decode()
        assert response.status_code == 200
        assert page.count("<strong>Stored</strong>") == 2
        assert page.count("<strong>Refused:</strong>") == 1
        assert "This file is no picture of a known type" in page
        assert {(i.name, i.sources.get().by) for i in Image.objects.all()} == {("a.jpg", member), ("b.png", member)}
        assert stored_files(".incoming") == []

    def test_the_page_has_the_form(self, as_member):
        page = as_member.get("/import/").content.decode()
        assert 'enctype="multipart/form-data"' in page
        assert 'name="files"' in page

    @pytest.mark.parametrize(
        ("content", "sentence", "status"),
        [
            (b"", "This file is empty.", 400),
            (b"text", "no picture of a known type", 415),
            (data(1)[:1000], "damaged or cut off", 422),
            (b"\xff\xd8\xff" + b"x" * 200_000, "larger than", 413),
        ],
    )
    def test_it_rejects(self, as_member, settings, content, sentence, status):
        settings.MAX_BYTES = 100_000
        response = post(as_member, ("a.jpg", content))
        assert response.status_code == status
        assert sentence in response.content.decode()
        assert stored_files(".") == []

    def test_one_that_is_too_large_does_not_cost_the_others(self, as_member, settings):
        settings.MAX_BYTES = 100_000
        response = post(as_member, ("a.jpg", data(1)), ("b.jpg", b"x" * 200_000), ("c.jpg", data(2)))
        assert response.status_code == 200
        assert response.content.decode().count("<strong>Stored</strong>") == 2
        assert stored_files(".incoming") == []

    def test_it_requires_a_file(self, as_member):
        response = as_member.post("/import/", {"name": "x"})
        assert response.status_code == 400
        assert "No file came. Choose some pictures first." in response.content.decode()

    def test_it_takes_a_hundred_files_at_most(self, as_member):
        assert post(as_member, *[(f"{n}.jpg", b"x") for n in range(101)]).status_code == 400
        assert stored_files(".") == []

    def test_it_handles_a_connection_that_breaks_off(self, as_member):
        files = [SimpleUploadedFile("a.jpg", data(1) + b"x" * 300_000) for _ in range(2)]
        form = encode_multipart(BOUNDARY, {"files": files})
        body = Broken(form[: len(form) * 3 // 4])
        extra = {"wsgi.input": body, "CONTENT_LENGTH": str(len(form)), "CONTENT_TYPE": MULTIPART_CONTENT}
        response = as_member.generic("POST", "/import/", b"", **extra)
        assert response.status_code == 400
        assert "The upload was broken off." in response.content.decode()
        assert not Image.objects.exists()

    def test_half_a_file_goes_with_its_request(self):
        """Django tells nobody that a connection broke off: the handler is just forgotten."""
        handler = originals.IncomingUploadHandler()
        handler.new_file("files", "a.jpg", "image/jpeg", None)
        handler.receive_data_chunk(b"x" * 300_000, 0)
        assert len(stored_files(".incoming")) == 1
        del handler
        gc.collect()
        assert stored_files(".incoming") == []

    @pytest.mark.parametrize("end", [0.25, 0.5, 0.75, 0.99])
    def test_nothing_stays_of_a_form_that_ends_too_early(self, as_member, end):
        form = encode_multipart(BOUNDARY, {"files": [SimpleUploadedFile("a.jpg", data(seed)) for seed in (1, 2)]})
        response = as_member.generic("POST", "/import/", form[: int(len(form) * end)], MULTIPART_CONTENT)
        assert response.status_code < 500
        assert stored_files(".incoming") == []

    def test_it_handles_a_full_disk(self, as_member):
        with full_disk():
            response = post(as_member, ("a.jpg", data(1)))
        assert response.status_code == 507
        assert "The picture cannot be stored now: File too large." in response.content.decode()
        assert stored_files(".") == []

    def test_it_handles_media_that_cannot_be_written(self, as_member, settings):
        settings.MEDIA_ROOT.write_text("a file where a folder should be")
        assert post(as_member, ("a.jpg", data(1))).status_code == 507
        assert send(as_member, data(1)).status_code == 507


class TestMembers:
    def test_it_requires_one(self, client):
        response = send(client, data(1))
        assert response.status_code == 403
        assert response.json() == {"detail": "Sign in to add pictures.", "code": "forbidden"}
        assert post(client, ("a.jpg", data(1))).headers["Location"] == "/login/?next=/import/"
        assert client.get("/import/").headers["Location"] == "/login/?next=/import/"
        assert stored_files(".") == []
        assert not Image.objects.exists()

    def test_anyone_may_where_the_settings_say_so(self, client, settings):
        settings.UPLOADS = "anyone"
        assert send(client, data(1)).status_code == 201
        assert post(client, ("a.jpg", data(2))).status_code == 200
        assert {image.sources.get().by for image in Image.objects.all()} == {None}

    def test_a_stranger_learns_of_no_folder(self, client, settings):
        settings.UPLOADS = "anyone"
        assert "Folders of this server" not in client.get("/import/").content.decode()

    @pytest.mark.parametrize("path", ["/import/file/", "/import/"])
    def test_it_requires_the_token_of_the_page(self, member, path):
        client = Client(enforce_csrf_checks=True)
        client.force_login(member)
        assert client.post(path, {"files": SimpleUploadedFile("a.jpg", data(1))}).status_code == 403
        assert stored_files(".") == []
        token = _token(client)
        response = client.post("/import/file/", data(1), "image/jpeg", headers={"X-CSRFToken": token})
        assert response.status_code == 201
        assert post(client, ("a.jpg", data(2)), csrfmiddlewaretoken=token).status_code == 200


class TestTrash:
    def test_only_staff_bring_it_back(self, as_member, as_admin, add):
        image = add(1)
        image.trash()
        response = send(as_member, data(1))
        assert (response.status_code, response.json()["result"]) == (200, "known")
        assert response.json()["detail"] == "It lies in the trash; only staff can bring it back."
        line = send(as_member, data(1), Accept="text/html").content.decode()
        assert "It lies in the trash; only staff can bring it back." in line
        assert f"/image/{image.pk}/" not in line
        image.refresh_from_db()
        assert image.trashed_at
        assert send(as_admin, data(1)).json()["detail"] == ""
        image.refresh_from_db()
        assert image.trashed_at is None


class TestWhoMayFillTheDisk:
    """A form is read before its view is asked: what it may hold is decided by its address and its sender."""

    LARGE = b"x" * 3 * 2**20

    def send(self, client: Client, path: str, *contents: bytes, strict: bool = True, **headers: str):
        """(answer, bytes read, files that were opened in .incoming meanwhile)"""
        opened: list[str] = []
        client.handler.enforce_csrf_checks = strict
        files = [SimpleUploadedFile(f"{n}.jpg", content) for n, content in enumerate(contents)]
        form = encode_multipart(BOUNDARY, {"files" if path == "/import/" else "picture": files})
        body = Watching(form, opened)
        extra = {"wsgi.input": body, "CONTENT_LENGTH": str(len(form)), "CONTENT_TYPE": MULTIPART_CONTENT}
        response = client.generic("POST", path, b"", headers=headers, **extra)
        assert stored_files(".incoming") == []
        return response, body.tell(), opened

    @pytest.mark.parametrize(
        "path", ["/login/", "/", "/nowhere/", "/admin/login/", "/import/file/", "/search/colours/", "/import/folder/"]
    )
    def test_a_large_form_is_not_read_where_no_file_is_taken(self, client, path):
        response, read, opened = self.send(client, path, self.LARGE)
        assert (response.status_code, read, opened) == (413, 0, [])
        assert "This address takes no files." in response.content.decode()

    @pytest.mark.parametrize("path", ["/login/", "/admin/login/", "/import/file/", "/import/", "/search/colours/"])
    def test_a_file_in_a_small_form_is_passed_over(self, client, path):
        response, _, opened = self.send(client, path, b"x" * 2**19, b"x" * 2**19)
        assert response.status_code in (302, 403)
        assert opened == []

    def test_nor_by_staff(self, as_admin):
        response, read, opened = self.send(as_admin, "/admin/ingestion/watchedfolder/add/", self.LARGE)
        assert (response.status_code, read, opened) == (413, 0, [])

    def test_an_import_requires_one_who_may(self, client, as_member):
        response, read, opened = self.send(client, "/import/", self.LARGE)
        assert (response.status_code, read, opened) == (403, 0, [])
        assert "Sign in to add pictures." in response.content.decode()
        response, _, opened = self.send(as_member, "/import/", self.LARGE, strict=False)
        assert response.status_code == 415  # read, and no picture
        assert opened

    def test_a_search_takes_one_file(self, client, settings):
        response, _, opened = self.send(client, "/search/", *[b"x" * 300_000] * 8, strict=False)
        assert response.status_code == 415
        assert len(opened) == 1

    def test_a_search_is_not_read_beyond_one_file(self, client, settings):
        settings.MAX_BYTES = 2**20
        response, read, opened = self.send(client, "/search/", self.LARGE)
        assert (response.status_code, read, opened) == (413, 0, [])
        assert "larger than 1 MiB" in response.content.decode()
        response, *_ = self.send(client, "/search/", self.LARGE, Accept="application/json")
        assert (response.status_code, response.json()["code"]) == (413, "too_large")

    @pytest.mark.parametrize("length", ["", "-1", "many"])
    def test_it_handles_any_length(self, client, length):
        extra = {"CONTENT_LENGTH": length, "CONTENT_TYPE": MULTIPART_CONTENT}
        assert client.generic("POST", "/search/", b"", **extra).status_code == 400

    def test_a_form_without_files_works_as_before(self, client, member):
        form = {"username": "alice", "password": "open sesame 12"}
        assert client.post("/login/", form).status_code == 302


class Watching(BytesIO):
    """A body that notes what lies in .incoming while it is read."""

    def __init__(self, content: bytes, seen: list[str]) -> None:
        super().__init__(content)
        self.seen = seen

    def read(self, *args, **kwargs):
        block = super().read(*args, **kwargs)
        self.seen += set(stored_files(".incoming")) - set(self.seen)
        return block


class TestProgress:
    def test_it_works(self, as_member):
        image = bring_image(1)
        page = as_member.get("/import/progress/").content.decode()
        assert "1 picture is being prepared" in page
        image.jobs.update(state="done")
        Image.objects.update(state="ready")
        page = as_member.get("/import/progress/").content.decode()
        assert "being prepared" not in page
        assert "Nothing is waiting" in page

    def test_htmx_gets_the_part(self, as_member):
        assert "<html" in as_member.get("/import/progress/").content.decode()
        assert "<html" not in as_member.get("/import/progress/", headers={"HX-Request": "true"}).content.decode()

    def test_it_requires_one_who_may_add(self, client, settings):
        response = client.get("/import/progress/")
        assert response.status_code == 403
        assert "Sign in to see what is being prepared." in response.content.decode()
        settings.UPLOADS = "anyone"
        assert client.get("/import/progress/").status_code == 200

    def test_it_looks_at_no_picture_and_at_no_job_that_is_done(self, as_member):
        with CaptureQueriesContext(connection) as asked:
            as_member.get("/import/progress/")
        assert not [q["sql"] for q in asked if "gallery_image" in q["sql"]]
        assert all("WHERE" in q["sql"] for q in asked if "ingestion_job" in q["sql"])

    def test_staff_hear_of_failures(self, as_admin):
        bring_image(1).jobs.update(state="failed")
        assert "1 could not be prepared" in as_admin.get("/import/progress/").content.decode()
        assert Job.objects.counts()["failed"] == 1


class Broken(BytesIO):
    """A body whose connection breaks off at its end."""

    def read(self, *args, **kwargs):
        block = super().read(*args, **kwargs)
        if not block:
            raise ConnectionResetError("the browser was closed")
        return block


def _as_body(body: BytesIO, length: int) -> dict:
    headers = {"HTTP_ACCEPT": "application/json", "HTTP_X_FILE_NAME": "a.jpg"}
    return {"wsgi.input": body, "CONTENT_LENGTH": str(length), **headers}


def _token(client: Client) -> str:
    client.get("/import/")
    return client.cookies["csrftoken"].value
