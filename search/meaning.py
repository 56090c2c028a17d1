"""What is meant by words: a description, and what it must not be."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_TEXT = 1000
_WITHOUT = re.compile(r'(?:^|(?<=\s))~\s*(?:"([^"]*)"?|“([^”]*)”?|(\S+))')


@dataclass(frozen=True)
class Meaning:
    """ "a beach at sunset ~people" is Meaning("a beach at sunset", ("people",))."""

    text: str = ""
    without: tuple[str, ...] = ()
    """Subtracted from the direction of the text."""

    def __bool__(self) -> bool:
        return bool(self.text or self.without)

    def __str__(self) -> str:
        """As ``parse_meaning`` reads it."""
        return " ".join(filter(None, [self.text, *(f'~"{words}"' for words in self.without)]))


def parse_meaning(written: str) -> Meaning:
    """Whatever somebody writes means something; beyond MAX_TEXT characters nothing is read."""
    # What came from a terminal may hold halves of characters, which no network can read.
    written = written[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\x00", " ")
    without = ["".join(found.groups(default="")).strip() for found in _WITHOUT.finditer(written)]
    text = " ".join(_WITHOUT.sub(" ", written).split())
    return Meaning(text, tuple(words for words in without if words))
