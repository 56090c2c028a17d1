"""How the gallery says no, as exceptions. The text of each is a sentence."""

from __future__ import annotations

import json


class GalleryError(Exception):
    """A refusal. ``status`` of HTTP (0: no answer came), ``code`` in one word, ``detail`` in a sentence."""

    def __init__(self, status: int, code: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(status, code, detail, retry_after)
        self.status, self.code, self.detail = status, code, detail
        self.retry_after = retry_after
        """Seconds after which it is worth asking again, if the gallery said so."""

    def __str__(self) -> str:
        return self.detail


class Unauthorized(GalleryError):
    """No token, or one that is unknown, expired or revoked (401)."""


class Forbidden(GalleryError):
    """The token, or its owner, may not do that (403)."""


class NotFound(GalleryError):
    """There is no such thing, or not for this asker, or not any more (404, 410)."""


class Invalid(GalleryError):
    """What was asked makes no sense, is too large, or does not fit what is there (400, 405, 409, 413, 415, 422)."""


class TooMany(GalleryError):
    """Too much in a short time (429)."""


class Unavailable(GalleryError):
    """The gallery, or what it needs, is too busy or away for the moment (502, 503, 504)."""


class Unreachable(GalleryError):
    """No whole answer came: wrong address, no network, a line that broke, or not in time."""


KINDS: dict[int, type[GalleryError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    409: Invalid,
    410: NotFound,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooMany,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def refusal(status: int, body: bytes, retry_after: float | None) -> GalleryError:
    """What an answer from 400 on means. Who says no in between (a proxy) does not write our JSON."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    detail = said.get("detail")
    if not isinstance(detail, str) or not detail:
        detail = f"The gallery answered {status} and did not say why."
    code = said.get("code")
    kind = KINDS.get(status, GalleryError)
    return kind(status, code if isinstance(code, str) and code else "refused", detail, retry_after)


def foreign(what: str) -> GalleryError:
    """An answer that no gallery gives."""
    return GalleryError(0, "foreign", f"This is not the answer of a gallery: {what}. Is the address right?")


def mistake(sentence: str) -> Invalid:
    """Something that cannot be asked: nothing was sent."""
    return Invalid(0, "mistake", sentence)
