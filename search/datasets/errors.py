from __future__ import annotations


class CollectionError(ValueError):
    """It cannot be done with this collection: a sentence for the reader. ``code``: the same in one word."""

    def __init__(self, sentence: str, code: str = "invalid", status: int = 400) -> None:
        super().__init__(sentence)
        self.code, self.status = code, status


class NotYet(Exception):
    """A step needs more time than a page has, or waits for something: a worker takes it up again."""
