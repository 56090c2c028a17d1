"""A crawl: what is offered becomes candidates, page by page, and every way in which it can end."""

from collections.abc import Iterator

import pytest

from ingestion import crawling, leases
from ingestion.crawling import begin_anew, begin_due, crawl_next
from ingestion.download import Web
from ingestion.models import MAX_ATTEMPTS, Candidate, Crawl, Source
from ingestion.sources._base import Crawler, Page
from tests.ingestion.offering import Offer, Offering, offered
from tests.sites.site import Reply

pytestmark = pytest.mark.django_db
State = Crawl.State


@pytest.fixture
def offer(site, monkeypatch) -> Iterator[Offer]:
    with offered(site, monkeypatch) as offer:
        yield offer


def crawl(source: Source) -> Crawl:
    """One from beginning to end, or to where it is put off."""
    begun = Crawl.objects.begin(source)
    Crawl.objects.filter(pk=begun.pk).update(not_before="2020-01-01T00:00Z")
    with Web() as web:
        assert crawl_next(web)
    begun.refresh_from_db()
    source.refresh_from_db()
    return begun


def counts(crawl: Crawl) -> tuple[int, int, int, int]:
    return crawl.found, crawl.known, crawl.left, crawl.new


def test_it_works(offer):
    offer.page(1, 2)
    offer.page(3)
    source = offer.source()
    done = crawl(source)
    assert (done.state, done.pages, counts(done)) == (State.DONE, 2, (3, 0, 0, 3))
    assert source.since == {"page": 2}
    candidate = source.candidates.get(title="Picture 2")
    assert (candidate.state, candidate.author, candidate.crawl) == ("found", "Ann", done)
    assert candidate.url.endswith("/2.png")
    assert candidate.name == "2.png"


def test_what_was_met_before_is_known(offer):
    offer.page(1, 2)
    source = offer.source()
    crawl(source)
    source.since = {}
    source.save(update_fields=["since"])
    offer.pages[0].append(offer.picture(3))
    assert counts(crawl(source)) == (3, 2, 0, 1)
    assert source.candidates.count() == 3


def test_the_same_twice_on_a_page_is_one(offer):
    offer.page(1, 1)
    assert crawl(offer.source()).new == 1


def test_rules_leave_out_before_it_is_fetched(offer, monkeypatch):
    offer.pages.append([offer.picture(n, width=5, height=5) for n in range(3)] + [offer.picture(9)])
    monkeypatch.setattr(crawling, "MOST_LEFT", 2)
    source = offer.source()
    assert counts(crawl(source)) == (4, 0, 3, 1)
    left = source.candidates.filter(state="left")
    assert left.count() == 2  # of masses the rest is only counted
    assert "5 × 5" in left[0].reason


def test_a_changed_rule_is_tried_on_what_was_left_out(offer):
    offer.pages.append([offer.picture(1, width=5, height=5)])
    source = offer.source()
    crawl(source)
    source.rules = {"size": {"least_pixels": 1}}
    source.save(update_fields=["rules"])
    begin_anew(source)
    again = crawl(source)
    assert source.candidates.get().state == "found"
    assert again.known == 1


def test_the_budget_ends_it_and_nothing_is_lost(offer):
    offer.page(1, 2, 3)
    offer.page(4)
    source = offer.source(budget=2)
    first = crawl(source)
    assert (first.state, first.new, source.since) == (State.DONE, 2, {})
    assert crawl(source).new == 2  # the rest of the first page, and the second one
    assert source.candidates.count() == 4


def test_pages_without_news_end_it(offer, monkeypatch):
    monkeypatch.setattr(crawling, "IDLE_PAGES", 2)
    for _ in range(5):
        offer.page(1)
    assert crawl(offer.source()).pages == 3


def test_hostile_words_become_rows(offer):
    words = "a\0b\ud800\u202e" + "x" * 5000
    offer.pages.append([offer.picture(1, title=words, author=words, licence=words, name=words, more={"votes": words})])
    candidate = Candidate.objects.get(crawl=crawl(offer.source()))
    assert candidate.title.startswith("abx")
    assert len(candidate.title) <= 1000


class TestEndings:
    def test_it_is_put_off_as_long_as_its_server_wants(self, offer):
        offer.page(1)
        offer.next.append({"error": "Ask again later.", "again_after": 3600})
        source = offer.source()
        later = crawl(source)
        assert (later.state, later.error, later.attempts) == (State.QUEUED, "Ask again later.", 0)
        assert later.not_before > later.created_at
        assert not Crawl.objects.waiting().exists()
        assert crawl(source).state == State.DONE

    def test_a_changed_site_pauses_its_source_and_says_why(self, offer):
        offer.next.append({"error": "This page looks different now.", "pauses": True})
        source = offer.source()
        failed = crawl(source)
        assert (failed.state, failed.error) == (State.FAILED, "This page looks different now.")
        assert (source.active, source.paused_because) == (False, "This page looks different now.")

    def test_what_may_pass_is_tried_some_times(self, offer):
        offer.site.answer("/offer", lambda asked: Reply(status=500))
        source = offer.source()
        states = [crawl(source).state for _ in range(MAX_ATTEMPTS)]
        assert states == [State.QUEUED, State.QUEUED, State.FAILED]
        assert source.active

    def test_a_page_that_is_gone_pauses(self, offer):
        offer.site.answer("/offer", lambda asked: Reply(status=404))
        source = offer.source()
        assert crawl(source).state == State.FAILED
        assert not source.active
        assert source.paused_because

    def test_a_mistake_of_ours_is_told(self, offer, monkeypatch):
        def crawls(self, options, since, web) -> Iterator[Page]:
            raise ValueError("no such thing")

        monkeypatch.setattr(Offering, "crawl", crawls)
        failed = [crawl(source) for source in [offer.source()] for _ in range(MAX_ATTEMPTS)][-1]
        assert failed.state == State.FAILED
        assert "ValueError: no such thing" in failed.error
        assert not failed.source.active

    def test_a_kind_that_is_gone_pauses(self, offer):
        source = offer.source(kind="gone")
        assert "gone" in crawl(source).error
        assert not source.active

    @pytest.mark.parametrize("how", ["pause", "remove"])
    def test_who_stops_the_source_stops_the_crawl(self, offer, monkeypatch, how):
        offer.page(1)
        offer.page(2)
        source = offer.source()
        truly = Offering.crawl

        def crawls(self: Crawler, *asked) -> Iterator[Page]:
            for page in truly(self, *asked):
                yield page
                getattr(source, how)()

        monkeypatch.setattr(Offering, "crawl", crawls)
        assert crawl(source).state == State.STOPPED
        assert source.candidates.count() == 1

    def test_a_worker_that_was_too_slow_changes_nothing(self, offer, monkeypatch):
        offer.page(1)
        source = offer.source()
        truly = Offering.crawl

        def crawls(self: Crawler, *asked) -> Iterator[Page]:
            for page in truly(self, *asked):
                Crawl.objects.update(worker="another one")
                yield page

        monkeypatch.setattr(Offering, "crawl", crawls)
        assert crawl(source).state == State.RUNNING
        assert not source.candidates.exists()


def test_a_source_that_brings_nothing_slows_down(offer):
    source = offer.source()
    slow = []
    for _ in range(3):
        crawl(source)
        slow.append(source.slowness)
    offer.page(1)
    crawl(source)
    assert (slow, source.slowness) == ([2, 4, 8], 1)


def test_whoever_ends_it_with_the_keyboard_goes_on_at_once(offer, monkeypatch):
    def crawls(self, options, since, web) -> Iterator[Page]:
        raise KeyboardInterrupt

    source = offer.source()
    monkeypatch.setattr(Offering, "crawl", crawls)
    with pytest.raises(KeyboardInterrupt):
        crawl(source)
    assert Crawl.objects.waiting().get().attempts == 0


def test_what_takes_longer_than_its_lease_keeps_it(offer, monkeypatch):
    offer.page(1)
    truly = Offering.crawl

    def crawls(self: Crawler, *asked) -> Iterator[Page]:
        for page in truly(self, *asked):
            Crawl.objects.update(lease_until="2020-01-01T00:00Z")
            assert leases.renew(older_than=0.0) == 1
            assert not Crawl.objects.waiting().exists()
            yield page

    monkeypatch.setattr(Offering, "crawl", crawls)
    assert crawl(offer.source()).state == State.DONE
    assert leases.renew(older_than=0.0) == 0


def test_another_place_ends_the_crawl_and_begins_anew(offer, monkeypatch):
    offer.page(1)
    offer.page(2)
    source = offer.source()
    truly = Offering.crawl

    def crawls(self: Crawler, *asked) -> Iterator[Page]:
        for page in truly(self, *asked):
            yield page
            Source.objects.get().change({"url": "https://example.org/"})

    monkeypatch.setattr(Offering, "crawl", crawls)
    assert crawl(source).state == State.STOPPED
    assert (source.since, source.options) == ({}, {"url": "https://example.org/"})


def test_due_sources_are_begun_once(offer):
    source = offer.source()
    offer.source(name="paused", active=False)
    assert (begin_due(), begin_due()) == (1, 0)
    assert Crawl.objects.get().source == source
    Crawl.objects.update(state=State.FAILED)  # as one whose worker died: it is not begun again every minute
    assert begin_due() == 0
