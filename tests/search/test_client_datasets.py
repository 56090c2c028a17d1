"""Collections, and moderation, through the client."""

from __future__ import annotations

import json
import zipfile
from types import SimpleNamespace
from typing import Any

import pytest

from search.client import Forbidden, Gallery, GalleryError, Invalid, Work
from tests.pictures import photo
from tests.search.collecting import a_worker


@pytest.fixture
def served(live_server: Any, add: Any, member: Any) -> SimpleNamespace:
    """Three pictures, two of which are near-duplicates."""
    from gallery.models import ApiToken, Scope

    _, secret = ApiToken.issue(member, "test", [scope.value for scope in Scope])
    images = [add(photo(1), "big.jpg"), add(photo(1).resize((160, 120)), "small.jpg"), add(2, "other.jpg")]
    return SimpleNamespace(url=live_server.url, token=secret, ids=[image.pk for image in images])


@pytest.fixture
def gallery(served: SimpleNamespace) -> Any:
    with Gallery(served.url, served.token) as gallery:
        yield gallery


@pytest.fixture
def worker(served: SimpleNamespace) -> Any:
    with a_worker():
        yield


def test_it_works(gallery, served, worker, tmp_path):
    """The way from searches to a file for labelling."""
    big, small, other = served.ids
    cars = gallery.create_collection("police cars", note="to label")
    assert gallery.add_to_collection(cars, query="format:jpeg").outcome["added"] == 3
    assert gallery.add_to_collection(cars, [big]).outcome["added"] == 0
    would = gallery.thin_collection(cars)
    assert (would.dry_run, would.outcome["would_remove"]) == (True, 1)
    assert would.outcome["examples"][0]["removed"] == small
    assert gallery.thin_collection(cars, preview=would).outcome["removed"] == 1
    assert {each.image.id for each in gallery.collected(cars)} == {big, other}
    assert gallery.collection(cars.token).count == 2

    scores = gallery.send_scores(cars, f"image,score\n{big},0.5\n{other},0.9\n999999,0.1\n".encode())
    assert (scores.matched, scores.unmatched) == (2, 1)
    work = gallery.sample_collection(cars, how="uncertain", low=0.3, high=0.7, into="to label")
    (chosen,) = gallery.collected(work.outcome["collection"])
    assert (chosen.image.id, chosen.score) == (big, 0.5)

    seen: list[Work] = []
    path = gallery.export_collection(cars, tmp_path / "cars.zip", index="coco", longest=128, progress=seen.append)
    assert seen[-1].is_over
    with zipfile.ZipFile(path) as packed:
        (index,) = [name for name in packed.namelist() if name.endswith("annotations.json")]
        assert {max(each["width"], each["height"]) for each in json.loads(packed.read(index))["images"]} == {128}

    undone = gallery.undo_work(next(work for work in gallery.works(cars) if work.kind == "thin" and not work.dry_run))
    assert undone.state == "undone"
    assert gallery.collection(cars.token).count == 3
    assert gallery.remove_from_collection(cars, [other]).outcome["removed"] == 1
    assert gallery.change_collection(cars, name="cars", note="").note == ""
    gallery.delete_collection(cars)
    assert [each.name for each in gallery.collections(mine=True)] == ["to label"]
    assert gallery.restore_collection(cars).name == "cars"


def test_does_not_wait_for_ever(gallery, served, tmp_path):
    cars = gallery.create_collection("cars")
    gallery.add_to_collection(cars, served.ids)
    with pytest.raises(GalleryError, match=r"has not been begun for .* is the worker of the gallery running"):
        gallery.export_collection(cars, tmp_path / "cars.zip", patience=0.2)  # always left to a worker
    work = next(gallery.works(cars))
    assert not work.is_over
    assert gallery.stop_work(work).state == "stopped"


def test_says_which_collection(gallery):
    with pytest.raises(Invalid, match="Which collection"):
        gallery.delete_collection("")


def test_moderates(served, gallery, admin, tmp_path):
    from gallery.models import ApiToken
    from ingestion.models import Candidate, Source

    source = Source.objects.create(name="here", kind="page", options={"address": "https://example.org/"}, active=False)
    rows = [
        Candidate.objects.create(source=source, key=f"{n}", url=f"https://example.org/{n}.jpg", state="waiting")
        for n in range(3)
    ]
    with pytest.raises(Forbidden):
        list(gallery.pending())
    _, secret = ApiToken.issue(admin, "test", ["read", "write", "moderate", "admin"])
    with Gallery(served.url, secret) as mine:
        waiting = list(mine.pending())
        assert [each.id for each in waiting] == [row.pk for row in rows]
        decided = mine.reject(waiting[:2], "blurred")
        assert (decided.done, decided.decision.reason) == (2, "blurred")
        assert mine.candidate(rows[0].token).state == "rejected"
        assert len(list(mine.pending())) == 1
        skipped = mine.skip(waiting)
        assert (skipped.done, skipped.left_alone) == (1, 2)
        assert mine.undo_decision(decided).decision.undone_by == "bob"
        assert mine.candidate(rows[0].token).state != "rejected"
        assert [each.action for each in mine.decisions()] == ["skip", "reject"]
        assert [each.name for each in mine.sources()] == ["here"]
        assert "page" in {kind.kind for kind in mine.source_kinds()}
        assert mine.resume_source("here").active
        assert not mine.pause_source("here").active
        mine.remove_source("here")
        assert mine.restore_source("here").name == "here"


def test_filters(gallery):
    batch = gallery.filter([photo(1), b"no picture"], filters=["size"], rules={"size": {"least_pixels": 100}})
    assert [each.outcome for each in batch.pictures] == ["pass", None]
    assert batch.good == (0,)
    assert batch.pictures[1].error.detail
