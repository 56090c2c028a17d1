"""What every crawler promises. A crawler's test inherits CrawlerContract, or WebCrawlerContract if it asks a web site,
and lays out a small source of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from django.db.models.functions import Now

from gallery.models import ImageSource
from ingestion.download import DownloadError, Seconds, Web
from ingestion.models import Candidate, KnownUrl, Server
from ingestion.sources import get_crawler
from ingestion.sources._base import Crawler, Found, Page, SourceError, What
from tests.sites.site import Asked, Reply, Site

ODD_NAME = "an ä 100% %41 #1.jpg"
"""Picture 0 is called so where names are free: "%41" must neither become "A" nor "%2541"."""
WORDS = '<b>Blå</b> & "grün"; \'--\0\x1b\u202e'
"""At the beginning of hostile_words; "Blå" has to be there in the end."""
LONGEST = {"name": 255, "title": 1000, "author": 255, "licence": 255}
"""Columns of Candidate."""


def hostile_words() -> str:
    return WORDS + "x" * 10_000


@pytest.mark.django_db
class CrawlerContract:
    kind: ClassVar[str]
    """Of the file under ingestion/sources."""
    count = 7
    """So many pictures are offered in most tests ..."""
    pages = 3
    """... on at least so many pages: 1 if the source has no pages."""
    again = 0
    """At most so many of them are offered by a second crawl too, with nothing new there."""
    empty_is_an_error = False
    """Where no pictures at all means that the markup is another one."""
    nonsense: ClassVar[list[dict[str, Any]]] = []
    """Form fields over those of ``offer``, each refused with a sentence."""

    def offer(self, count: int) -> dict[str, Any]:
        """Have the source offer the pictures 0 to count - 1, the highest number as the newest. Called again with a
        higher count: there is news. What one types into the form of the options, for it."""
        raise NotImplementedError

    def address(self, number: int) -> str:
        """Found.url of that picture."""
        raise NotImplementedError

    def offer_words(self, words: str) -> dict[str, Any]:
        """Have the source offer one picture with these words wherever strangers may write some. The form fields."""
        raise NotImplementedError

    # --- what the tests say

    @pytest.fixture
    def web(self) -> Iterator[Web]:
        with Web() as web:
            yield web

    @property
    def crawler(self) -> Crawler:
        return get_crawler(self.kind)

    def options(self, typed: dict[str, Any]) -> dict[str, Any]:
        form = self.crawler.options(typed)
        assert form.is_valid(), form.errors
        return json.loads(json.dumps(form.cleaned_data))

    def crawl(self, typed: dict[str, Any], web: Web, since: dict[str, Any] | None = None) -> Iterator[Page]:
        return iter(self.crawler.crawl(self.options(typed), json.loads(json.dumps(since or {})), web))

    def addresses(self, pages: list[Page]) -> list[str]:
        return [found.url for page in pages for found in page.found]

    def requests(self) -> int:
        """That were sent until now."""
        return 0

    def names(self, pages: list[Page]) -> list[str]:
        return [found.key or found.url for page in pages for found in page.found]

    def test_it_works(self, web: Web):
        pages = list(self.crawl(self.offer(self.count), web))
        assert sorted(self.addresses(pages)) == sorted(self.address(n) for n in range(self.count))
        assert len(pages) >= self.pages
        for found in (found for page in pages for found in page.found):
            assert found.what == What.PICTURE
            assert found.name
            assert "/" not in found.name
            assert found.published is None or found.published.tzinfo
            assert Found.read(json.loads(json.dumps(found.written()))) == found
        assert len(set(self.names(pages))) == self.count

    def test_it_describes_itself(self):
        assert self.crawler.kind == self.kind
        assert self.kind in ImageSource.Kind.values
        assert self.crawler.label
        assert self.crawler.about.endswith(".")
        assert isinstance(self.crawler.missing(), str)

    def test_it_goes_on_after_an_interruption_at_any_page(self, web: Web):
        typed = self.offer(self.count)
        pages = list(self.crawl(typed, web))
        for number, page in enumerate(pages[:-1], 1):
            assert len(json.dumps(page.since)) < 2000
            rest = list(self.crawl(typed, web, page.since))
            assert self.addresses(rest) == self.addresses(pages[number:])
            assert self.names(rest) == self.names(pages[number:]), "a name is not for ever"

    def test_two_crawls_at_once_do_not_disturb_each_other(self, web: Web):
        typed = self.offer(self.count)
        both = list(zip(self.crawl(typed, web), self.crawl(typed, web), strict=True))
        for pages in zip(*both, strict=True):
            assert len(self.addresses(list(pages))) == self.count
        assert self.names([one for one, _ in both]) == self.names([other for _, other in both])

    def test_a_second_crawl_ends_and_a_third_brings_the_news(self, web: Web):
        pages = list(self.crawl(self.offer(self.count), web))
        asked = self.requests()
        again = list(self.crawl(self.offer(self.count), web, pages[-1].since))
        assert self.requests() <= 2 * asked, "it has asked more than the first time"
        assert len(self.addresses(again)) <= self.again
        since = again[-1].since if again else pages[-1].since
        news = list(self.crawl(self.offer(self.count + 1), web, since))
        assert self.address(self.count) in self.addresses(news)
        assert len(self.addresses(news)) <= self.again + 1

    def test_what_came_during_an_interruption_is_not_lost(self, web: Web):
        crawl = self.crawl(self.offer(self.count), web)
        pages = [next(crawl)]
        typed = self.offer(self.count + 1)
        for _ in range(2):
            pages += self.crawl(typed, web, pages[-1].since)
        assert set(self.addresses(pages)) == {self.address(n) for n in range(self.count + 1)}
        assert len(self.addresses(list(self.crawl(typed, web, pages[-1].since)))) <= self.again + bool(self.again)

    def test_an_empty_source(self, web: Web):
        if self.empty_is_an_error:
            with pytest.raises(SourceError) as caught:
                list(self.crawl(self.offer(0), web))
            check_sentence(caught.value)
            assert caught.value.pauses
        else:
            assert self.addresses(list(self.crawl(self.offer(0), web))) == []

    def test_hostile_words_stay_text(self, web: Web):
        (page,) = list(self.crawl(self.offer_words(hostile_words()), web))[:1]
        (found,) = page.found
        written = json.dumps(found.written())
        assert "Bl\\u00e5" in written
        assert "\\u0000" not in written
        assert len(written) < 20_000
        for name, longest in LONGEST.items():
            assert len(getattr(found, name)) <= longest
        field = {name: getattr(found, name) for name in ("name", "title", "author", "licence", "url", "page")}
        Candidate(offered=found.written(), key="k", **field).clean_fields(exclude={"source"})

    def test_its_options_reject_nonsense_with_sentences(self):
        typed = self.offer(1)
        assert self.nonsense
        for wrong in self.nonsense:
            form = self.crawler.options(typed | wrong)
            assert not form.is_valid(), wrong
            for sentences in form.errors.values():
                assert all(str(sentence).endswith(".") for sentence in sentences)


def check_sentence(error: Exception, secrets: tuple[str, ...] = ()) -> None:
    sentence = str(error)
    assert sentence.endswith(".")
    assert 20 < len(sentence) < 500
    for word in ("Traceback", "<html", "{", *secrets):
        assert word not in sentence


def pauses(error: SourceError | DownloadError) -> bool:
    """Whether somebody has to do something before it can go on."""
    return error.pauses if isinstance(error, SourceError) else error.is_final


class WebCrawlerContract(CrawlerContract):
    secrets: tuple[str, ...] = ()
    """Keys and passwords that no error may tell."""
    changed: ClassVar[list[Reply]] = []
    """Answers with status 200 that cannot be understood: the site is another one by now."""

    def point(self, site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        """Send the crawler to the site instead of the real one."""

    def counts(self, asked: Asked) -> bool:
        """Whether it is a request for what the source offers (not for robots.txt, not for a token)."""
        return asked.path != "/robots.txt"

    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Wait a short time only for a slow server."""
        assert Web.page.__kwdefaults__
        monkeypatch.setitem(Web.page.__kwdefaults__, "seconds", Seconds(read=0.3))

    @pytest.fixture(autouse=True)
    def on_site(self, site: Site, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        self.site = site
        self.point(site, monkeypatch, settings)

    def disturb(
        self, monkeypatch: pytest.MonkeyPatch, change: Callable[[Reply], Reply], after: int = 0
    ) -> Callable[[], None]:
        """Change all answers behind the first ``after``. Call what is returned to mend it."""
        truly, number = self.site._reply, 0

        def reply(asked: Asked) -> Reply:
            nonlocal number
            number += self.counts(asked)
            return change(truly(asked)) if self.counts(asked) and number > after else truly(asked)

        monkeypatch.setattr(self.site, "_reply", reply)

        def mend() -> None:
            monkeypatch.setattr(self.site, "_reply", truly)
            Server.objects.update(failures=0, free_at=Now())
            KnownUrl.objects.update(failures=0, again_at=None)

        return mend

    def fail(self, web: Web, monkeypatch: pytest.MonkeyPatch, change: Any) -> SourceError | DownloadError:
        """What a crawl raises if all answers are ``change`` (a Reply, or Reply -> Reply)."""
        typed = self.offer(self.count)
        mend = self.disturb(monkeypatch, (lambda reply: change) if isinstance(change, Reply) else change)
        try:
            list(self.crawl(typed, web))
        except (SourceError, DownloadError) as error:
            check_sentence(error, self.secrets)
            return error
        finally:
            mend()
        pytest.fail("It has not noticed that something is wrong.")

    def test_a_refusal_pauses(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        for status in (401, 403, 404, 410):
            assert pauses(self.fail(web, monkeypatch, Reply(b"<html>No.</html>", status=status))), status

    def test_too_many_requests_say_when_to_come_again(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        error = self.fail(web, monkeypatch, Reply(status=429, headers={"Retry-After": "120"}))
        assert not pauses(error)
        assert error.again_after is not None
        assert 100 <= error.again_after <= 130
        assert not pauses(self.fail(web, monkeypatch, Reply(status=429))), "without a time"

    def test_a_fault_of_the_server_pauses_nothing(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        for status in (500, 503):
            assert not pauses(self.fail(web, monkeypatch, Reply(b"<html>Oh.</html>", status=status))), status

    def test_a_slow_server_pauses_nothing(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        self.hurry(monkeypatch)
        assert not pauses(self.fail(web, monkeypatch, lambda reply: replace(reply, wait=60)))

    def test_an_answer_that_is_cut_off_pauses_nothing(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        cut = self.fail(web, monkeypatch, lambda reply: replace(reply, cut_after=len(reply.bytes) // 2))
        assert not pauses(cut)

    def test_another_kind_of_file_is_an_error(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        assert pauses(self.fail(web, monkeypatch, Reply(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "image/png")))

    def test_what_is_not_understood_is_an_error(self, web: Web, monkeypatch: pytest.MonkeyPatch):
        assert self.changed
        for reply in self.changed:
            assert pauses(self.fail(web, monkeypatch, reply)), reply

    def requests(self) -> int:
        return len(self.site.asked)

    @pytest.mark.parametrize("reply", [Reply(status=500), Reply(status=429, headers={"Retry-After": "9"})])
    def test_an_error_behind_the_first_page_loses_nothing(
        self, web: Web, monkeypatch: pytest.MonkeyPatch, reply: Reply
    ):
        if self.pages == 1:
            pytest.skip("It has one page.")
        typed = self.offer(self.count)
        pages: list[Page] = []
        mend = self.disturb(monkeypatch, lambda truly: reply, after=1)
        with pytest.raises((SourceError, DownloadError)):
            pages.extend(self.crawl(typed, web))
        assert pages
        mend()
        rest = list(self.crawl(typed, web, pages[-1].since))
        assert sorted(self.addresses([*pages, *rest])) == sorted(self.address(n) for n in range(self.count))
