"""manage.py crawl and manage.py sources: by hand what else the worker does, or without a gallery."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from gallery.models import Image
from ingestion import trial as trials
from ingestion.crawl_to_folder import LOG
from ingestion.filters import all_filters
from ingestion.models import Candidate, Crawl, CutOff, Source
from ingestion.sidecars import read_json
from ingestion.trial import Busy, trial
from tests.ingestion.offering import KIND, RULES, Offer, offered
from tests.sites.site import Reply

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(site, monkeypatch) -> Iterator[Offer]:
    """Judged by its size alone."""
    kept = dict(all_filters())
    for name in set(kept) - {"size"}:
        del all_filters()[name]
    with offered(site, monkeypatch) as offer:
        yield offer
    all_filters().clear()
    all_filters().update(kept)


def said(*command: object, **options: object) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


class TestCrawl:
    def test_it_works(self, offer):
        offer.page(1, 2)
        offer.source(publishes=True)
        words = said("crawl", "here")
        assert "2 found: 2 new, 0 met before, 0 left out" in words
        assert "2 published" in words
        assert Image.objects.count() == 2
        assert Crawl.objects.get().state == "done"

    def test_a_paused_source_is_crawled_by_hand(self, offer):
        offer.page(1)
        offer.source(active=False)
        said("crawl", "here")
        assert Candidate.objects.get().state == "waiting"

    def test_limit(self, offer):
        offer.page(1, 2, 3)
        offer.source()
        assert "2 new" in said("crawl", "here", limit=2)
        assert "1 new" in said("crawl", "here", limit=2)

    def test_again_from_the_beginning(self, offer):
        offer.page(1)
        source = offer.source()
        offer.site.put("/1.png", status=404)
        said("crawl", "here")
        assert source.candidates.get().state == "failed"
        offer.picture(1)
        said("crawl", "here", again=True)
        assert source.candidates.get().state == "waiting"

    def test_what_is_wrong_is_said(self, offer):
        offer.next.append({"error": "This page looks different now.", "pauses": True})
        offer.source()
        with pytest.raises(CommandError, match="looks different now"):
            said("crawl", "here")
        with pytest.raises(CommandError, match="There are: here"):
            said("crawl", "there")


class TestToFolder:
    def crawl(self, offer: Offer, folder: Path, **options: object) -> str:
        return said("crawl", KIND, option=[f"url={offer.site.url}/offer"], to=folder, **options)

    @pytest.fixture(autouse=True)
    def everything_is_large_enough(self, offer, monkeypatch) -> None:
        monkeypatch.setattr(type(all_filters()["size"]), "defaults", all_filters()["size"].defaults | RULES["size"])

    def test_it_works(self, offer, tmp_path):
        offer.pages.append([offer.picture(1, licence="CC0"), offer.picture(2, over_18=True)])
        assert "1 written" in self.crawl(offer, tmp_path / "out")
        (file,) = (tmp_path / "out").glob("*.png")
        assert file.name.startswith("1-")
        told = json.loads(Path(f"{file}.json").read_text())
        assert (told["title"], told["author"], told["licence"]) == ("Picture 1", "Ann", "CC0")
        assert told["url"].endswith("/1.png")
        assert told["scores"]["megapixels"] > 0
        assert told["verdicts"][0]["filter"] == "size"
        assert not Candidate.objects.exists()
        assert not Source.objects.exists()
        assert not Image.objects.exists()

    def test_the_sidecar_is_read_by_an_import(self, offer, tmp_path):
        offer.pages.append([offer.picture(1, licence="CC0")])
        self.crawl(offer, tmp_path)
        (file,) = tmp_path.glob("*.json")
        sidecar = read_json(file.read_bytes())
        assert (sidecar.title, sidecar.author, sidecar.licence) == ("Picture 1", "Ann", "CC0")
        assert sidecar.source.endswith("/post/1")
        assert not sidecar.tags

    def test_it_goes_on_where_it_was(self, offer, tmp_path):
        offer.page(1, 2)
        offer.page(3)
        self.crawl(offer, tmp_path, limit=1)
        with (tmp_path / LOG).open("a") as log:
            log.write('{"of": "cut o')  # as a kill leaves it
        assert "2 written" in self.crawl(offer, tmp_path)
        assert "0 written" in self.crawl(offer, tmp_path)
        assert [offer.site.times(f"/{seed}.png") for seed in (1, 2, 3)] == [1, 1, 1]
        assert len(list(tmp_path.glob("*.png"))) == 3

    def test_what_failed_for_now_is_tried_again(self, offer, tmp_path):
        offer.page(1)
        offer.site.next("/1.png", Reply(status=500))
        assert "1 failed" in self.crawl(offer, tmp_path)
        assert "1 written" in self.crawl(offer, tmp_path)

    def test_the_same_bytes_are_written_once(self, offer, tmp_path):
        offer.pages.append([offer.picture(1), offer.picture(1, key="another name")])
        assert "1 there already" in self.crawl(offer, tmp_path)

    def test_what_is_held_is_written_if_wanted(self, offer, tmp_path):
        CutOff.objects.create(score="megapixels", value=100)
        offer.page(1)
        assert "0 written" in self.crawl(offer, tmp_path / "a")
        assert "1 written" in self.crawl(offer, tmp_path / "b", held=True)
        assert len(list((tmp_path / "b" / "held").glob("*.png"))) == 1

    def test_wrong_options_are_said(self, offer, tmp_path):
        with pytest.raises(CommandError, match="url: This field is required"):
            said("crawl", KIND, to=tmp_path)
        with pytest.raises(CommandError, match="has no option nothing"):
            said("crawl", KIND, option=["nothing=1"], to=tmp_path)
        with pytest.raises(CommandError, match="write NAME=VALUE"):
            said("crawl", KIND, option=["url"], to=tmp_path)


class TestTrial:
    def test_it_shows_every_score_and_stores_nothing(self, offer):
        offer.pages.append([offer.picture(1), offer.picture(2, over_18=True), offer.picture(3)])
        offer.site.put("/3.png", status=404)
        one, two, three = trial(Source(kind=KIND, options={"url": f"{offer.site.url}/offer"}, rules=RULES))
        assert one.passes
        assert one.scores["megapixels"] > 0
        assert one.thumbnail.startswith(b"RIFF")
        assert "adults" in two.left
        assert three.error
        assert not Candidate.objects.exists()

    def test_it_ends_after_so_many(self, offer):
        offer.page(1, 2, 3)
        assert len(list(trial(KIND, 2, {"url": f"{offer.site.url}/offer"}))) == 2

    def test_a_source_that_cannot_be_crawled_says_why(self, offer):
        offer.next.append({"error": "This page looks different now."})
        (end,) = trial(offer.source())
        assert (end.found, end.error) == (None, "This page looks different now.")
        (end,) = trial(Source(kind="gone"))
        assert "no kind of source" in end.error

    def test_on_the_command_line(self, offer):
        offer.page(1)
        offer.source()
        assert "pass: 64 × 48" in said("crawl", "here", test=True)

    def test_too_many_at_once_are_told(self, offer, monkeypatch):
        offer.page(1)
        going_on = [trial(offer.source(name=str(n))) for n in range(trials.AT_ONCE)]
        for each in going_on:
            next(each)
        with pytest.raises(Busy, match="just now"):
            next(trial(KIND, 1, {}))
        for each in going_on:
            each.close()
        assert list(trial(Source.objects.first()))


class TestSources:
    def test_add_list_pause_resume(self, offer):
        said("sources", "add", "earth", KIND, "--option", "url=https://example.org/", "--every", "30")
        source = Source.objects.get()
        assert (source.name, source.options, source.every) == ("earth", {"url": "https://example.org/"}, 30)
        said("sources", "pause", "earth")
        assert "paused" in said("sources")
        said("sources", "resume", "earth")
        assert "active" in said("sources", "list")

    def test_what_is_wrong_is_said(self, offer):
        with pytest.raises(CommandError, match="name: Enter a valid"):
            said("sources", "add", "no name", KIND, "--option", "url=x")
        with pytest.raises(CommandError, match="no kind of source called nothing"):
            said("sources", "add", "name", "nothing")
        with pytest.raises(CommandError, match="no source called"):
            said("sources", "pause", "nothing")

    def test_options_that_are_not_given_are_as_the_form_proposes(self, offer):
        said("sources", "add", "earth", "reddit", "--option", "subreddit=EarthPorn")
        options = Source.objects.get().options
        assert (options["subreddit"], options["listing"]) == ("EarthPorn", "new")
