"""The file of a candidate: how it comes, and every way in which it does not."""

import hashlib
import io
import zipfile
from collections.abc import Iterator

import pytest
from django.db.models.functions import Now

from gallery.pictures import PictureError
from ingestion import archives, fetching
from ingestion.crawling import begin_due, crawl_next
from ingestion.download import Web
from ingestion.fetching import fetch_next, fetchable
from ingestion.models import MAX_ATTEMPTS, Candidate, KnownUrl, Source
from ingestion.screening import screen_next
from ingestion.sources._base import SourceError
from tests.ingestion.offering import SIZE, Offer, Offering, offered
from tests.pictures import encode, photo
from tests.sites.site import Reply

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(site, monkeypatch) -> Iterator[Offer]:
    with offered(site, monkeypatch) as offer:
        yield offer


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


def found(offer: Offer, web: Web, **more: object) -> Candidate:
    """A candidate that is to be fetched."""
    offer.pages.append([offer.picture(1, **more)])
    source = Source.objects.first() or offer.source()
    Source.objects.update(next_at=Now())
    begin_due()
    crawl_next(web)
    return source.candidates.latest("pk")


def fetched(candidate: Candidate, web: Web) -> Candidate:
    Candidate.objects.filter(pk=candidate.pk).update(not_before="2020-01-01T00:00Z")
    fetch_next(web, candidate.source)
    candidate.refresh_from_db()
    return candidate


def test_it_works(offer, web):
    candidate = fetched(found(offer, web), web)
    data = encode(photo(1, *SIZE), "PNG")
    assert (candidate.state, candidate.attempts, candidate.bytes) == ("fetched", 0, len(data))
    assert candidate.sha256 == hashlib.sha256(data).hexdigest()
    assert candidate.path.read_bytes() == data
    assert candidate.has_file


def test_what_is_gone_fails_with_a_sentence(offer, web):
    candidate = found(offer, web)
    offer.site.put("/1.png", status=404)
    assert fetched(candidate, web).state == "failed"
    assert candidate.reason.endswith(".")
    assert not candidate.path.exists()


def test_a_server_that_wants_a_pause_gets_it(offer, web):
    candidate = found(offer, web)
    offer.site.next("/1.png", Reply(status=429, headers={"Retry-After": "600"}))
    assert (fetched(candidate, web).state, candidate.attempts) == ("found", 0)
    assert candidate.reason
    assert not fetchable().exists()
    assert fetched(candidate, web).state == "fetched"


def test_what_may_pass_is_tried_some_times(offer, web):
    candidate = found(offer, web)
    offer.site.put("/1.png", status=500)
    states = [fetched(candidate, web).state for _ in range(MAX_ATTEMPTS)]
    assert states == ["found", "found", "failed"]


def test_a_source_that_cannot_be_asked_is_paused_and_keeps_what_it_found(offer, web, monkeypatch):
    def refuse(*asked) -> None:
        raise SourceError("The account was refused.", pauses=True)

    candidate = found(offer, web)
    monkeypatch.setattr(Offering, "fetch", refuse)
    assert fetched(candidate, web).state == "found"
    assert Source.objects.get().paused_because == "The account was refused."
    assert fetch_next(web) is None  # nobody asks it until somebody has looked


def test_a_full_disk_is_no_fault_of_the_picture(offer, web, monkeypatch):
    def full(*asked) -> None:
        raise OSError(28, "No space left on device")

    candidate = found(offer, web)
    monkeypatch.setattr(fetching, "keep", full)
    assert (fetched(candidate, web).state, candidate.attempts) == ("found", 0)
    assert "No space left" in candidate.reason


def test_a_file_that_cannot_be_read_is_not_tried_for_ever(offer, web, monkeypatch):
    def broken(*asked) -> None:
        raise OSError(5, "Input/output error")

    candidate = found(offer, web)
    monkeypatch.setattr(Offering, "fetch", broken)
    assert [fetched(candidate, web).state for _ in range(MAX_ATTEMPTS)] == ["found", "found", "failed"]
    assert "Input/output error" in candidate.reason


def test_one_that_was_found_long_ago_is_not_given_up_at_the_first_refusal(offer, web):
    candidate = found(offer, web)
    Candidate.objects.update(found_at="2020-01-01T00:00Z")  # its source was paused
    offer.site.put("/1.png", status=429)
    assert [fetched(candidate, web).state for _ in range(MAX_ATTEMPTS)] == ["found", "found", "failed"]


def test_too_large_fails(offer, web, monkeypatch):
    def too_large(*asked) -> None:
        raise PictureError("too_large", "It is too large.")

    candidate = found(offer, web)
    monkeypatch.setattr(Offering, "fetch", too_large)
    assert fetched(candidate, web).reason == "It is too large."


class TestUnchanged:
    @pytest.fixture(autouse=True)
    def asks_whether_it_has_changed(self, monkeypatch) -> None:
        def fetch(self, found, options, web, into):
            return web.file(found.url, into, known=True)

        monkeypatch.setattr(Offering, "fetch", fetch)

    def offer_with_etag(self, offer: Offer) -> None:
        whole = Reply(encode(photo(1, *SIZE), "PNG"), "image/png", headers={"ETag": '"1"'})
        same = Reply(status=304, headers={"ETag": '"1"'})
        offer.site.answer("/1.png", lambda asked: same if "if-none-match" in asked.headers else whole)

    def test_it_is_known(self, offer, web):
        first = found(offer, web)
        self.offer_with_etag(offer)
        assert fetched(first, web).state == "fetched"
        again = found(offer, web, key="another name")
        self.offer_with_etag(offer)
        assert fetched(again, web).state == "known"

    def test_what_a_crash_has_lost_is_fetched_again(self, offer, web):
        candidate = found(offer, web)
        self.offer_with_etag(offer)
        fetched(candidate, web)
        candidate.path.unlink()
        Candidate.objects.update(state="found", sha256="")  # as if it had been killed before its row was written
        assert KnownUrl.objects.filter(sha256__gt="").exists()
        assert fetched(candidate, web).state == "found"
        assert fetched(candidate, web).state == "fetched"


class TestArchives:
    def archive(self, *seeds: int) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file:
            for seed in seeds:
                file.writestr(f"inside/{seed}.png", encode(photo(seed, *SIZE), "PNG"))
            file.writestr("read me.txt", "words")
        return out.getvalue()

    def test_each_picture_is_a_candidate(self, offer, web):
        candidate = found(offer, web, what="archive", name="some.zip")
        offer.site.put("/1.png", self.archive(5, 6), "application/zip")
        assert fetched(candidate, web).state == "fetched"
        screen_next()
        candidate.refresh_from_db()
        assert candidate.state == "known"
        assert "2" in candidate.reason
        members = Candidate.objects.filter(state="fetched").order_by("name")
        assert [each.name for each in members] == ["5.png", "6.png"]
        assert {each.author for each in members} == {"Ann"}
        assert all(each.has_file for each in members)
        assert not candidate.path.exists()

    def test_a_member_whose_file_is_lost_comes_again_with_its_archive(self, offer, web):
        archive = found(offer, web, what="archive", name="some.zip")
        offer.site.put("/1.png", self.archive(5), "application/zip")
        fetched(archive, web)
        screen_next()
        member = Candidate.objects.get(name="5.png")
        member.path.unlink()
        screen_next()  # finds no file
        fetched(member, web)
        fetched(archive, web)
        screen_next()
        member.refresh_from_db()
        assert (member.state, member.has_file) == ("fetched", True)
        assert Candidate.objects.count() == 2

    def test_one_in_an_archive_under_the_name_of_a_picture_is_not_opened(self, offer, web):
        """Such could hold each other without end."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file:
            file.writestr("inner.png", self.archive(5))
        archive = found(offer, web, what="archive", name="some.zip")
        offer.site.put("/1.png", out.getvalue(), "application/zip")
        fetched(archive, web)
        screen_next()
        screen_next()
        assert Candidate.objects.get(name="inner.png").state == "failed"
        assert Candidate.objects.count() == 2

    def test_one_may_be_larger_than_a_picture(self, offer, web, settings, monkeypatch):
        settings.MAX_BYTES = 100
        archive = found(offer, web, what="archive", name="some.zip")
        offer.site.put("/1.png", self.archive(5), "application/zip")
        assert fetched(archive, web).state == "fetched"
        monkeypatch.setattr(archives, "MAX_PACKED", 100)
        again = found(offer, web, what="archive", name="some.zip", key="again")
        offer.site.put("/1.png", self.archive(5), "application/zip")
        assert fetched(again, web).state == "failed"
        assert again.reason.startswith("This archive is larger than")

    def test_a_broken_one_fails_with_a_sentence(self, offer, web):
        candidate = found(offer, web, what="archive", name="some.zip")
        offer.site.put("/1.png", b"PK\3\4" + b"nonsense" * 50, "application/zip")
        fetched(candidate, web)
        screen_next()
        candidate.refresh_from_db()
        assert candidate.state == "failed"
        assert candidate.reason
