"""What the search refuses, as the API says it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from gallery.refusal import Refusal
from search.errors import QueryError
from search.language import LanguageError

P = ParamSpec("P")
T = TypeVar("T")


def refusing(operation: Callable[P, T]) -> Callable[P, T]:
    """An operation that may meet a QueryError: 400, with its sentence."""

    @wraps(operation)
    def refused(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return operation(*args, **kwargs)
        except LanguageError as error:
            offer = f" Did you mean “{error.suggestion}”?" if error.suggestion else ""
            raise Refusal(400, "query", f"{error.sentence}{offer}") from error
        except QueryError as error:
            raise Refusal(400, "query", str(error)) from error

    return refused
