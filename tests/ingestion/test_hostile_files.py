"""The shared corpus of awkward and hostile files and names, through every door by which a file comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image as PillowImage

from gallery import originals
from gallery.models import Image, decode_limits
from gallery.pictures import EXTENSION, MIME, decode
from ingestion.folders import Entry, import_entry
from ingestion.models import KnownFile
from ingestion.pipeline import complete
from search.engines import own_engines
from tests.ingestion.scene import stored_files
from tests.pictures import encode
from tests.work import seconds_of_work

pytestmark = pytest.mark.django_db(transaction=True)
SCRIPT = "<script>alert("


@pytest.fixture
def corpus(bad_images: SimpleNamespace, settings: Any) -> SimpleNamespace:
    policy = bad_images.manifest["policy"]
    settings.MAX_BYTES, settings.MAX_PIXELS = policy["max_bytes"], policy["max_pixels"]
    settings.MAX_JPEG_SCANS = policy["max_jpeg_scans"]
    settings.MAX_DECODE_SECONDS = 20 * policy["max_seconds"]  # by the clock, and the machine may be busy
    decode(bad_images.root / "images/ok.png", limits=decode_limits())  # the first one waits for a child to start
    return bad_images


def upload(client: Client, content: bytes, name: str) -> Any:
    headers = {"X-File-Name": quote(name, errors="surrogatepass"), "Accept": "application/json"}
    return client.post("/import/file/", content, content_type="application/octet-stream", headers=headers)


def entry(path: Path) -> Entry:
    found = path.stat()
    return Entry(str(path), found.st_size, found.st_mtime_ns)


def shown(name: str) -> bool:
    """Fit for a page: short, no control, no bidi character."""
    hiding = set("\x7f\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    return 0 < len(name) <= 255 and not any(ord(c) < 32 or c in hiding for c in name)


class TestImages:
    def test_the_upload_judges_like_the_manifest(self, corpus, as_member):
        wrong, slow = {}, {}
        for row in corpus.manifest["images"]:
            begun = seconds_of_work()
            response = upload(as_member, (corpus.root / row["file"]).read_bytes(), Path(row["file"]).name)
            slow[row["file"]] = seconds_of_work() - begun
            answer = response.json()
            expected = ([row["status"]], row["code"]) if row["code"] else ([200, 201], "")
            if response.status_code not in expected[0] or answer["code"] != expected[1]:
                wrong[row["file"]] = (response.status_code, answer)
            if row["code"]:
                assert answer["detail"].endswith("."), answer
        assert wrong == {}
        assert len(slow) == 102
        assert {file: seconds for file, seconds in slow.items() if seconds > 2} == {}
        assert len(stored_files()) == Image.objects.count()
        assert stored_files(".incoming") == []

    def test_the_importer_judges_like_the_manifest(self, corpus):
        wrong = {}
        for row in corpus.manifest["images"]:
            outcome = import_entry(entry(corpus.root / row["file"]))
            code = outcome.error.code if outcome.error else None
            if code != row["code"]:
                wrong[row["file"]] = (code, outcome.reason)
        assert wrong == {}
        assert KnownFile.objects.filter(result="refused").count() == 44
        assert KnownFile.objects.filter(image__isnull=False).count() == 58
        assert len(stored_files()) == Image.objects.count()
        assert stored_files(".incoming") == []

    def test_what_is_accepted_can_be_shown_and_found(self, corpus, client):
        for row, image in accepted(corpus):
            assert complete(image) == [], row["file"]
            image.refresh_from_db()
            assert image.state == "ready", row["file"]
            assert_renditions(image)
            assert_features(image)
            page = client.get(f"/image/{image.pk}/")
            assert page.status_code == 200, row["file"]
            assert SCRIPT not in page.content.decode(), row["file"]
            assert_original(client.get(f"/image/{image.pk}/original/"), image, corpus.root / row["file"])

    def test_the_script_in_exif_is_shown_as_text(self, corpus, client):
        image = import_entry(entry(corpus.root / "images/exif_xss_orientation_99.jpg")).image
        assert image
        assert complete(image) == []
        assert SCRIPT in str(image.exif)
        assert "&lt;script&gt;alert(" in client.get(f"/image/{image.pk}/").content.decode()

    def test_the_eight_orientations_look_the_same(self, corpus):
        thumbnails = {}
        for turn in range(1, 9):
            image = import_entry(entry(corpus.root / f"images/exif_orientation_{turn}.jpg")).image
            assert image
            assert complete(image) == []
            thumbnail = decode(image.thumbnail.path, longest=96)
            thumbnails[turn] = thumbnail.pixels.astype(int)
        for turn, pixels in thumbnails.items():
            assert pixels.shape == thumbnails[1].shape, turn
            assert np.abs(pixels - thumbnails[1]).mean() < 8, turn
        # They would not if they were left as they are.
        assert np.abs(thumbnails[1][:, ::-1] - thumbnails[1]).mean() > 40


def accepted(corpus: SimpleNamespace) -> Iterator[tuple[dict, Image]]:
    for row in corpus.manifest["images"]:
        if not row["code"]:
            image = import_entry(entry(corpus.root / row["file"])).image
            assert image, row["file"]
            yield row, image


def assert_renditions(image: Image) -> None:
    for rendition in image.renditions:
        picture = decode(rendition.path)
        assert (picture.width, picture.height) == (rendition.width, rendition.height)
        assert min(picture.width, picture.height) >= 1
        assert picture.exif == {}


def assert_features(image: Image) -> None:
    assert set(image.features.values_list("engine", flat=True)) == set(own_engines())
    for feature in image.features.all():
        vectors = own_engines()[feature.engine].rows([bytes(feature.data)])
        assert vectors.shape[0] == 1
        assert np.isfinite(vectors.astype(float)).all()


def assert_original(response: Any, image: Image, file: Path) -> None:
    """The bytes as they came, as nothing that a browser would run."""
    assert response.status_code == 200
    assert b"".join(response.streaming_content) == file.read_bytes()
    assert response.headers["Content-Type"] == MIME[image.format]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


class TestArchives:
    """Not an import format yet: refused, and harmless."""

    def test_each_door_refuses_them(self, corpus, as_member, tmp_path):
        before = sorted(corpus.root.rglob("*"))
        for row in corpus.manifest["archives"]:
            file = corpus.root / row["file"]
            for name in (file.name, "picture.png"):
                response = upload(as_member, file.read_bytes(), name)
                answer = (response.status_code, response.json()["code"])
                assert answer in [(415, "unsupported_type"), (422, "corrupt")], row["file"]
            assert import_entry(entry(file)).result == "refused", row["file"]
        assert len(corpus.manifest["archives"]) == 16
        assert not Image.objects.exists()
        assert stored_files(".") == []
        assert sorted(corpus.root.rglob("*")) == before
        assert [path.name for path in tmp_path.iterdir()] == ["media"]
        assert not Path("/tmp/evil.png").exists()


class TestNames:
    @pytest.fixture
    def content(self) -> Callable[[int], bytes]:
        """Each name with bytes of its own, of a format that its extension does not tell."""
        return lambda number: encode(PillowImage.new("RGB", (9, 8), (number, 0, 0)), "GIF")

    def test_the_body_carries_each_and_the_page_shows_it_as_text(self, bad_images, as_admin, content):
        names = [row["upload_name"] for row in bad_images.manifest["names"]]
        for number, name in enumerate(names):
            response = upload(as_admin, content(number), name)
            assert response.status_code == 201, name
            image = Image.objects.get(pk=response.json()["image"])
            assert_harmless(image, response.json()["name"])
            page = as_admin.get(f"/image/{image.pk}/")
            assert page.status_code == 200
            text = page.content.decode()
            assert SCRIPT not in text
            assert "<img src=x" not in text
            assert "\u202e" not in text
            served = as_admin.get(f"/image/{image.pk}/original/")
            assert "\n" not in served.headers["Content-Disposition"]
        assert (len(names), Image.objects.count()) == (37, 37)

    def test_a_form_carries_most(self, bad_images, as_member, content):
        carried = 0
        for number, row in enumerate(bad_images.manifest["names"]):
            file = SimpleUploadedFile("x", content(number))
            file._name = row["upload_name"].encode("utf-8", "replace").decode()  # past Django's own cleaning
            response = as_member.post("/import/", {"files": file})
            # Django drops a file without a name before we see it: the form then says that no file came.
            assert response.status_code in (200, 400), row
            carried += response.status_code == 200
        assert carried == Image.objects.count() >= 30
        for image in Image.objects.all():
            assert_harmless(image, image.name)


def assert_harmless(image: Image, answered: str) -> None:
    assert image.name == answered
    assert shown(image.name)
    assert all(shown(source.address) for source in image.sources.all())
    path = originals.path_of(image.sha256, image.format)
    folder = originals._folder("originals")
    assert path == folder / image.sha256[:2] / image.sha256[2:4] / f"{image.sha256}.{EXTENSION['GIF']}"
    assert path.is_file()
