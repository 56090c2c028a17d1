"""Files beside a picture: what they say becomes its words, and what people decided here stays."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from gallery.models import Caption, Image, ImageTag, Opinion, Tag, TagAlias
from ingestion import tasks
from ingestion.folders import Entry, find, import_entry, new_entries
from ingestion.models import KnownFile, WatchedFolder
from ingestion.pipeline import Outcome
from ingestion.sidecars import MAX_BYTES, MAX_TAGS, READ, Sidecar, SidecarError, read
from tests.ingestion.scene import data

XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmp:Rating="5" dc:source="https://example.org/p/7"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
  xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<dc:subject><rdf:Bag><rdf:li>Sea</rdf:li><rdf:li>storm</rdf:li></rdf:Bag></dc:subject>
<lr:hierarchicalSubject><rdf:Bag><rdf:li>nature|water|Wave</rdf:li></rdf:Bag></lr:hierarchicalSubject>
<dc:description><rdf:Alt><rdf:li xml:lang="de">Ein Sturm</rdf:li><rdf:li xml:lang="x-default">A storm</rdf:li></rdf:Alt>
</dc:description>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">The ninth wave</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>Ivan</rdf:li><rdf:li>Olga</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">CC BY 4.0</rdf:li></rdf:Alt></dc:rights>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


NAMESPACES = 'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
DEEP, DEEP_END = "<dc:subject><rdf:Bag><rdf:li>a", "</rdf:li></rdf:Bag></dc:subject>"
FLAT = f"{DEEP}{DEEP_END}"


@pytest.fixture
def folder(tmp_path: Path, transactional_db: None) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(data(1))
    return folder


def write(folder: Path, name: str, content: str | bytes, age: float = 60) -> None:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    moment = time.time() - age
    os.utime(folder / name, (moment, moment))


def bring(folder: Path) -> list[str]:
    """Import what is new; the warnings."""
    return [sentence for entry in new_entries(find(folder)) for sentence in import_entry(entry).warnings]


def tags() -> dict[str, str]:
    return dict(ImageTag.objects.filter(origin="sidecar").values_list("tag__name", "state"))


def said(tmp_path: Path, name: str, content: str | bytes) -> Sidecar:
    write(tmp_path, name, content)
    return read(str(tmp_path / name))


class TestFolder:
    def test_it_works(self, folder):
        write(folder, "photo.jpg.txt", "Sea, big waves\nstorm")
        write(folder, "photo.json", json.dumps({"tags": ["sea", "1850"], "caption": "A storm", "title": "Wave"}))
        assert bring(folder) == []
        image = Image.objects.get()
        assert tags() == dict.fromkeys(["sea", "big waves", "storm", "1850"], "accepted")
        assert set(image.image_tags.values_list("decision", "confidence")) == {(0, None)}
        assert (image.caption, image.sources.get().title) == ("A storm", "Wave")
        assert bring(folder) == []  # nothing is new
        assert list(new_entries(find(folder))) == []

    def test_a_page_that_is_named_gets_the_facts(self, folder):
        write(folder, "photo.xmp", XMP)
        bring(folder)
        source = Image.objects.get().sources.get(kind="web")
        assert source.address == "https://example.org/p/7"
        assert (source.title, source.author, source.licence) == ("The ninth wave", "Ivan, Olga", "CC BY 4.0")
        assert Image.objects.get().sources.get(kind="folder").title == ""

    def test_another_name_of_a_tag_means_the_tag(self, folder):
        TagAlias.objects.create(name="sea", tag=Tag.objects.create(name="ocean"))
        write(folder, "photo.txt", "sea, ocean")
        bring(folder)
        assert list(tags()) == ["ocean"]

    def test_a_sidecar_that_appears_later_is_read(self, folder):
        bring(folder)
        assert tags() == {}
        write(folder, "photo.txt", "sea")
        bring(folder)
        assert list(tags()) == ["sea"]
        assert Image.objects.get().sources.count() == 1

    def test_a_sidecar_that_changes_is_read_again(self, folder):
        write(folder, "photo.txt", "sea, strom")
        write(folder, "photo.json", '{"caption": "A strom"}')
        bring(folder)
        write(folder, "photo.txt", "sea, storm", age=30)
        write(folder, "photo.json", '{"caption": "A storm"}', age=30)
        bring(folder)
        assert sorted(tags()) == ["sea", "storm"]
        assert Image.objects.get().caption == "A storm"

    def test_one_that_is_not_changed_keeps_its_words(self, folder):
        write(folder, "photo.txt", "sea")
        write(folder, "photo.xmp", XMP)
        bring(folder)
        write(folder, "photo.txt", "lake", age=30)
        bring(folder)
        assert sorted(tags()) == ["lake", "sea", "storm", "wave"]

    def test_what_people_decided_stays(self, folder):
        write(folder, "photo.txt", "sea, storm, boat")
        write(folder, "photo.json", '{"caption": "Boats"}')
        bring(folder)
        image = Image.objects.get()
        image.image_tags.filter(tag__name="sea").update(state="rejected", decision=1)
        image.image_tags.filter(tag__name="boat").update(decision=2)
        image.captions.update(state="rejected", decision=3)
        lake = Tag.objects.create(name="lake")
        ImageTag.objects.create(image=image, tag=lake, origin="net:1", generation=1, state="rejected", decision=4)
        write(folder, "photo.txt", "sea, lake", age=30)
        write(folder, "photo.json", '{"caption": "Boats", "title": "x"}', age=30)
        bring(folder)
        assert tags() == {"sea": "rejected", "lake": "rejected", "boat": "accepted"}
        assert image.captions.get().state == Opinion.REJECTED
        assert Image.objects.get().caption == ""

    def test_what_a_machine_suggested_is_no_decision(self, folder):
        bring(folder)
        sea = Tag.objects.create(name="sea")
        ImageTag.objects.create(image=Image.objects.get(), tag=sea, origin="net:1", generation=1, state="suggested")
        write(folder, "photo.txt", "sea")
        bring(folder)
        assert tags() == {"sea": "accepted"}

    def test_two_copies_say_it_together(self, folder):
        (folder / "copy.jpg").write_bytes(data(1))
        write(folder, "photo.txt", "sea")
        write(folder, "copy.txt", "storm")
        bring(folder)
        write(folder, "copy.txt", "wave", age=30)
        bring(folder)
        assert sorted(tags()) == ["sea", "wave"]

    def test_one_that_is_taken_away_takes_its_words_with_it_when_another_is_read(self, folder):
        write(folder, "photo.txt", "sea")
        write(folder, "photo.xmp", XMP)
        bring(folder)
        (folder / "photo.xmp").unlink()
        bring(folder)
        assert "storm" in tags()  # nothing disappears by itself, nor when the only one is taken away
        write(folder, "photo.txt", "lake", age=30)
        bring(folder)
        assert list(tags()) == ["lake"]

    def test_one_stem_may_belong_to_two_pictures(self, folder):
        (folder / "photo.png").write_bytes(data(2))
        write(folder, "photo.txt", "sea")
        bring(folder)
        assert ImageTag.objects.filter(origin="sidecar").count() == 2

    def test_the_trash_stays_the_trash(self, folder):
        bring(folder)
        Image.objects.get().trash()
        write(folder, "photo.txt", "sea")
        assert list(new_entries(find(folder))) == []
        Image.objects.get().purge()
        assert list(new_entries(find(folder))) == []

    @pytest.mark.parametrize("name", ["photo.JPG.TXT", "Photo.Json"])
    def test_capital_letters_do_not_matter(self, folder, name):
        write(folder, name, '{"tags": ["sea"]}' if name.endswith("n") else "sea")
        bring(folder)
        assert list(tags()) == ["sea"]

    def test_a_bad_one_is_told_and_the_picture_comes(self, folder):
        write(folder, "photo.json", "{")
        write(folder, "photo.xmp", XMP)
        err, out = StringIO(), StringIO()
        call_command("import", str(folder), stdout=out, stderr=err)
        assert "warning: photo.json was not read: it is no JSON." in err.getvalue()
        assert "1 stored" in out.getvalue()
        assert "storm" in tags()
        assert KnownFile.objects.get(path__endswith="photo.json").result == "refused"
        assert bring(folder) == []  # not told again until it changes

    def test_a_watched_folder_reads_them(self, folder):
        watched = WatchedFolder.objects.create(path=str(folder))
        write(folder, "photo.jpg", data(1))
        write(folder, "photo.txt", b"\xff\x00bad")
        tasks.watch.call_local()
        watched.refresh_from_db()
        assert watched.result == "1 stored. photo.txt was not read: it is no text in UTF-8."
        write(folder, "photo.txt", "sea", age=0)
        tasks.watch.call_local()
        assert tags() == {}  # somebody may still write it
        write(folder, "photo.txt", "sea", age=30)
        tasks.watch.call_local()
        assert list(tags()) == ["sea"]
        watched.refresh_from_db()
        assert watched.result == "1 known"

    def test_a_folder_in_which_something_breaks_is_told_and_the_next_one_comes(self, folder, tmp_path):
        """PostgreSQL takes no such caption here, as it takes no NUL."""
        write(folder, "photo.jpg", data(1))
        write(folder, "photo.json", '{"caption": "bad", "tags": ["sea"]}')
        write(folder, "z.jpg", data(2))
        other = tmp_path / "other"
        other.mkdir()
        write(other, "a.jpg", data(3))
        for path in (folder, other):
            WatchedFolder.objects.create(path=str(path))
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gallery_caption ADD CONSTRAINT picky CHECK (text <> 'bad')")
        try:
            tasks.watch.call_local()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE gallery_caption DROP CONSTRAINT picky")
        told = dict(WatchedFolder.objects.filter(last_scan__isnull=False).values_list("path", "result"))
        assert told == {
            str(folder): "2 stored. photo.json was not kept: the database does not take it.",
            str(other): "1 stored",
        }

    def test_a_file_that_breaks_the_import_is_told(self, folder, monkeypatch):
        write(folder, "a.jpg", data(1))
        write(folder, "b.jpg", data(2))
        watched = WatchedFolder.objects.create(path=str(folder))

        def import_or_break(entry: Entry, **options: Any) -> Outcome:
            if entry.path.endswith("a.jpg"):
                raise ZeroDivisionError
            return import_entry(entry, **options)

        monkeypatch.setattr("ingestion.folders.import_entry", import_or_break)
        tasks.watch.call_local()
        watched.refresh_from_db()
        assert watched.result == "1 refused, 1 stored. a.jpg was not imported: ZeroDivisionError, see the log."

    @pytest.mark.parametrize("category", ["a\u0000b", "\ud800", "x" * 500_000, "\u202eevil", "\u0130" * 32])
    def test_a_category_is_cleaned(self, folder, category):
        write(folder, "photo.json", json.dumps({"tags": {category: ["sea"]}}))
        assert bring(folder) == []
        kept = Tag.objects.get(name="sea").category
        assert len(kept) <= 32
        assert kept.isprintable()


class TestRead:
    def test_it_works(self, tmp_path):
        assert said(tmp_path, "a.txt", "\ufeffSea,, storm \r\n\r\nbig  waves").tags == dict.fromkeys(
            ["sea", "storm", "big waves"], ""
        )
        assert said(tmp_path, "b.txt", "sturm, Käfer".encode("utf-16")).tags == {"sturm": "", "käfer": ""}

    def test_xmp(self, tmp_path):
        found = said(tmp_path, "a.xmp", XMP)
        assert list(found.tags) == ["sea", "storm", "wave"]
        assert (found.caption, found.title, found.author) == ("A storm", "The ninth wave", "Ivan, Olga")

    def test_a_gallery_dl_file(self, tmp_path):
        found = said(
            tmp_path,
            "a.json",
            json.dumps(
                {
                    "category": "danbooru",
                    "tags": "big_wave 1girl hokusai",
                    "tag_string_artist": "hokusai",
                    "description": "A <b>wave</b><br />&amp; a boat",
                    "user": {"id": 1, "name": "ada"},
                    "source": "",
                    "file_url": "https://example.org/1.jpg",
                    "rating": "s",
                }
            ),
        )
        assert found.tags == {"hokusai": "artist", "big_wave": "", "1girl": ""}
        assert (found.caption, found.author, found.source) == ("A wave & a boat", "ada", "https://example.org/1.jpg")

    def test_lists_inside_lists_are_not_its_own(self, tmp_path):
        bag = "<dc:subject><rdf:Bag><rdf:li>{}</rdf:li></rdf:Bag></dc:subject>"
        found = said(tmp_path, "a.xmp", f"<r {NAMESPACES}>{bag.format('sea' + bag.format('storm'))}</r>")
        assert list(found.tags) == ["sea", "storm"]

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.json", json.dumps({"caption": "<br " * 240_000})),
            ("a.json", json.dumps({"caption": "<a" * 450_000})),
            ("a.json", json.dumps({"caption": f"&#{'9' * 6_000};"})),
            ("a.json", json.dumps({"tags": {"x" * 500_000: ["a", "b"] * 40_000}})),
            ("a.txt", "a," * 450_000),
            ("a.xmp", f"<r {NAMESPACES}>{DEEP * 9_000}{DEEP_END * 9_000}</r>"),
            ("a.xmp", f"<r {NAMESPACES}>{FLAT * 9_000}</r>"),
        ],
    )
    def test_none_is_slow(self, tmp_path, name, content):
        assert len(content) < MAX_BYTES
        start = time.process_time()
        with suppress(SidecarError):
            said(tmp_path, name, content)
        assert time.process_time() - start < 2

    @pytest.mark.parametrize(
        "tags",
        [
            ["sea", "blue sky"],
            "sea, blue sky",
            [{"name": "sea", "translated_name": "blue sky"}],
            {"x": ["sea", "blue sky"]},
        ],
    )
    def test_tags_are_written_in_many_ways(self, tmp_path, tags):
        assert list(said(tmp_path, "a.json", json.dumps({"tags": tags})).tags) == ["sea", "blue sky"]

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.txt", b"\xff\xfe\xff"),
            ("a.txt", b"sea\x00"),
            ("a.json", b"[" * 100_000),
            ("a.json", b"7"),
            ("a.json", b'{"description": "' + b"<a" * 10_000 + b'"}'),
            ("a.xmp", b"<a>"),
            ("a.xmp", b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 99 + b'">]><a>&b;</a>'),
            ("a.xmp", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'),
            ("a.txt", b"x" * (MAX_BYTES + 1)),
        ],
    )
    def test_it_rejects(self, tmp_path, name, content):
        with pytest.raises(SidecarError):
            said(tmp_path, name, content)

    def test_it_counts_what_it_leaves_out(self, tmp_path):
        found = said(tmp_path, "a.txt", ",".join(["y" * 101, *(f"tag {n}" for n in range(MAX_TAGS + 7))]))
        assert (len(found.tags), found.left_out) == (MAX_TAGS, 8)

    @pytest.mark.parametrize("source", ["javascript:alert(1)", "file:///etc/passwd", "http://", "http://[", 7, ["x"]])
    def test_only_the_web_is_a_source(self, tmp_path, source):
        assert said(tmp_path, "a.json", json.dumps({"source": source})).source == ""

    @given(
        st.binary(max_size=300)
        | st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["tags", "title", "user", "source", "caption", "name", "category"])
                    | st.text(max_size=5),
                    inner,
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode())
    )
    def test_nothing_else_is_ever_raised(self, content):
        for reader in READ.values():
            try:
                found = reader(content)
            except SidecarError:
                continue
            for text in (
                *found.tags,
                *found.tags.values(),
                found.caption,
                found.title,
                found.author,
                found.licence,
                found.source,
            ):
                assert "\x00" not in text
                text.encode()


def test_captions_are_of_the_sidecar(folder):
    write(folder, "photo.json", json.dumps({"description": "x" * 3_000}))
    bring(folder)
    caption = Caption.objects.get()
    assert (caption.origin, caption.state, len(caption.text)) == ("sidecar", "accepted", 1_000)
