"""Files beside a picture that say what is in it: ``photo.jpg.txt``, ``photo.txt``, and the same with .json and .xmp.

.txt: tags, by comma or line. .json: an object, ours or one that gallery-dl writes. .xmp: what photo programs write.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]
from django.core.exceptions import SuspiciousOperation
from django.utils.html import strip_tags

from gallery.names import printable
from gallery.words import LONGEST_CAPTION, WordError, caption_text, tag_name

MAX_BYTES = 1_000_000
MAX_TAGS = 500
MOST_LOOKED_AT = 10_000
"""Tags, of which most would be the same again."""
LONGEST_FACT = 255
LONGEST_ADDRESS = 600
LONGEST_CATEGORY = 32
LONGEST_HTML = 20_000
"""Characters of a text with its marks: what comes after them is left out unread."""


class SidecarError(ValueError):
    """It cannot be read: a sentence without its end."""


@dataclass
class Sidecar:
    """What the files beside one picture say of it; "" for what they do not."""

    tags: dict[str, str] = field(default_factory=dict)
    """{name: category or ""}"""
    caption: str = ""
    title: str = ""
    author: str = ""
    licence: str = ""
    source: str = ""
    """The address of a page or a file in the web."""
    left_out: int = 0
    """Of the tags: those that are too long, or too many."""
    looked_at: int = 0

    def add(self, other: Sidecar) -> None:
        """What was said first stands."""
        for name, category in other.tags.items():
            self.tags[name] = self.tags.get(name) or category
        for fact in ("caption", "title", "author", "licence", "source"):
            setattr(self, fact, getattr(self, fact) or getattr(other, fact))

    def tag(self, written: Any, category: str = "") -> None:
        """What cannot be a tag is left out, and so is what comes after MAX_TAGS."""
        self.looked_at += 1
        if self.looked_at > MOST_LOOKED_AT:
            self.left_out += 1
            return
        try:
            name = tag_name(written) if isinstance(written, str) else ""
        except WordError:
            self.left_out += bool(printable(written))
            return
        if name in self.tags or (name and len(self.tags) < MAX_TAGS):
            self.tags[name] = self.tags.get(name) or _category(category)
        elif name:
            self.left_out += 1


def names_beside(picture: str, names: dict[str, str]) -> list[str]:
    """Those of the files of its folder that are about a picture; ``names``: {in lower case: as it is written}.

    What says most comes first.
    """
    stem, _ = os.path.splitext(picture)
    wanted = (f"{name}{kind}".lower() for kind in READ for name in (picture, stem))
    return [names[name] for name in wanted if name in names]


def read(path: str) -> Sidecar:
    """SidecarError. OSError if it cannot be opened, or is gone."""
    with open(path, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SidecarError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        return READ[Path(path).suffix.lower()](content)
    except SidecarError:
        raise
    except (SuspiciousOperation, ValueError) as error:  # HTML that was written to be slow; a number of 5,000 digits
        raise SidecarError("its HTML makes no sense") from error


# --- .txt
def read_text(content: bytes) -> Sidecar:
    said = Sidecar()
    for part in _parts(_decoded(content)):
        said.tag(part)
    return said


def _decoded(content: bytes) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        raise SidecarError("it is no text in UTF-8") from error
    if "\x00" in text:
        raise SidecarError("it is no text: it holds a NUL")
    return text


def _parts(text: str) -> list[str]:
    return [part for part in re.split("[,\n\r]", text) if part.strip()]


# --- .json
CATEGORIES = {"artist", "character", "copyright", "general", "meta", "species", "circle", "group", "language", "parody"}
"""Of tags at the sites that gallery-dl knows: their names are in tags_artist, tag_string_artist, and so on."""


def read_json(content: bytes) -> Sidecar:
    try:
        found = json.loads(_decoded(content))
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, SidecarError) else SidecarError("it is no JSON") from error
    found = found[0] if isinstance(found, list) and len(found) == 1 else found  # as exiftool writes it
    if not isinstance(found, dict):
        raise SidecarError("it is no JSON object")
    said = Sidecar(
        caption=_caption(_first(found, "caption", "description", "content")),
        title=_fact(_first(found, "title")),
        author=_fact(_first(found, "author", "artist", "creator", "user", "uploader", "tags_artist")),
        licence=_fact(_first(found, "license", "licence", "rights")),
        source=_address(found.get(key) for key in ("source", "post_url", "page_url", "webpage_url", "url", "file_url")),
    )
    for name, category in _json_tags(found):
        said.tag(name, category)
    return said


def _json_tags(found: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    of_gallery_dl = isinstance(found.get("category"), str)  # the name of the site
    for category in sorted(CATEGORIES):
        for key in (f"tags_{category}", f"tag_string_{category}"):
            for name in _listed(found.get(key), by_spaces=True):
                yield name, "" if category == "general" else category
    for key in ("tags", "keywords", "tag_string"):
        tags = found.get(key)
        if isinstance(tags, dict):  # {category: [name, ...]}
            yield from ((name, str(kind)) for kind, names in tags.items() for name in _listed(names, True))
        else:
            yield from ((name, "") for name in _listed(tags, of_gallery_dl or key == "tag_string"))


def _listed(tags: Any, by_spaces: bool) -> list[Any]:
    """Tags in one text stand between commas or, at some sites, between spaces."""
    if isinstance(tags, str):
        return _parts(tags) if "," in tags or "\n" in tags or not by_spaces else tags.split()
    if not isinstance(tags, list):
        return []
    return [name for each in tags for name in (each.values() if isinstance(each, dict) else [each])]


def _first(found: dict[str, Any], *keys: str) -> str:
    """Of the first that holds a text, or names, or somebody with a name."""
    return next((text for text in (_said(found.get(key)) for key in keys) if text), "")


def _said(value: Any) -> str:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return ", ".join(filter(None, (_said(each) for each in value if not isinstance(each, list))))
    if isinstance(value, dict):
        return next((_said(value[key]) for key in ("name", "username", "text") if isinstance(value.get(key), str)), "")
    return ""


# --- .xmp
DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
LISTS = {f"{RDF}Bag", f"{RDF}Seq", f"{RDF}Alt"}
LEAVES = {
    "{http://ns.adobe.com/lightroom/1.0/}hierarchicalSubject": "|",
    "{http://www.digikam.org/ns/1.0/}TagsList": "/",
}
"""{a list of tags with all that is above each: what stands between them}"""


def read_xmp(content: bytes) -> Sidecar:
    try:
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SidecarError("it is no XML that can be read safely") from error
    said = Sidecar(
        caption=_caption(_xmp_text(root, f"{DC}description")),
        title=_fact(_xmp_text(root, f"{DC}title")),
        author=_fact(", ".join(_xmp_list(root, f"{DC}creator"))),
        licence=_fact(_xmp_text(root, f"{DC}rights")),
        source=_address(_xmp_list(root, f"{DC}source")),
    )
    for name in _xmp_list(root, f"{DC}subject"):
        said.tag(name)
    for key, between in LEAVES.items():
        for path in _xmp_list(root, key):
            said.tag(path.rpartition(between)[2])
    return said


def _xmp_list(root: Element, key: str) -> list[str]:
    """Of a bag or a sequence, of a simple text, or of an attribute: XMP may be written in each of these ways."""
    found = [text for each in root.iter(key) for text in _texts(each)]
    return found + [each.attrib[key] for each in root.iter(f"{RDF}Description") if each.get(key)]


def _texts(element: Element) -> list[str]:
    items = [item.text for item in _items(element) if item.text]
    return items or ([element.text] if element.text and element.text.strip() else [])


def _items(element: Element) -> list[Element]:
    """Its own, and not those of lists inside them: each is read once, however deep they lie in one another."""
    return [item for items in element if items.tag in LISTS for item in items if item.tag == f"{RDF}li"]


def _xmp_text(root: Element, key: str) -> str:
    """Of the texts in several languages the one that is meant for all others, else the first."""
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    items = [item for each in root.iter(key) for item in _items(each)]
    default = [item.text for item in items if item.get(language) == "x-default" and item.text]
    return next(iter(default + _xmp_list(root, key)), "")


# --- as they are kept
def _caption(text: str) -> str:
    """Without the HTML that some sites write, and not longer than captions are."""
    plain = printable(html.unescape(strip_tags(re.sub(r"(?i)<br\b[^<>]*>|</p>", " ", text[:LONGEST_HTML]))))
    try:
        return caption_text(f"{plain[: LONGEST_CAPTION - 1]}…" if len(plain) > LONGEST_CAPTION else plain)
    except WordError:
        return ""


def _fact(text: str) -> str:
    return printable(text)[:LONGEST_FACT]


def _category(text: str) -> str:
    return printable(text[: 2 * LONGEST_CATEGORY].lower())[:LONGEST_CATEGORY].strip()


def _address(written: Iterable[Any]) -> str:
    """The first that is an address of the web."""
    flat = (one for each in written for one in (each if isinstance(each, list) else [each]))
    return next((one.strip() for one in flat if isinstance(one, str) and _is_address(one.strip())), "")


def _is_address(text: str) -> bool:
    if len(text) > LONGEST_ADDRESS or not text.isprintable():
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


READ: dict[str, Callable[[bytes], Sidecar]] = {".json": read_json, ".xmp": read_xmp, ".txt": read_text}
