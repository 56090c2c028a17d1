"""The Python client against a gallery that runs, with real pictures."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search.client import AsyncGallery, Forbidden, Gallery, Invalid, NotFound, Unauthorized
from tests.pictures import encode, photo


@pytest.fixture
def served(live_server: Any, add: Any, member: Any) -> SimpleNamespace:
    """Two pictures that are public, and a member with a token of all scopes."""
    from gallery.models import ApiToken, Scope

    _, secret = ApiToken.issue(member, "test", [scope.value for scope in Scope])
    images = [add(1, "beach.jpg"), add(2, "forest.jpg")]
    return SimpleNamespace(url=live_server.url, token=secret, images=images, ids=[image.pk for image in images])


@pytest.fixture
def gallery(served: SimpleNamespace) -> Any:
    with Gallery(served.url, served.token) as gallery:
        yield gallery


def test_it_works(gallery, served, tmp_path):
    """One gallery, everything that looks: a picture in each form, words, colours, pages, files."""
    first, second = served.ids
    file = encode(photo(1))
    (tmp_path / "mine.jpg").write_bytes(file)
    for picture in (file, tmp_path / "mine.jpg", str(tmp_path / "mine.jpg"), io.BytesIO(file), photo(1)):
        best = gallery.from_image(picture, k=5, engines="phash").matches[0]
        assert (best.image.id, best.grade, best.certain) == (first, "same", True)
        assert best.evidence
    assert gallery.similar(first, engines="phash").query["id"] == first
    assert [match.image.id for match in gallery.from_text("format:jpeg", k=9).matches] == []
    assert {match.image.id for match in gallery.search(q="format:jpeg").matches} == {first, second}
    assert gallery.from_colours(["#aa3322", "ffffff"]).query["colours"] == ["aa3322", "ffffff"]
    explained = gallery.from_image(photo(2), engines="phash", explain=True, box=(0, 0, 1, 1), least=0.2).matches
    assert [match.image.id for match in explained] == [second]
    assert set(explained[0].hits) == {"phash"}
    assert {image.id for image in gallery.images(page_size=1)} == {first, second}
    assert gallery.original(first) == file
    assert gallery.download(second, tmp_path / "second.jpg").read_bytes() == encode(photo(2))
    assert gallery.health().state
    assert (gallery.me().name, gallery.me().role) == ("alice", "member")
    assert gallery.about().you == gallery.me()
    assert "phash" in {engine.name for engine in gallery.engines()}


def test_it_works_asynchronously(served, tmp_path):
    async def ask() -> None:
        async with AsyncGallery(served.url, served.token) as gallery:
            found = await asyncio.gather(*(gallery.from_image(photo(seed), engines="phash") for seed in (1, 2)))
            assert [answer.matches[0].image.id for answer in found] == served.ids
            assert {image.id async for image in gallery.images(page_size=1)} == set(served.ids)
            assert [came.state for came in await gallery.upload_folder(folder)] == ["stored", "here_already"]

    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(encode(photo(3)))
    (folder / "b.jpg").write_bytes(encode(photo(1)))
    asyncio.run(ask())


def test_edits_and_takes_back(gallery, served):
    (number, _) = served.ids
    assert gallery.edit(number, caption="A beach", add_tags=["sea", "sand"]).caption == "A beach"
    assert gallery.untag(number, "sand").tag_names == ("sea",)
    assert gallery.tag(number, "sun", "red car").tag_names == ("red car", "sea", "sun")
    assert {tag.name: tag.pictures for tag in gallery.tags()} == {"red car": 1, "sea": 1, "sun": 1}
    assert [tag.name for tag in gallery.tags("s")] == ["sea", "sun"]
    assert gallery.tag_detail(next(gallery.tags("sea")).id).name == "sea"
    assert gallery.edit(number, caption="").caption == ""
    assert {edit.by for edit in gallery.history(number)} == {"alice"}


def test_only_owners_throw_away(gallery, served):
    from gallery.models import Image

    with pytest.raises(Forbidden):
        gallery.delete(served.ids[0])
    number = gallery.upload(photo(3), private=True).image.id
    gallery.delete(number)
    gallery.delete(number)  # twice is as once
    assert Image.objects.get(pk=number).trashed_at
    assert gallery.restore(number).id == number
    assert Image.objects.get(pk=number).trashed_at is None


def test_says_no_in_sentences(gallery, served):
    with pytest.raises(NotFound, match=r"\.$"):
        gallery.image(10**9)
    with pytest.raises(Invalid, match="opened and not closed") as refused:
        list(gallery.images("(unbalanced"))
    assert (refused.value.status, refused.value.code) == (400, "query")
    with pytest.raises(Unauthorized, match="unknown, expired or revoked"):
        Gallery(served.url, "lka_wrong").me()
    with pytest.raises(Unauthorized):
        Gallery(served.url).tag(served.ids[0], "sea")
    with pytest.raises(Invalid, match="one picture at a time"):
        gallery.search(b"x", id=5)
    with pytest.raises(Invalid, match="no file"):
        gallery.from_image("missing.jpg")
    with pytest.raises(Invalid):
        gallery.from_image(b"no picture")


def test_exports_a_dataset_and_goes_on_where_it_was(gallery, served, tmp_path):
    from gallery.models import Image, ImageSource

    Image.objects.filter(pk=served.ids[0]).update(name="../../Ferien & Meer?.jpg")
    ImageSource.objects.filter(image=served.ids[0]).update(licence="CC BY 4.0", author="Ada")
    folder, seen = tmp_path / "data", []
    done = gallery.export("format:jpeg", folder, limit=1, sort="oldest", progress=lambda n, image: seen.append(n))
    assert (done.pictures, done.written, seen) == (1, 1, [1])
    files = sorted(path.name for path in folder.iterdir())
    assert files == [".export.lock", f"{served.ids[0]:08}-Ferien-Meer.jpg", "images.jsonl"]

    lines = folder / "images.jsonl"
    lines.write_bytes(lines.read_bytes() + b'{"half a li')  # killed while it wrote
    done = gallery.export("format:jpeg", folder, sort="oldest", jobs=2)
    assert (done.pictures, done.written) == (2, 1)
    said = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [each["id"] for each in said] == served.ids
    assert (said[0]["sources"][0]["licence"], said[0]["sources"][0]["author"]) == ("CC BY 4.0", "Ada")
    for each in said:
        assert hashlib.sha256((folder / each["file"]).read_bytes()).hexdigest() == each["sha256"]

    (folder / said[0]["file"]).unlink()
    assert gallery.export("format:jpeg", folder).written == 1
    assert len(lines.read_text().splitlines()) == 2
    assert gallery.export("format:jpeg", folder).written == 0


def test_exports_smaller_copies(gallery, served, tmp_path):
    from PIL import Image as Pillow

    done = asyncio.run(_export(served, tmp_path))
    said = [json.loads(line) for line in (tmp_path / "images.jsonl").read_text().splitlines()]
    assert (done.written, len(said)) == (2, 2)
    for each in said:
        with Pillow.open(tmp_path / each["file"]) as picture:
            assert (picture.format, picture.size) == ("WEBP", (each["width"], each["height"]))


def test_exports_copies_of_what_is_not_for_everybody(gallery, served, member, settings, tmp_path):
    served.images[0].owners.add(member)
    assert served.images[0].set_private(True)
    settings.ACCESS = "members"
    gallery.export("", tmp_path, size=300)
    said = [json.loads(line) for line in (tmp_path / "images.jsonl").read_text().splitlines()]
    assert {each["id"] for each in said} == set(served.ids)
    assert {Path(each["file"]).suffix for each in said} == {".webp"}


def test_exports_the_original_where_there_is_no_copy_yet(gallery, served, tmp_path):
    served.images[0].thumbnail.path.unlink()
    gallery.export("", tmp_path, size=300, sort="oldest", jobs=1)
    said = [json.loads(line) for line in (tmp_path / "images.jsonl").read_text().splitlines()]
    assert [Path(each["file"]).suffix for each in said] == [".jpg", ".webp"]
    assert {each["width"] for each in said} == {320}


def test_one_export_at_a_time_writes_to_a_folder(gallery, tmp_path):
    from search.client.alone import Alone

    with Alone(tmp_path), pytest.raises(Invalid, match="Another export is writing to"):
        gallery.export("", tmp_path)
    assert gallery.export("", tmp_path).written == 2


def test_what_is_gone_meanwhile_is_named(gallery, served, tmp_path):
    from django.utils import timezone

    from gallery.models import Image

    second = served.ids[1]

    def progress(count: int, image: Any) -> None:
        Image.objects.filter(pk=second).update(trashed_at=timezone.now())

    done = gallery.export("", tmp_path, sort="oldest", jobs=1, progress=progress)
    assert (done.gone, done.written) == ((second,), 1)


def test_a_missing_file_does_not_end_an_export(gallery, served, settings, tmp_path):
    next((settings.MEDIA_ROOT / "originals").rglob("*.jp*g")).unlink()
    done = gallery.export("", tmp_path)
    assert (len(done.gone), done.written) == (1, 1)


async def _export(served: SimpleNamespace, folder: Path) -> Any:
    async with AsyncGallery(served.url, served.token) as gallery:
        return await gallery.export("", folder, size=300)


def test_a_folder_of_something_else_is_left_alone(gallery, tmp_path):
    (tmp_path / "images.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(Invalid, match="was not written by an export"):
        gallery.export("", tmp_path)
    assert (tmp_path / "images.jsonl").read_text() == '{"mine": 1}\n'


def test_searches_get_names(gallery, served):
    saved = gallery.save_search("jpegs", "format:jpeg")
    assert {match.image.id for match in gallery.saved_results(saved.token).matches} == set(served.ids)
    assert gallery.change_saved(saved.token, name="all jpegs").name == "all jpegs"
    with pytest.raises(Invalid) as refused:
        gallery.save_search("all jpegs", "format:png")
    assert refused.value.status == 409
    gallery.delete_saved(saved.token)
    assert [each.name for each in gallery.saved_searches()] == []
    assert gallery.restore_saved(saved.token).name == "all jpegs"
