"""manage.py search, reindex and evaluate."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from PIL import ImageOps

from gallery import originals
from search import live_index, snapshots
from search.engines import get_engine, own_engines
from search.models import Feature
from tests.pictures import encode, photo


def run(*arguments: object, **options: object) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*[str(a) for a in arguments], stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "query.jpg"
    path.write_bytes(encode(photo(1).resize((200, 150))))
    return path


class TestSearch:
    def test_it_works(self, add, file):
        image = add(1, name="first.jpg")
        out, _ = run("search", "--image", file, "--json")
        (first, *_) = json.loads(out)
        assert set(first) == {"image", "file", "grade", "certain", "score", "engines", "evidence"}
        assert (first["image"], first["file"]) == (image.pk, "first.jpg")
        assert (first["grade"], first["certain"]) == ("same picture", True)
        assert set(first["engines"]) == set(own_engines())

    def test_it_prints_a_table(self, add, file):
        add(1, name="first.jpg")
        out, _ = run("search", "--image", file)
        assert "same picture" in out
        assert "first.jpg" in out

    def test_it_searches_by_id(self, add):
        image, copy = add(1), add(photo(1), quality=30)
        out, _ = run("search", "--id", image.pk, "--json")
        assert json.loads(out)[0]["image"] == copy.pk

    def test_it_searches_by_colours(self, add):
        image = add(1)
        out, _ = run("search", "--color", "808080,ffffff", "--weak", "--json")
        assert [row["image"] for row in json.loads(out)] == [image.pk]

    def test_it_respects_the_limit(self, add, file):
        for quality in (50, 60, 70):
            add(photo(1), quality=quality)
        out, _ = run("search", "--image", file, "--limit", "2", "--json")
        assert len(json.loads(out)) == 2

    def test_it_says_that_nothing_was_found(self, transactional_db, file):
        out, _ = run("search", "--image", file)
        assert out == "Nothing like it is in this gallery.\n"

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--image", "/no/such/file"], "is no file"),
            (["--id", "12345"], "There is no picture 12345"),
            (["--id", str(2**70)], "There is no picture"),
            (["--color", "zzz"], "is no colour"),
            (["--text", "~dog"], "Only meaning can take"),
            (["--text", "a && (b"], r"not closed.\n  a && \(b\n       \^\nDid you mean: a && \(b\)"),
            (["--text", "sort:sideways"], "sort"),
            (["--id", "1", "--limit", "0"], "--limit"),
            (["--id", "1", "--limit", "99999999999"], "--limit"),
        ],
    )
    def test_it_rejects(self, transactional_db, arguments, sentence):
        with pytest.raises(CommandError, match=sentence):
            run("search", *arguments)

    def test_it_rejects_what_is_no_picture(self, transactional_db, tmp_path):
        path = tmp_path / "note.jpg"
        path.write_text("hello")
        with pytest.raises(CommandError):
            run("search", "--image", path)


class TestReindex:
    def test_it_works(self, add):
        images = [add(seed) for seed in (1, 2)]
        Feature.objects.all().delete()
        out, _ = run("reindex")
        assert Feature.objects.count() == len(images) * len(own_engines())
        for name in own_engines():
            assert f"{name}: 2 pictures in the index, 0 without a feature." in out

    def test_it_makes_only_what_is_missing(self, add):
        kept, lost = add(1), add(2)
        mark = Feature.objects.get(image=kept, engine="phash")
        Feature.objects.filter(image=lost, engine="phash").delete()
        run("reindex", "phash")
        assert Feature.objects.get(image=kept, engine="phash").pk == mark.pk
        assert Feature.objects.filter(image=lost, engine="phash").exists()

    def test_all_makes_every_one_again(self, add):
        image = add(1)
        right = bytes(Feature.objects.get(image=image, engine="phash").data)
        Feature.objects.filter(image=image, engine="phash").update(data=bytes(len(right)))
        run("reindex", "phash", "--all")
        assert bytes(Feature.objects.get(image=image, engine="phash").data) == right

    def test_features_of_another_version_leave_when_it_is_complete(self, add):
        image = add(1)
        Feature.objects.create(image=image, engine="phash", version=999, data=b"x")
        run("reindex", "phash")
        assert not Feature.objects.filter(version=999).exists()

    def test_features_of_another_version_stay_while_a_picture_lacks_the_new_one(self, add):
        image, lost = add(1), add(2)
        for one in (image, lost):
            Feature.objects.create(image=one, engine="phash", version=999, data=b"x")
        Feature.objects.filter(image=lost, engine="phash", version=get_engine("phash").version).delete()
        originals.path_of(lost.sha256, lost.format).unlink()
        out, _ = run("reindex", "phash")
        assert "1 without a feature" in out
        assert Feature.objects.filter(version=999).count() == 2

    def test_all_keeps_the_old_feature_where_an_engine_fails(self, add, monkeypatch):
        add(1)
        monkeypatch.setattr(type(get_engine("phash")), "extract", lambda *args: 1 / 0)
        out, _ = run("reindex", "phash", "--all")
        assert "1 pictures in the index, 1 without a feature" in out

    def test_it_writes_a_snapshot(self, add, settings):
        add(1)
        run("reindex", "phash")
        assert snapshots.positions(snapshots.folder_of(get_engine("phash"), settings.INDEX_ROOT))

    def test_a_lost_original_is_counted(self, add):
        image = add(1)
        Feature.objects.all().delete()
        originals.path_of(image.sha256, image.format).unlink()
        out, _ = run("reindex", "phash")
        assert "1 without a feature" in out

    def test_it_rejects_an_unknown_engine(self, transactional_db):
        with pytest.raises(CommandError, match="No such engine: nose"):
            run("reindex", "nose")


class TestEvaluate:
    @pytest.fixture
    def benchmark(self, tmp_path):
        (tmp_path / "gallery").mkdir()
        (tmp_path / "queries").mkdir()
        for seed in (1, 2, 3):
            (tmp_path / "gallery" / f"{seed}.jpg").write_bytes(encode(photo(seed)))
        (tmp_path / "queries" / "mirror.jpg").write_bytes(encode(ImageOps.mirror(photo(2))))
        (tmp_path / "queries" / "broken.jpg").write_bytes(b"no picture")
        manifest = {
            "gallery": ["1.jpg", "2.jpg", "3.jpg"],
            "queries": [{"file": "queries/mirror.jpg"}, {"file": "queries/broken.jpg"}],
        }
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return tmp_path

    def test_it_works(self, transactional_db, benchmark):
        out, _ = run("evaluate", benchmark, benchmark / "results.json")
        results = json.loads((benchmark / "results.json").read_text())
        assert results["queries/mirror.jpg"][0] == ["2.jpg", True]
        assert results["queries/broken.jpg"] == []
        assert "2 queries" in out
        assert "seconds a query" in out

    def test_pictures_from_elsewhere_are_left_out(self, add, benchmark):
        add(photo(2), quality=50)
        run("evaluate", benchmark, benchmark / "results.json")
        results = json.loads((benchmark / "results.json").read_text())
        names = [name for name, _ in results["queries/mirror.jpg"]]
        assert set(names) <= {"1.jpg", "2.jpg", "3.jpg"}
        assert names[0] == "2.jpg"

    def test_it_rejects_a_folder_without_a_benchmark(self, transactional_db, tmp_path):
        with pytest.raises(CommandError, match="no benchmark"):
            run("evaluate", tmp_path, tmp_path / "results.json")


def test_a_reindex_is_seen_by_a_running_search(add):
    add(1)
    live = live_index.live_index("phash")
    assert len(live.fresh(60)) == 1
    Feature.objects.all().delete()
    assert len(live.fresh(60)) == 0
    run("reindex", "phash")
    assert len(live.fresh(60)) == 1
