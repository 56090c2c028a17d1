"""What can be wrong with a query."""

from __future__ import annotations

from search.errors import QueryError


class ValueMistake(ValueError):
    """A value makes no sense. It says what such a value is: "a number of pixels, like 1920"."""


class Mistake(Exception):
    """Found while reading: a sentence, where in the cleaned text, and what would be right in that place."""

    def __init__(
        self, sentence: str, start: int, end: int, instead: str | None = None, until: int | None = None
    ) -> None:
        super().__init__(sentence)
        self.sentence, self.start, self.end = sentence, start, end
        self.instead = instead
        """None: nothing is likely to be meant."""
        self.until = end if until is None else until
        """``instead`` stands for all from the start to here."""


class LanguageError(QueryError):
    """The query cannot be read: ``str()`` is a sentence for its writer."""

    def __init__(self, sentence: str, start: int, end: int, suggestion: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.start, self.end = start, end
        """Columns of the text as it was given, from 0; the last one does not belong to it."""
        self.suggestion = suggestion
        """A whole corrected query, which can be read, or ""."""
