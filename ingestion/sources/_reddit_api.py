"""Reddit with an account of an application, through praw. What praw would sleep over or repeat is an error here."""

from __future__ import annotations

import time
from typing import Any

import praw
from django.conf import settings
from praw.exceptions import PRAWException
from prawcore import Requestor
from prawcore.exceptions import PrawcoreException, RequestException
from requests import Response

from ingestion.download import VERSION
from ingestion.sources._answers import not_understood
from ingestion.sources._base import SourceError

API = "https://oauth.reddit.com"
LOGIN = "https://www.reddit.com"
TIMEOUT = 16.0
"""Seconds, for each next byte."""
A_MINUTE = 60.0
LIMIT = "x-ratelimit-"


class Asking(Requestor):
    """One crawl's line to Reddit."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._http.trust_env = False  # no proxy and no password of this machine's environment
        self.free_at = 0.0

    def request(self, *args: Any, timeout: float | None = None, **options: Any) -> Response:
        """Raises SourceError for everything that is no success, so that praw neither repeats it nor sleeps."""
        if (wait := self.free_at - time.monotonic()) > 0:
            raise SourceError("Reddit wants to be asked less often.", again_after=wait)
        self.close()  # Reddit closes idle lines; on a new one a request is never lost between two pages
        try:
            answer = super().request(*args, timeout=TIMEOUT, **options | {"allow_redirects": False})
        except RequestException as error:
            raise SourceError("Reddit cannot be reached, is too slow, or has broken off its answer.") from error
        wait = _until_free(answer)
        if answer.status_code != 200:
            raise _refusal(answer, wait)
        self.free_at = time.monotonic() + wait if wait else 0.0
        if "access_token" in str(answer.url):
            _check_token(answer)
        return answer


def connect() -> praw.Reddit:
    """Read-only. Nothing is taken from a praw.ini or from variables of praw."""
    contact = settings.CONTACT.encode("ascii", "ignore").decode()
    return praw.Reddit(
        "DEFAULT",
        requestor_class=Asking,
        client_id=settings.REDDIT_ID,
        client_secret=settings.REDDIT_SECRET or None,
        user_agent=f"lookalike:{VERSION}" + (f" (by {contact})" if contact else ""),
        username=None,
        password=None,
        refresh_token=None,
        redirect_uri=None,
        oauth_url=API,
        reddit_url=LOGIN,
        check_for_updates=False,
        check_for_async=False,
    )


def ask(reddit: praw.Reddit, path: str, params: dict[str, Any]) -> Any:
    """The JSON that lies at this path."""
    try:
        return reddit.request(method="GET", path=path, params=params)
    except (PrawcoreException, PRAWException) as error:
        raise not_understood("Reddit", "it is not JSON") from error


def _check_token(answer: Response) -> None:
    try:
        told = answer.json()
    except ValueError:
        raise not_understood("Reddit", "it is not JSON") from None
    if isinstance(told, dict) and told.get("error"):
        raise _unknown()
    types = {"access_token": str, "expires_in": int, "scope": str}
    if not isinstance(told, dict) or not all(isinstance(told.get(name), kind) for name, kind in types.items()):
        raise not_understood("Reddit", "there is no permission in it")


def _until_free(answer: Response) -> float:
    """Seconds for which Reddit wants to be left alone; 0: it does not. praw is not told: it would sleep so long."""
    told = {name: answer.headers.pop(LIMIT + name, "") for name in ("remaining", "used", "reset")}
    wait, left = _number(told["reset"]), _number(told["remaining"])
    asked = _number(answer.headers.get("retry-after", ""))
    if answer.status_code == 429:
        return asked or wait or A_MINUTE
    return wait or A_MINUTE if told["remaining"] and (left is None or left < 1) else 0.0


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 86_400 else None


def _refusal(answer: Response, wait: float) -> SourceError:
    status = answer.status_code
    if status == 429:
        return SourceError("Reddit wants to be asked less often.", again_after=wait)
    if status >= 500:
        return SourceError(f"Reddit has a fault of its own ({status}).")
    if status == 401 or "access_token" in str(answer.url):
        return _unknown()
    if status in (301, 302, 404, 410):
        return SourceError(f"Reddit has no such subreddit, or has closed it ({status}).", pauses=True)
    return SourceError(f"Reddit does not show this subreddit to everybody ({status}).", pauses=True)


def _unknown() -> SourceError:
    return SourceError(
        "Reddit refuses the application: see LOOKALIKE_REDDIT_ID and LOOKALIKE_REDDIT_SECRET.", pauses=True
    )
