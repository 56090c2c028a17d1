"""How the API says no."""

from __future__ import annotations

from ninja.errors import HttpError


class Refusal(HttpError):
    """Why a request is not answered, in a sentence, and in one word."""

    def __init__(self, status: int, code: str, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, sentence)
        self.code, self.headers = code, headers or {}
