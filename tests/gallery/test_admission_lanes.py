"""What asks the database takes a place in a lane: there are more threads for what asks nothing than connections."""

from __future__ import annotations

from typing import Any

import pytest

from gallery.admission import Admission

THUMBNAIL = "/r/ab/cd/x.webp"


def lane(path: str) -> str:
    found = Admission(lambda *_: []).lane_of({"PATH_INFO": path})  # type: ignore[arg-type] # nobody calls it
    return found.name if found else ""


def test_it_works():
    assert {path: lane(path) for path in ("/", "/search/", "/health/live", "/static/a.css", THUMBNAIL)} == {
        "/": "page",
        "/search/": "search",
        "/health/live": "",
        "/static/a.css": "",
        THUMBNAIL: "",
    }


@pytest.mark.parametrize("access", ["members", "invite"])
def test_thumbnails_for_members_only_ask_who_it_is(settings: Any, access: str):
    settings.ACCESS = access
    assert lane(THUMBNAIL) == "page"


@pytest.mark.parametrize(
    ("path", "expected"), [("/api/health", "health"), ("/health/ready", "health"), ("/health/live/x", "health")]
)
def test_whether_it_is_well_is_asked_one_by_one(path: str, expected: str):
    assert lane(path) == expected
