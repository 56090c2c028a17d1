"""The Atom feed of a subreddit, which needs no account: its entries -> posts in the words of the Reddit API."""

from __future__ import annotations

import calendar
from typing import Any
from urllib.parse import urlsplit

from ingestion.sources._answers import not_understood
from ingestion.sources._feedparser import parsed
from ingestion.sources._reddit_posts import original


def posts_of(feed: bytes) -> list[dict[str, Any]]:
    read = parsed(feed, "")
    if not read.get("version", "").startswith("atom"):
        raise not_understood("Reddit", "it is not an Atom feed")
    posts = [_post(entry) for entry in read.entries]
    if not all(post["name"].startswith("t3_") and post["created_utc"] for post in posts):
        raise not_understood("Reddit", "there are entries in it that are no posts")
    return posts


def _post(entry: Any) -> dict[str, Any]:
    """A gallery shows its first picture only, and nothing says that a post is for adults."""
    link, images = _content(" ".join(part.get("value", "") for part in entry.get("content", [])))
    small = [thumbnail.get("url", "") for thumbnail in entry.get("media_thumbnail", [])]
    date = entry.get("published_parsed") or entry.get("updated_parsed")
    return {
        "name": entry.get("id", ""),
        "title": entry.get("title", ""),
        "author": entry.get("author", "").removeprefix("/u/"),
        "permalink": urlsplit(entry.get("link", "")).path,
        "url": link,
        "created_utc": calendar.timegm(date) if date else 0,
        "subreddit": next((tag.get("term", "") for tag in entry.get("tags", [])), ""),
        "thumbnail": next((url for url in [*images, *small] if original(url)), ""),
    }


def _content(html: str) -> tuple[str, list[str]]:
    """(what "[link]" points to, the addresses of the pictures)"""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    links = [a.attributes.get("href") or "" for a in tree.css("a[href]") if a.text(strip=True) == "[link]"]
    return (links or [""])[0], [image.attributes.get("src") or "" for image in tree.css("img[src]")]
