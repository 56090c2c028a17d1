"""Text of strangers made fit to be shown: file names, and the words that a camera wrote into a picture."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 255

# Joiners stay inside a word: emoji and Persian are written with them. At its ends they only hide.
_JOINERS = "\u200c\u200d"


def safe_name(name: str) -> str:
    """A file name to be shown, made of whatever was sent as one; never a path to be opened.

    At most 255 characters, never empty, without folders, control, bidi and surrogate characters.
    HTML is left alone: the template escapes it.
    """
    last = re.split(r"[/\\]", printable(name))[-1]
    shown = _cut(_trim(last))
    return shown if shown.strip(".") else "untitled"


def printable(text: str) -> str:
    """The text in one line, without characters that hide or turn others, in Unicode's composed form (NFC)."""
    seen = "".join(c for c in text if c.isspace() or _shows(c))
    return unicodedata.normalize("NFC", " ".join(seen.split()))


def _shows(character: str) -> bool:
    if character in _JOINERS:
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs")  # Cf holds the bidi controls


def _trim(name: str) -> str:
    return name.strip(_JOINERS + " ")


def _cut(name: str) -> str:
    """The name with the end of its stem left out, so that the extension stays."""
    if len(name) <= LONGEST_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    tail = dot + extension if stem and len(extension) <= 10 else ""
    return _trim(name[: LONGEST_NAME - len(tail)]) + tail
