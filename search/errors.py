"""Errors of searching: each is a sentence for the person who searched."""


class QueryError(Exception):
    """The question cannot be answered as it was asked."""


class EngineError(Exception):
    """One engine cannot answer now; the search goes on without it."""


class WeightsMissing(Exception):
    """A network cannot be used: its weights are not there, or are not what they should be."""
