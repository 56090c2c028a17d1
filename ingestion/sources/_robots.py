"""What robots.txt of a host allows, and how slowly it wants to be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.addresses import parse
from ingestion.download import DownloadError
from ingestion.sources._base import SourceError

if TYPE_CHECKING:
    from protego import Protego

    from ingestion.download import Web

NAME = "Lookalike"
MAX_BYTES = 512 * 1024
LONGEST_DELAY = 60.0
"""Seconds: a crawl that waits longer would be taken for dead."""


class Robots:
    """Of all hosts that one crawl meets, each asked once."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._told: dict[tuple[str, str, int], Protego] = {}

    def may(self, url: str) -> bool:
        """SourceError if its host wants more time between two requests than a crawl can wait."""
        return bool(self._of(url).can_fetch(url, NAME))

    def sitemaps(self, url: str) -> list[str]:
        return list(self._of(url).sitemaps)

    def _of(self, url: str) -> Protego:
        origin = parse(url).origin
        if origin not in self._told:
            self._told[origin] = self._ask(url)
        return self._told[origin]

    def _ask(self, url: str) -> Protego:
        from protego import Protego

        try:
            answer = self._web.page(str(parse(url).joined("/robots.txt")), max_bytes=MAX_BYTES, patience=LONGEST_DELAY)
            told = Protego.parse(answer.text if answer else "")
        except DownloadError as error:
            # A host that refuses or lacks the file has no rules; one in trouble may have some (RFC 9309, 2.3.1).
            if not error.is_final and error.code not in ("refused", "redirects"):
                raise
            if error.code == "too_large":  # it has rules, so nobody may do as if there were none
                raise SourceError(f"robots.txt of {parse(url).host} is too large to be read.", pauses=True) from error
            told = Protego.parse("")
        delay = float(told.crawl_delay(NAME) or 0)
        if delay > LONGEST_DELAY:
            raise SourceError(
                f"{parse(url).host} wants {delay:.0f} seconds between two requests, too many for a crawl.", pauses=True
            )
        if delay:
            self._web.slow_down(url, delay)
        return told
