"""A photo in the words of the Flickr API -> Found: its best size, its licence, its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ingestion.sources._answers import inside, objects_in
from ingestion.sources._base import Found, What
from ingestion.sources._words import AUTHOR, LICENCE, NAME, TITLE, address, file_name, line, moment, pixels

STATIC = "https://live.staticflickr.com"
SIZES = ("o", "6k", "5k", "4k", "3k", "k", "h", "l", "c", "z")
"""Of the extras url_o, width_o, height_o ...: the original, then the longest side from 6144 to 640 pixels."""
EXTRAS = ",".join(
    ["license,date_upload,owner_name,original_format,media,tags,path_alias,views", *(f"url_{size}" for size in SIZES)]
)
OF_LABEL = {"Original": "o", "X-Large 6K": "6k", "X-Large 5K": "5k", "X-Large 4K": "4k", "X-Large 3K": "3k"} | {
    "Large 2048": "k", "Large 1600": "h", "Large": "l", "Medium 800": "c", "Medium 640": "z"
}  # fmt: skip
RESERVED = "All Rights Reserved"
CC = "https://creativecommons.org"
LICENCES = {
    "0": (RESERVED, ""),
    "1": ("CC BY-NC-SA 2.0", f"{CC}/licenses/by-nc-sa/2.0/"),
    "2": ("CC BY-NC 2.0", f"{CC}/licenses/by-nc/2.0/"),
    "3": ("CC BY-NC-ND 2.0", f"{CC}/licenses/by-nc-nd/2.0/"),
    "4": ("CC BY 2.0", f"{CC}/licenses/by/2.0/"),
    "5": ("CC BY-SA 2.0", f"{CC}/licenses/by-sa/2.0/"),
    "6": ("CC BY-ND 2.0", f"{CC}/licenses/by-nd/2.0/"),
    "7": ("No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    "8": ("United States Government Work", "https://www.usa.gov/copyright.shtml"),
    "9": ("CC0 1.0", f"{CC}/publicdomain/zero/1.0/"),
    "10": ("Public Domain Mark 1.0", f"{CC}/publicdomain/mark/1.0/"),
}


class Licences:
    """Names of licences: the old ones by heart; later ones, of 2025 and after, are asked of Flickr once a crawl."""

    def __init__(self, ask: Callable[..., dict[str, Any]]) -> None:
        self._ask = ask
        self._known: dict[str, tuple[str, str]] = dict(LICENCES)
        self._asked = False

    def name(self, number: str) -> str:
        """With the address of its text; "" if Flickr does not know it either."""
        if number and number not in self._known and not self._asked:
            self._asked = True
            told = objects_in(self._ask("photos.licenses.getInfo"), "licenses", "license") or []
            self._known |= {str(one.get("id")): (line(one.get("name"), 100), line(one.get("url"), 150)) for one in told}
            self._known |= LICENCES
        return " ".join(filter(None, self._known.get(number, ("", ""))))[:LICENCE]


def found_of(photo: dict[str, Any], licences: Licences, site: str) -> Found:
    """``photo``: as in the lists of the API, with the extras."""
    sizes = sorted(_sizes(photo), key=lambda size: size[1] * size[2], reverse=True)
    url, width, height = sizes[0] if sizes else (_static(photo), 0, 0)
    owner = line(photo.get("pathalias"), 100) or line(photo.get("owner"), 100)
    number = line(str(photo.get("id")), 30)
    return Found(
        url=url,
        page=address(f"{site}/photos/{quote(owner, safe='@')}/{number}") if owner else "",
        name=file_name(url),
        title=line(photo.get("title"), TITLE),
        author=line(photo.get("ownername"), AUTHOR) or owner,
        licence=licences.name(str(photo.get("license", ""))),
        width=width,
        height=height,
        published=moment(photo.get("dateupload")),
        what=What.VIDEO if photo.get("media") == "video" else What.PICTURE,
        others=tuple(size[0] for size in sizes[1:3]),
        key=number,
        more={"tags": line(photo.get("tags"), 1000), "views": pixels(photo.get("views"))},
    )


def in_list_form(told: dict[str, Any], sizes: list[dict[str, Any]]) -> dict[str, Any]:
    """What photos.getInfo and photos.getSizes say of one photo, as a list would have said it."""
    photo = {
        name: told.get(name) for name in ("id", "secret", "server", "license", "media", "originalsecret", "views")
    } | {
        "originalformat": told.get("originalformat"),
        "title": inside(told, "title", "_content"),
        "owner": inside(told, "owner", "nsid"),
        "ownername": inside(told, "owner", "username"),
        "pathalias": inside(told, "owner", "path_alias"),
        "dateupload": told.get("dateuploaded"),
        "tags": " ".join(line(tag.get("_content"), NAME) for tag in objects_in(told, "tags", "tag") or []),
    }
    for size in sizes:
        if (short := OF_LABEL.get(str(size.get("label")))) and size.get("media", "photo") == "photo":
            photo |= {
                f"url_{short}": size.get("source"),
                f"width_{short}": size.get("width"),
                f"height_{short}": size.get("height"),
            }
    return photo


def _sizes(photo: dict[str, Any]) -> list[tuple[str, int, int]]:
    """[(address, width, height)]; of equal ones the original is the first."""
    given = []
    for size in SIZES:
        if url := address(photo.get(f"url_{size}")):
            given.append((url, pixels(photo.get(f"width_{size}")), pixels(photo.get(f"height_{size}"))))
    return given


def _static(photo: dict[str, Any]) -> str:
    """Where it lies by its parts: 1024 pixels, unless the secret of the original was told."""
    server, number, secret = (line(str(photo.get(name) or ""), 40) for name in ("server", "id", "secret"))
    original, kind = line(photo.get("originalsecret"), 40), line(photo.get("originalformat"), 5)
    if original and kind:
        return f"{STATIC}/{server}/{number}_{original}_o.{kind}"
    return f"{STATIC}/{server}/{number}_{secret}_b.jpg"
