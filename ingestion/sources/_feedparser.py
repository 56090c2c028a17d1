"""feedparser, within bounds: some of its steps take the square of what a stranger writes."""

from __future__ import annotations

import io
import re
from functools import cache
from typing import Any

from ingestion.answers import charset_of
from ingestion.sources._base import SourceError

MOST_TAGS = 50
"""Of one entry: each is compared with all others."""
LONGEST_AUTHOR = 500
"""Letters: in an author it searches for a mail address, from each letter to the end. 10,000 take 9 seconds."""
MOST_MARKS = 60_000
"""Of elements, in the whole feed: so many take 6 seconds."""

_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"'>]{0,40})""")


def parsed(body: bytes, url: str, content_type: str = "") -> Any:
    """Relative addresses are left as they are."""
    if body.count(b"<") > MOST_MARKS:
        raise SourceError("This feed is too long to be read.", pauses=True)
    declared = _DECLARED.match(body[:400].removeprefix(b"\xef\xbb\xbf"))
    if declared and not charset_of(declared[1].decode("ascii", "ignore")):
        raise SourceError("This feed is written in letters that are not known here.", pauses=True)
    kind, _, charset = content_type.lower().partition("charset=")
    if charset and not charset_of(charset.partition(";")[0]):
        content_type = kind.rstrip(" ;")
    # From a stream: bytes would be taken for the name of a file, if there is such a file.
    headers = {"content-type": content_type, "content-location": url}
    return _feedparser().parse(
        io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )


@cache
def _feedparser() -> Any:
    import feedparser
    from feedparser.mixin import _FeedParserMixin

    find_mail, add_tag = _FeedParserMixin._sync_author_detail, _FeedParserMixin._add_tag

    def find_mail_in_short(self: Any, key: str = "author") -> None:
        context = self._get_context()
        if isinstance(context.get(key), str):
            context[key] = context[key][:LONGEST_AUTHOR]
        find_mail(self, key)

    def add_few_tags(self: Any, *tag: Any) -> None:
        if len(self._get_context().get("tags") or ()) < MOST_TAGS:
            add_tag(self, *tag)

    _FeedParserMixin._sync_author_detail, _FeedParserMixin._add_tag = find_mail_in_short, add_few_tags
    return feedparser
