"""What people may write about a picture: tags and captions, cleaned before they are kept."""

from __future__ import annotations

from gallery.names import printable

# Joiners, variation selectors and letters without ink: inside a word they have a meaning, at its ends they only hide.
_UNSEEN = "\u034f\u115f\u1160\u200c\u200d\u2800\u3164\ufe0e\ufe0f\uffa0"
LONGEST_TAG = 100
MOST_TAGS = 20
"""In one field, with commas between them."""
LONGEST_CAPTION = 1_000


class WordError(ValueError):
    """It cannot be a tag or a caption: a sentence for its writer."""


def tag_name(written: str) -> str:
    """As tags are kept: one line, composed (NFC), in lower case, so that “Café” and “café” are one tag. WordError."""
    name = _trimmed(printable(written).lower())  # lower case can decompose: of İ comes i and a dot
    if not name:
        raise WordError("Write a tag: a word or a few.")
    if len(name) > LONGEST_TAG:
        raise WordError(f"A tag has at most {LONGEST_TAG} characters; this one has {len(name)}.")
    return name


def tag_names(written: str) -> list[str]:
    """Several, with commas between them; each once. WordError."""
    parts = [part for part in written.replace("、", ",").replace("，", ",").split(",") if _trimmed(part)]
    if len(parts) > MOST_TAGS:
        raise WordError(f"Write at most {MOST_TAGS} tags at once; these are {len(parts)}.")
    return list(dict.fromkeys(tag_name(part) for part in parts or [""]))


def _trimmed(text: str) -> str:
    return printable(text).strip(_UNSEEN + " ")


def caption_text(written: str) -> str:
    """As captions are kept: one line, composed (NFC). WordError."""
    text = _trimmed(written)
    if not text:
        raise WordError("Write a caption: what is to be seen.")
    if len(text) > LONGEST_CAPTION:
        raise WordError(f"A caption has at most {LONGEST_CAPTION:,} characters; this one has {len(text):,}.")
    return text
