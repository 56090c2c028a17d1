"""A post in the words of the Reddit API -> what it shows: pictures in their original size, galleries, crossposts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ingestion.sources._answers import inside, objects_in
from ingestion.sources._base import Found, What
from ingestion.sources._words import AUTHOR, TITLE, address, file_name, line, moment, pixels

SITE = "https://www.reddit.com"
ORIGINALS = "https://i.redd.it"
OWN = {"reddit.com", "www.reddit.com", "old.reddit.com", "new.reddit.com", "np.reddit.com", "redd.it"}
PREVIEW = re.compile(r"/(?:[^/]*-v\d+-)?(\w+\.(?:jpe?g|png|gif|webp))")
"""The path of an original under preview.redd.it: "/ID.jpg", or "/words-of-the-title-v0-ID.jpg"."""
PICTURES = {"jpg", "jpeg", "png", "gif", "webp", "avif", "heic", "bmp", "tif", "tiff"}
VIDEOS = {"mp4", "webm", "gifv", "mov", "m4v"}
VIDEO_HOSTS = {"v.redd.it", "youtube.com", "www.youtube.com", "youtu.be", "gfycat.com", "redgifs.com", "vimeo.com"}
ENDINGS = {"image/jpg": "jpg", "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}
TAKEN_BACK = {"[removed]", "[deleted]", "[ Removed by Reddit ]", "[ Removed by moderator ]", "[deleted by user]"}
Resolve = Callable[[str], list[Found] | None]
"""What an address elsewhere stands for; None if it knows nothing of it."""


def found_in(post: dict[str, Any], resolve: Resolve) -> list[Found]:
    """[] for a post without pictures. A crosspost shows what its parent shows, by the author of that."""
    parent = (objects_in(post, "crosspost_parent_list") or [post])[0]
    about = _about(post, parent)
    if is_removed(post) or is_removed(parent):
        return [replace(about, url=about.page, what=What.REMOVED)]
    link = _link(parent)
    if _is_video(parent, link):
        return [replace(about, url=link or about.page, name=file_name(link), what=What.VIDEO)]
    if isinstance(parent.get("media_metadata"), dict):
        return _gallery(parent, about)
    return _single(parent, link, about, resolve)


def is_removed(post: dict[str, Any]) -> bool:
    """By its author, a moderator or Reddit. (An author "[deleted]" alone has left Reddit; the post is still there.)"""
    taken_back = post.get("selftext") in TAKEN_BACK or post.get("title") in TAKEN_BACK
    empty = bool(post.get("is_gallery")) and "gallery_data" in post and not post["gallery_data"]
    return bool(post.get("removed_by_category")) or taken_back or empty


def original(url: str) -> str:
    """Where the original of a preview lies; "" if this is no preview of one."""
    parts = urlsplit(url)
    match = PREVIEW.fullmatch(parts.path) if parts.hostname in ("preview.redd.it", "i.redd.it") else None
    return f"{ORIGINALS}/{match[1]}" if match else ""


def _about(post: dict[str, Any], parent: dict[str, Any]) -> Found:
    author = line(parent.get("author"), AUTHOR)
    name = line(parent.get("name"), 30) or line(post.get("name"), 30)
    path = post.get("permalink")
    page = address(SITE + path) if isinstance(path, str) and path.startswith("/") else ""
    more = {"subreddit": line(post.get("subreddit"), 50), "votes": pixels(post.get("score"))}
    if parent is not post:
        more["crosspost_of"] = line(parent.get("subreddit"), 50)
    return Found(
        url="",
        page=page or f"{SITE}/comments/{name.removeprefix('t3_')}",
        title=line(post.get("title"), TITLE),
        author="" if author == "[deleted]" else author,
        published=moment(post.get("created_utc")),
        over_18=bool(post.get("over_18") or parent.get("over_18")),
        key=name,
        more=more,
    )


def _link(post: dict[str, Any]) -> str:
    """What the post points to. "" for nonsense."""
    url = address(post.get("url_overridden_by_dest") or post.get("url"))
    parts = urlsplit(url)
    if parts.hostname in OWN and parts.path == "/media":
        return address(parse_qs(parts.query).get("url", [""])[0])
    return url


def _is_video(post: dict[str, Any], link: str) -> bool:
    told = post.get("is_video") or inside(post, "media", "reddit_video") or post.get("post_hint") == "hosted:video"
    return bool(told) or urlsplit(link).hostname in VIDEO_HOSTS or _ending(link) in VIDEOS


def _gallery(post: dict[str, Any], about: Found) -> list[Found]:
    """Also the pictures inside a text, which have no order of their own."""
    media = post["media_metadata"]
    items = objects_in(post, "gallery_data", "items") or [{"media_id": name} for name in media]
    found = []
    for position, item in enumerate(items):
        one = media.get(item.get("media_id"))
        picture = _of_gallery(str(item.get("media_id")), one, about) if isinstance(one, dict) else None
        if picture:
            more = about.more | {"position": position, "caption": line(item.get("caption"), 500)}
            found.append(replace(picture, more=more))
    return found


def _of_gallery(name: str, one: dict[str, Any], about: Found) -> Found | None:
    """None while Reddit has not made it ready, or has failed to."""
    best = one.get("s")
    ending = ENDINGS.get(str(one.get("m")))
    if one.get("status") != "valid" or not isinstance(best, dict) or not re.fullmatch(r"\w{1,40}", name):
        return None
    url = f"{ORIGINALS}/{name}.{ending or 'jpg'}"
    preview = address(best.get("u"))
    return replace(
        about,
        url=url,
        name=file_name(url),
        width=pixels(best.get("x")),
        height=pixels(best.get("y")),
        what=What.PICTURE if one.get("e") == "Image" else What.VIDEO,
        others=(preview,) if preview else (),
        key=f"{about.key}/{name}",
    )


def _single(post: dict[str, Any], link: str, about: Found, resolve: Resolve) -> list[Found]:
    resolved = resolve(link) if link else None
    if resolved is not None:
        return [_told_here(one, about) for one in resolved]
    shown = (objects_in(post, "preview", "images") or [{}])[0]
    source = inside(shown, "source") or {}
    preview = address(source.get("url"))
    url = original(link) or link
    if urlsplit(link).hostname in OWN:  # a gallery or a text of which nothing but a small picture is told
        url = original(str(post.get("thumbnail")))
    if not url or not (_ending(url) in PICTURES or post.get("post_hint") == "image"):
        return []
    moves = isinstance(inside(shown, "variants", "mp4"), dict)
    return [
        replace(
            about,
            url=url,
            name=file_name(url),
            width=pixels(source.get("width")),
            height=pixels(source.get("height")),
            what=What.VIDEO if moves else What.PICTURE,
            others=(preview,) if preview else (),
        )
    ]


def _told_here(one: Found, about: Found) -> Found:
    """What lies elsewhere, under the words of the post. The same picture in two posts is one."""
    return replace(
        one,
        page=about.page,
        title=about.title,
        author=one.author or about.author,
        published=about.published,
        over_18=one.over_18 or about.over_18,
        key=f"elsewhere/{one.key or one.url}",
        more=one.more | about.more | {"page": one.page},
    )


def _ending(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2].rpartition(".")[2].lower()
