"""A small site behind the admission of the gallery, for the real web server: no database, and answers of known cost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gallery.settings")
django.setup()

from django.http import HttpResponse, StreamingHttpResponse  # noqa: E402

from gallery.admission import Admission  # noqa: E402

COST = 0.04
"""Seconds for a page or a search; two at once are 50 a second each."""
BLOCK = b"x" * 2**16


def site(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/large/":
        response: Any = StreamingHttpResponse(BLOCK for _ in range(2**10))
    elif path == "/said/":
        response = HttpResponse(
            f"{len(environ['wsgi.input'].read())} {environ['REMOTE_ADDR']} {environ.get('HTTP_X_FORWARDED_FOR')}"
        )
    else:
        if not path.startswith(("/health/", "/static/")):
            time.sleep(COST)
        response = HttpResponse("ok")
    start(f"{response.status_code} OK", list(response.items()))
    return response


application = Admission(site)
