"""Where the words of a search stand in a picture's tags and texts, for those of one page, with the words marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import groupby
from typing import Any

import numpy as np
from django.db import connection
from django.utils.html import escape, strip_tags
from django.utils.safestring import SafeString, mark_safe

from search.compiling.names import TagBook
from search.errors import EngineError
from search.language.tree import Fact, Tagged, Word
from search.lexical import in_time
from search.misspelt import misspelt_part
from search.ocr_words import ocr_hits
from search.wording import Wording, worded

FIELDS = {
    "tag": "tag",
    "title": "title",
    "caption": "caption",
    "source": "source",
    "author": "author",
    "license": "licence",
    "ocr": "in the picture",
}
"""{field: what it is called on the page}, in the order of the page."""
LONGEST = 140
"""Characters shown of a text."""
_MOST = 3
"""Texts shown of one field: a picture may have been met at many places."""
_MOST_MISSPELT = 8
"""Words inside pictures of which misspelt ones are marked."""
_BEGIN, _END = "\x01", "\x02"
_SPAN = re.compile(f"{_BEGIN}([^{_BEGIN}{_END}]*){_END}")
_SHOWN = re.compile("<mark>(.*?)</mark>")
_MARKED_ALL = f'HighlightAll=true, StartSel="{_BEGIN}", StopSel="{_END}"'
_LONGEST_READ = 20_000
"""Characters of a text in which words are marked: a page of pictures shall not read books."""
# ``read`` is what the triggers of the documents read, character for character, so that marks can be carried over.
_MARKED = """
WITH asked (field, query) AS (SELECT field, query::tsquery FROM unnest(%(fields)s::text[], %(queries)s::text[]) AS a (field, query)),
texts (image, field, text, read) AS (
    SELECT id, 'title', name, gallery_words_of_name(name) FROM gallery_image WHERE id = ANY(%(ids)s)
    UNION ALL SELECT image_id, 'title', title, title FROM gallery_imagesource WHERE image_id = ANY(%(ids)s)
    UNION ALL SELECT image_id, 'author', author, author FROM gallery_imagesource WHERE image_id = ANY(%(ids)s)
    UNION ALL SELECT image_id, 'license', licence, licence FROM gallery_imagesource WHERE image_id = ANY(%(ids)s)
    UNION ALL SELECT image_id, 'source', address, translate(address, '/_-.:?=&%%#+~', '            ')
        FROM gallery_imagesource WHERE image_id = ANY(%(ids)s) AND kind NOT IN ('folder', 'upload')
    UNION ALL SELECT image_id, 'caption', text, text FROM gallery_caption WHERE image_id = ANY(%(ids)s) AND shown
    UNION ALL SELECT image_id, 'ocr', text, text FROM gallery_ocrtext WHERE image_id = ANY(%(ids)s) AND shown
), plain (image, field, text, read) AS (
    SELECT image, field, left(text, %(longest)s), gallery_plain(left(read, %(longest)s)) FROM texts WHERE text <> ''
)
SELECT image, field, text, ts_headline(language, translate(read, %(begin)s || %(end)s, ''), query, %(marked)s)
FROM plain JOIN asked USING (field), gallery_language() language
WHERE setweight(to_tsvector(language, read), (CASE field
    WHEN 'title' THEN 'A' WHEN 'caption' THEN 'B' WHEN 'ocr' THEN 'D' ELSE 'C'
END)::"char") @@ query
UNION ALL
SELECT image.id, 'tag', tag.name, %(begin)s || tag.name || %(end)s
FROM gallery_image image, unnest(image.tag_ids) AS has (id) JOIN gallery_tag tag ON tag.id = has.id
WHERE image.id = ANY(%(ids)s) AND tag.id = ANY(%(tags)s)
"""  # noqa: E501


@dataclass(frozen=True)
class Mark:
    field: str
    """A key of FIELDS."""
    text: SafeString
    """HTML: the text, or the part of it around the words, each of them in a <mark>."""
    wrote: str = ""
    """What was asked for, where it is written otherwise in the picture."""

    @property
    def called(self) -> str:
        return FIELDS[self.field]

    @property
    def plain(self) -> str:
        """The text alone, for a terminal."""
        return unescape(strip_tags(self.text))


def marks_of(image_ids: Sequence[int], asked: Iterable[Word | Tagged | Fact]) -> dict[int, list[Mark]]:
    """{image id: where it holds what was asked}; one query for all of them, however many. None where that takes too
    long: the pictures are there without them."""
    try:
        with in_time():
            return _marks_of(list(image_ids), list(dict.fromkeys(asked)))
    except EngineError:
        return {}


def _marks_of(image_ids: list[int], leaves: list[Word | Tagged | Fact]) -> dict[int, list[Mark]]:
    words = [leaf for leaf in leaves if isinstance(leaf, Word)]
    names = [leaf.name for leaf in leaves if isinstance(leaf, Tagged)]
    rows = _rows(image_ids, words, names) if image_ids and (words or names) else []
    order = list(FIELDS)
    rows.sort(key=lambda row: (row[0], order.index(row[1])))
    found: dict[int, list[Mark]] = {}
    for (image, field), ones in groupby(rows, key=lambda row: row[:2]):
        texts = list(dict.fromkeys(marked(text, headline) for _, _, text, headline in ones))
        found.setdefault(image, []).extend(_as_marks(field, texts))
    for word in [word for word in words if word.field == "ocr"][:_MOST_MISSPELT]:
        _add_misspelt(found, image_ids, word)
    return found


def _add_misspelt(found: dict[int, list[Mark]], image_ids: list[int], word: Word) -> None:
    for hit in ocr_hits(word.text, len(image_ids), np.array(image_ids, np.int64)):
        marks = found.setdefault(hit.image_id, [])
        marks += misspelt(word.text, hit.words, marks)


def _as_marks(field: str, texts: list[SafeString]) -> list[Mark]:
    if field == "tag":
        return [Mark(field, mark_safe(", ".join(sorted(texts))))]  # noqa: S308 - each was escaped
    return [Mark(field, text) for text in texts[:_MOST]]


def misspelt(wrote: str, words: Sequence[str], marks: Sequence[Mark] = ()) -> list[Mark]:
    """Of words inside the picture that are nearly what was asked for, and that no mark of its text shows already; one
    mark or none."""
    lacking, near = misspelt_part(wrote, words)
    there = {shown for mark in marks if mark.field == "ocr" for shown in _SHOWN.findall(mark.text)}
    texts = [f"<mark>{escape(word)}</mark>" for word in dict.fromkeys(near) if escape(word) not in there]
    return [Mark("ocr", mark_safe(", ".join(texts)), lacking)] if lacking and texts else []  # noqa: S308 - escaped


def _rows(ids: list[int], words: list[Word], names: list[str]) -> list[tuple[int, str, str, str]]:
    book = TagBook(names, [word.text for word in words if not word.field])
    wordings = worded(words, book)
    queries = {field: _query(field, wordings) for field in FIELDS if field != "tag"}
    queries = {field: query for field, query in queries.items() if query}
    tags = {pk for each in wordings for pk in each.tags} | {pk for name in names for pk in book.ids(name)}
    params: dict[str, Any] = {
        "ids": ids,
        "fields": list(queries),
        "queries": list(queries.values()),
        "tags": sorted(tags),
        "marked": _MARKED_ALL,
        "longest": _LONGEST_READ,
        "begin": _BEGIN,
        "end": _END,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MARKED, params)
        return cursor.fetchall()


def _query(field: str, wordings: list[Wording]) -> str:
    """Any of the words that may stand in this field."""
    return " | ".join(f"({each.lexemes})" for each in wordings if each.lexemes and _may_stand(each.word, field))


def _may_stand(word: Word, field: str) -> bool:
    return word.field in ("", field) or (word.field == "source" and field in ("author", "license"))


# --- a text and its marks
def marked(text: str, headline: str) -> SafeString:
    """HTML of the text as its owner wrote it. ``headline``: as ts_headline marked what it has read of it."""
    plain, spans = _spans(headline)
    if not _is_beginning(plain, text):
        text = plain  # parts of a long text, or one in which PostgreSQL has left something out
    first, last = _window(text, spans)
    html: list[str] = [escape("…" if first else "")]
    place = first
    for start, end in spans:
        if first <= start and end <= last:
            html += [escape(text[place:start]), "<mark>", escape(text[start:end]), "</mark>"]
            place = end
    html.append(escape(text[place:last] + ("…" if last < len(text) else "")))
    return mark_safe("".join(html))  # noqa: S308 - every part was escaped


def _spans(headline: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without marks, and where they were."""
    parts, spans, place = [], [], 0
    for odd, part in enumerate(_SPAN.split(headline)):
        if odd % 2:
            spans.append((place, place + len(part)))
        parts.append(part.replace(_BEGIN, "").replace(_END, ""))
        place += len(parts[-1])
    return "".join(parts), spans


def _is_beginning(plain: str, text: str) -> bool:
    """What was read is the text itself, but for signs that read as a space or as an apostrophe."""
    return len(plain) <= len(text) and all(a == b or a in " '" for a, b in zip(plain, text, strict=False))


def _window(text: str, spans: list[tuple[int, int]]) -> tuple[int, int]:
    """The part to show: around the first mark, cut at spaces."""
    if len(text) <= LONGEST:
        return 0, len(text)
    begin = max(0, (spans[0][0] if spans else 0) - LONGEST // 3)
    begin = min(begin, len(text) - LONGEST)
    end = begin + LONGEST
    if begin:
        begin = text.find(" ", begin, begin + 20) + 1 or begin
    if end < len(text):
        end = max(text.rfind(" ", end - 20, end), spans[0][1] if spans else 0)
    return begin, end if end > begin else begin + LONGEST
