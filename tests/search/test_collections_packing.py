"""A collection becomes a dataset: files, index, licences; for whom it may be, and for a day."""

from __future__ import annotations

import io
import json
import os
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZIP_STORED, ZipFile

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import Client
from PIL import Image as PillowImage

from gallery import originals
from gallery.models import Image, ImageSource, ImageTag, Opinion, User
from search.datasets import packing, wishes, works
from search.datasets.errors import CollectionError
from search.models import Collection, CollectionWork
from tests.gallery.made import tag_called
from tests.pictures import encode, photo
from tests.search.collected import collection_of, private, some

pytestmark = pytest.mark.django_db
PLACE = {1: "N", 2: (48.0, 8.0, 2.0), 3: "E", 4: (11.0, 34.0, 0.0)}


@pytest.fixture
def member(db, settings, tmp_path) -> User:
    settings.VAR = tmp_path / "var"
    return User.objects.create(username="alice")


def with_file(pk: int, name: str, format: str = "JPEG", size: tuple[int, int] = (60, 40)) -> Image:
    """Bytes under the row; a JPEG knows where it was taken."""
    about = PillowImage.Exif()
    about.get_ifd(0x8825).update(PLACE)
    content = encode(photo(pk).resize(size), format, **({"exif": about.tobytes()} if format == "JPEG" else {}))
    with originals.Incoming(name) as incoming:
        incoming.fill([content])
        incoming.keep(format)
        facts = {"sha256": incoming.sha256, "bytes": len(content), "width": size[0], "height": size[1]}
    Image.objects.filter(pk=pk).update(name=name, format=format, **facts)
    return Image.objects.get(pk=pk)


@pytest.fixture
def cars(member) -> Collection:
    images = some(2)
    with_file(images[0], "Police car.jpg")
    with_file(images[1], "../b.gif", "GIF")
    ImageTag.objects.create(image_id=images[0], tag=tag_called("car"), state=Opinion.ACCEPTED, origin="person")
    ImageSource.objects.create(
        image_id=images[0], kind="page", address="https://example.org/1", author="Ann", licence="CC BY 4.0"
    )
    ImageSource.objects.create(image_id=images[1], kind="folder", address="/home/alice/b.gif", title="b")
    return collection_of(member, images)


def packed(work: CollectionWork) -> SimpleNamespace:
    assert works.pack_next()
    work.refresh_from_db()
    assert (work.state, work.problem) == (CollectionWork.State.DONE, "")
    file = ZipFile(packing.file_of(work))
    assert file.testzip() is None
    return SimpleNamespace(names=file.namelist(), read=file.read, infos=file.infolist())


def pack(cars: Collection, by: User, **options: object) -> SimpleNamespace:
    return packed(wishes.export(cars, by, options, "http://testserver"))


def test_it_works(cars, member):
    found = pack(cars, member)
    first, second = cars.images_for(member).order_by("pk")
    images = [f"images/{first.pk}-Police-car.jpg", f"images/{second.pk}-b.png"]
    assert found.names == [*images, "README.txt", "index.jsonl", "LICENSES.txt"]
    assert {info.compress_type for info in found.infos} == {ZIP_STORED}
    lines = [json.loads(line) for line in found.read("index.jsonl").decode().splitlines()]
    assert [line["file"] for line in lines] == images
    assert (lines[0]["tags"], lines[0]["licence"], lines[0]["author"]) == (["car"], "CC BY 4.0", "Ann")
    assert "/home/alice" not in found.read("index.jsonl").decode()
    said = found.read("LICENSES.txt").decode()
    assert f"CC BY 4.0: 1 picture\n  {images[0]} · by Ann · https://example.org/1" in said
    assert "No licence is known: 1 picture" in said
    assert "2 pictures, packed on" in found.read("README.txt").decode()


def test_places_do_not_come_along(cars, member):
    found = pack(cars, member)
    first = PillowImage.open(io.BytesIO(found.read(found.names[0])))
    assert not first.getexif().get_ifd(0x8825)
    assert first.size == (60, 40)


def test_byte_by_byte_where_somebody_wants_it(cars, member):
    found = pack(cars, member, metadata=True)
    first = cars.images_for(member).order_by("pk").first()
    assert found.read(found.names[0]) == originals.path_of(first.sha256, first.format).read_bytes()
    assert PillowImage.open(io.BytesIO(found.read(found.names[0]))).getexif().get_ifd(0x8825)


def test_resized_with_coco(cars, member):
    found = pack(cars, member, longest=30, index="coco")
    said = json.loads(found.read("annotations.json"))
    for image in said["images"]:
        assert PillowImage.open(io.BytesIO(found.read(image["file_name"]))).size == (image["width"], image["height"])
        assert max(image["width"], image["height"]) == 30
    assert [category["name"] for category in said["categories"]] == ["car"]


def test_private_pictures_of_others_are_looked_at_when_it_is_packed(cars, member):
    eve = User.objects.create(username="eve")
    Collection.objects.update(is_shared=True)
    work = wishes.export(cars, eve, {}, "http://testserver")
    first = cars.images_for(member).order_by("pk").first()
    private(first.pk, member)
    found = packed(work)
    assert not [name for name in found.names if name.startswith(f"images/{first.pk}")]
    assert str(first.pk) not in [json.loads(line)["id"] for line in found.read("index.jsonl").decode().splitlines()]


def test_a_missing_original_is_left_out_and_said(cars, member):
    first = cars.images_for(member).order_by("pk").first()
    originals.remove(first.sha256, first.format)
    work = wishes.export(cars, member, {}, "")
    found = packed(work)
    assert len(found.names) == 4
    assert work.outcome["why"] == [{"image": first.pk, "why": "Its file cannot be read."}]
    assert "1 could not be packed" in found.read("README.txt").decode()


def test_a_full_disk_is_said_before(cars, member, monkeypatch):
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda place: SimpleNamespace(free=packing.BESIDE))
    work = wishes.export(cars, member, {}, "")
    works.pack_next()
    work.refresh_from_db()
    assert "needs about 1 MiB, and the disk has 1 MiB to spare" in work.problem
    assert not list(packing.folder().iterdir())


def test_a_killed_worker_begins_again(cars, member):
    work = wishes.export(cars, member, {}, "")
    CollectionWork.objects.claim_one(work.pk, "dead")
    packing.folder().mkdir(parents=True)
    (packing.folder() / f".{work.token}.dead.part").write_bytes(b"half")
    assert not works.pack_next()
    CollectionWork.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert packed(work).names
    packing.sweep()
    assert [path.name for path in packing.folder().iterdir()] == [f"{work.token}.zip"]


def test_a_stopped_one_leaves_nothing(cars, member, monkeypatch):
    work = wishes.export(cars, member, {}, "")
    content = packing._content

    def stopped(*args: object) -> object:
        works.stop(work)
        return content(*args)

    monkeypatch.setattr(packing, "_content", stopped)
    works.pack_next()
    work.refresh_from_db()
    assert work.state == CollectionWork.State.STOPPED
    assert not list(packing.folder().iterdir())


class TestFile:
    @pytest.fixture
    def work(self, cars, member) -> CollectionWork:
        work = wishes.export(cars, member, {}, "")
        packed(work)
        return work

    def address(self, work: CollectionWork) -> str:
        return f"/collections/{work.collection.token}/works/{work.token}/file/"

    def test_for_whoever_had_it_packed(self, work, as_member):
        response = as_member.get(self.address(work))
        assert response.headers["Content-Type"] == "application/zip"
        assert response.headers["Content-Disposition"] == 'attachment; filename="Cars.zip"'
        assert b"".join(response.streaming_content) == packing.file_of(work).read_bytes()

    def test_and_for_nobody_else(self, work, as_admin):
        Collection.objects.update(is_shared=True)
        assert as_admin.get(self.address(work)).status_code == 404
        assert Client().get(self.address(work)).status_code == 302

    def test_for_a_day(self, work, as_member):
        packing.sweep()
        assert packing.file_of(work).exists()
        CollectionWork.objects.update(ended_at=Now() - timedelta(hours=25))
        stray = packing.folder() / ".x.part"
        stray.write_bytes(b"")
        os.utime(stray, (time.time(),) * 2)
        assert packing.sweep() == 2
        response = as_member.get(self.address(work))
        assert response.status_code == 410
        assert "it is kept for a day" in response.content.decode()


class TestCommands:
    def test_to_a_folder(self, cars, member, tmp_path):
        out = io.StringIO()
        call_command("export_collection", cars.token, to=str(tmp_path / "out"), index="csv", stdout=out)
        assert "2 pictures" in out.getvalue()
        names = {path.name for path in (tmp_path / "out").iterdir()}
        assert names == {"images", "index.csv", "README.txt", "LICENSES.txt"}
        assert len(list(Path(tmp_path / "out" / "images").iterdir())) == 2

    def test_not_over_something(self, cars, tmp_path):
        (tmp_path / "x").write_text("mine")
        with pytest.raises(CommandError, match="There is something in"):
            call_command("export_collection", cars.token, to=str(tmp_path))

    def test_collect(self, member):
        images = some(3)
        out = io.StringIO()
        call_command("collect", "width>0 sort:oldest", into="Wide", owner="alice", limit=2, stdout=out)
        found = Collection.objects.get(name="Wide", owner=member)
        assert list(found.items.order_by("pk").values_list("image", flat=True)) == images[:2]
        assert found.token in out.getvalue()

    def test_collect_needs_a_person(self):
        with pytest.raises(CommandError, match="nobody"):
            call_command("collect", "a", into="x", owner="nobody")


@pytest.mark.parametrize("options", [{"index": "xml"}, {"longest": 3}, {"longest": 10**6}])
def test_it_rejects_nonsense(cars, member, options):
    with pytest.raises(CollectionError):
        wishes.export(cars, member, options, "")
