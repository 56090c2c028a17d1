"""The words of strangers, made fit for a column and for one line of a page. They stay text: pages escape it."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from ingestion.addresses import decoded, encoded
from ingestion.download_errors import DownloadError

NAME, TITLE, AUTHOR, LICENCE = 255, 1000, 255, 255
"""Characters of the columns of Candidate."""
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Control characters (NUL among them, which PostgreSQL refuses), turned writing directions, half characters."""
JOINERS = "\u200c\u200d"
"""Invisible too, but letters of Persian and parts of emoji need them."""


def line(words: Any, longest: int) -> str:
    """One line of at most ``longest`` characters; "" for what is no text."""
    if not isinstance(words, str):
        return ""
    seen = (" " if _is_gap(c) else c for c in words[: 20 * longest])
    return " ".join("".join(seen).split())[:longest].rstrip()


def address(url: Any) -> str:
    """Of a page or a file, decoded once; "" for what cannot be fetched."""
    try:
        return decoded(encoded(url)) if isinstance(url, str) else ""
    except DownloadError:
        return ""


def file_name(url: str) -> str:
    """The last part of the path of an address that is encoded once, decoded. "" if it ends in a slash."""
    return line(unquote(urlsplit(url).path.rpartition("/")[2]).replace("/", "_"), NAME)


def pixels(number: Any) -> int:
    """A width or height that a stranger tells; 0 for nonsense."""
    try:
        told = int(number)
    except (TypeError, ValueError, OverflowError):
        return 0
    return told if 0 < told < 2**31 else 0


def moment(seconds: Any) -> datetime | None:
    """Of seconds since 1970, as number or text; None for nonsense."""
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _is_gap(character: str) -> bool:
    return unicodedata.category(character) in INVISIBLE and character not in JOINERS
