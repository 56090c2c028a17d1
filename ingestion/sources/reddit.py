"""Reddit: any subreddit, by the API with the id of an application, or by its Atom feed without one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from ingestion.download import Answer, Web
from ingestion.sources import flickr, imgur
from ingestion.sources._answers import inside, not_understood, objects_in
from ingestion.sources._base import Crawler, Found, Options, Page
from ingestion.sources._news import News
from ingestion.sources._reddit_feed import posts_of
from ingestion.sources._reddit_posts import SITE, found_in

if TYPE_CHECKING:
    from gallery.originals import Incoming

FEEDS = SITE
A_PAGE = 100
"""Posts: the most that Reddit gives at once."""
FEED_PAUSE = 6.5
"""Seconds: about ten requests a minute are allowed without an account, to all sources of this machine together."""
FEED_PATIENCE = 120.0
"""Seconds until it is its turn among them; a crawl that waits longer comes back later."""
FEED_PAGES = 10
"""Reddit lists the last thousand posts."""
NAME = r"[A-Za-z0-9][A-Za-z0-9_]{1,20}"
SUBREDDIT = re.compile(rf"(?:https?://(?:\w+\.)?reddit\.com)?/?(?:r/)?({NAME}(?:[+-]{NAME})*)/?(?:new/|top/|hot/)?")
LISTINGS = [("new", "new, the latest first"), ("top", "top of the period"), ("hot", "hot at the moment")]
PERIODS = [(period, period) for period in ("hour", "day", "week", "month", "year", "all")]
Posts = list[dict[str, Any]]
Read = Callable[[str | None], tuple[Posts, str | None]]
"""One page: name of the last post of the page before -> (posts, the same of this page; None behind the last)."""


class RedditOptions(Options):
    subreddit = forms.CharField(
        max_length=300, help_text="EarthPorn, all, several as in EarthPorn+CityPorn, or the address of one."
    )
    listing = forms.ChoiceField(choices=LISTINGS, initial="new", required=False)
    period = forms.ChoiceField(choices=PERIODS, initial="day", required=False, help_text="For top.")

    def clean_subreddit(self) -> str:
        match = SUBREDDIT.fullmatch(self.cleaned_data["subreddit"].strip())
        if match is None:
            raise ValidationError("This is not the name of a subreddit: letters, digits and underscores, as in r/pics.")
        return match[1]

    def clean_listing(self) -> str:
        return self.cleaned_data["listing"] or "new"

    def clean_period(self) -> str:
        return self.cleaned_data["period"] or "day"


class Reddit(Crawler):
    kind = "reddit"
    label = "Reddit"
    about = (
        "Pictures, galleries and crossposts of a subreddit. With the id of an application by the API; without one by "
        "the feed, which is slower, shows the first picture of a gallery only, and cannot tell what is for adults."
    )
    options = RedditOptions

    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        read = _by_api(options) if settings.REDDIT_ID else _by_feed(options, web)
        newest_first = options.get("listing", "new") == "new"
        for posts, then in _news(read, since) if newest_first else _all(read, since):
            yield Page([one for post in posts for one in _of(post, web)], then)

    def fetch(self, found: Found, options: dict[str, Any], web: Web, into: Incoming) -> Answer | None:
        return imgur.real(super().fetch(found, options, web, into))


CRAWLER = Reddit()


def _of(post: dict[str, Any], web: Web) -> list[Found]:
    return found_in(post, partial(_elsewhere, web=web, published=post["created_utc"]))


def _elsewhere(url: str, web: Web, published: float) -> list[Found] | None:
    found = imgur.resolve(url, web, published)
    return flickr.resolve(url, web, published) if found is None else found


def _news(read: Read, since: dict[str, Any]) -> Iterator[tuple[Posts, dict[str, Any]]]:
    news, after = News(since), since.get("after")
    posts, after = read(after)
    if not posts and "after" in since and settings.REDDIT_ID:
        # The post is gone, and with it the place in the list. (A feed has no other end than an empty page.)
        posts, after = read(None)
    while True:
        new = [post for post in posts if news.brings(float(post["created_utc"]), post["name"])]
        if news.reached or after is None:
            yield new, news.all_read()
            return
        yield new, news.to_go_on(after=after)
        posts, after = read(after)


def _all(read: Read, since: dict[str, Any]) -> Iterator[tuple[Posts, dict[str, Any]]]:
    """In an order that changes: all of it, each time."""
    after = since.get("after")
    while True:
        posts, after = read(after)
        yield posts, {"after": after} if after else {}
        if after is None:
            return


def _by_api(options: dict[str, Any]) -> Read:
    from ingestion.sources import _reddit_api as api

    reddit, listing = api.connect(), options.get("listing", "new")
    period = {"t": options.get("period", "day")} if listing == "top" else {}

    def read(after: str | None) -> tuple[Posts, str | None]:
        place = {"after": after} if after else {}
        told = api.ask(reddit, f"r/{options['subreddit']}/{listing}", {"limit": A_PAGE} | period | place)
        children = objects_in(told, "data", "children")
        if inside(told, "kind") != "Listing" or children is None:
            raise not_understood("Reddit", "there is no list of posts in it")
        posts: list[Any] = [child.get("data") for child in children if child.get("kind") == "t3"]
        if not all(isinstance(inside(post, "name"), str) and _is_time(inside(post, "created_utc")) for post in posts):
            raise not_understood("Reddit", "there are posts without a name or a time in it")
        then = inside(told, "data", "after")
        return posts, then if isinstance(then, str) and then != after else None

    return read


def _by_feed(options: dict[str, Any], web: Web) -> Read:
    address = f"{FEEDS}/r/{options['subreddit']}/{options.get('listing', 'new')}/.rss"
    period = options.get("period", "day") if options.get("listing") == "top" else None
    pages = 0
    web.slow_down(FEEDS, FEED_PAUSE)

    def read(after: str | None) -> tuple[Posts, str | None]:
        nonlocal pages
        pages += 1
        params = {"limit": A_PAGE, "t": period, "after": after}
        answer = web.page(address, params=params, patience=FEED_PATIENCE)
        posts = posts_of(answer.body if answer else b"")
        names = [post["name"] for post in posts]
        ended = not names or after in names or pages >= FEED_PAGES
        return posts, None if ended else names[-1]

    return read


def _is_time(told: Any) -> bool:
    return isinstance(told, int | float) and told > 0
