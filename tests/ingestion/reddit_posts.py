"""Posts as the Reddit API gives them, and a site that lists them."""

from __future__ import annotations

from html import escape
from typing import Any
from xml.sax.saxutils import escape as escape_xml

from tests.sites.site import Asked, Reply, Site

START = 1_700_000_000
A_PAGE = 3
CLIENT, SECRET = "client-id-of-tests", "client-secret-of-tests"


def a_post(name: str, at: Any = START, **told: Any) -> dict[str, Any]:
    """Of one picture, ``name``.jpg."""
    return {
        "name": f"t3_{name}",
        "id": name,
        "title": f"The view of {name}",
        "author": "alice",
        "subreddit": "pics",
        "permalink": f"/r/pics/comments/{name}/the_view/",
        "created_utc": float(at),
        "over_18": False,
        "is_self": False,
        "is_video": False,
        "removed_by_category": None,
        "score": 42,
        "selftext": "",
        "post_hint": "image",
        "domain": "i.redd.it",
        "url": f"https://i.redd.it/{name}.jpg",
        "url_overridden_by_dest": f"https://i.redd.it/{name}.jpg",
        "preview": {
            "images": [
                {
                    "source": {
                        "url": f"https://preview.redd.it/{name}.jpg?auto=webp&s=1",
                        "width": 4000,
                        "height": 3000,
                    },
                    "variants": {},
                }
            ]
        },
    } | told


def a_gallery(name: str, *pictures: str, **told: Any) -> dict[str, Any]:
    """In this order, though the metadata are in another."""
    media = {
        one: {
            "status": "valid",
            "e": "Image",
            "m": "image/png",
            "id": one,
            "p": [{"x": 108, "y": 81, "u": f"https://preview.redd.it/{one}.png?width=108"}],
            "s": {"x": 2000, "y": 1500, "u": f"https://preview.redd.it/{one}.png?width=2000&s=2"},
        }
        for one in sorted(pictures)
    }
    items = [{"media_id": one, "id": n, "caption": f"Picture {n}"} for n, one in enumerate(pictures)]
    link = f"https://www.reddit.com/gallery/{name}"
    own = {"is_gallery": True, "media_metadata": media, "gallery_data": {"items": items}, "post_hint": None}
    return a_post(name, **(own | {"url": link, "url_overridden_by_dest": link, "preview": None} | told))


def paged(posts: list[dict[str, Any]], asked: Asked) -> tuple[list[dict[str, Any]], str | None]:
    names = [post["name"] for post in posts]
    start = names.index(asked.query["after"]) + 1 if "after" in asked.query else 0
    shown = posts[start : start + A_PAGE]
    return shown, shown[-1]["name"] if start + A_PAGE < len(posts) else None


def listing(posts: list[dict[str, Any]], asked: Asked) -> Reply:
    shown, after = paged(posts, asked)
    children = [{"kind": "t3", "data": post} for post in shown]
    return Reply(json={"kind": "Listing", "data": {"after": after, "before": None, "children": children}})


def token(asked: Asked) -> Reply:
    return Reply(json={"access_token": "a-token", "token_type": "bearer", "expires_in": 86_400, "scope": "*"})


def feed(posts: list[dict[str, Any]], asked: Asked) -> Reply:
    entries = "".join(_entry(post) for post in paged(posts, asked)[0])
    names = 'xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"'
    title = "<title>newest submissions : pics</title>"
    body = f'<?xml version="1.0" encoding="UTF-8"?><feed {names}>{title}<id>/r/pics/new/.rss</id>{entries}</feed>'
    return Reply(body.encode(), "application/atom+xml; charset=UTF-8")


def _entry(post: dict[str, Any]) -> str:
    when = f"2023-11-14T{(int(post['created_utc']) - START) // 60 % 24:02}:{int(post['created_utc']) % 60:02}:00+00:00"
    link = f"https://www.reddit.com{post['permalink']}"
    author = escape(post["author"])
    content = (
        f'<table> <tr><td> <a href="{link}"> <img src="{escape(post.get("thumbnail", ""))}" alt="" /> </a> </td><td> '
        f'&#32; submitted by &#32; <a href="https://www.reddit.com/user/{author}"> /u/{author} </a> <br/> '
        f'<span><a href="{escape(post["url"])}">[link]</a></span> &#32; '
        f'<span><a href="{link}">[comments]</a></span> </td></tr></table>'
    )
    return (
        f"<entry><author><name>/u/{escape_xml(post['author'])}</name></author>"
        f'<category term="pics" label="r/pics"/><content type="html">{escape_xml(content)}</content>'
        f'<id>{post["name"]}</id><media:thumbnail url="{escape(post.get("thumbnail", ""))}" />'
        f'<link href="{link}" /><updated>{when}</updated><published>{when}</published>'
        f"<title>{escape_xml(post['title'])}</title></entry>"
    )


def lay_out(site: Site, posts: list[dict[str, Any]], subreddit: str = "pics") -> None:
    """By the API and by the feed."""
    site.answer("/api/v1/access_token", token)
    site.answer(f"/r/{subreddit}/new", lambda asked: listing(posts, asked))
    site.answer(f"/r/{subreddit}/new/.rss", lambda asked: feed(posts, asked))
