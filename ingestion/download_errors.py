"""Why something was not fetched."""

from __future__ import annotations


class DownloadError(Exception):
    """Why something was not fetched, in a sentence.

    ``code``: bad_url, forbidden_address, unreachable, timeout, tls, cut, redirects, too_large, wrong_type, not_found,
    gone, forbidden, rate_limited, server, refused. ``status``: of the answer, 0 if none came.
    """

    FINAL = frozenset({"bad_url", "forbidden_address", "too_large", "wrong_type", "not_found", "gone", "forbidden"})

    def __init__(self, code: str, sentence: str, *, status: int = 0, again_after: float | None = None) -> None:
        super().__init__(sentence)
        self.code, self.status, self.again_after = code, status, again_after
        """``again_after``: seconds that the server wants to be left alone, if it has said so."""

    @property
    def is_final(self) -> bool:
        """No repetition mends it."""
        return self.code in self.FINAL
