"""What a probe is told: the process lives, and it can do its work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.test import Client

from gallery import originals


@pytest.mark.django_db
def test_it_works(client: Client):
    for address in ("/health/live", "/health/ready"):
        response = client.get(address)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_live_needs_no_database(client: Client):
    assert client.get("/health/live").status_code == 200  # without the mark, a query would fail this test


@pytest.mark.django_db
def test_ready_leaves_nothing_behind(client: Client):
    client.get("/health/ready")
    assert os.listdir(originals._folder(".incoming")) == []


@pytest.mark.django_db
def test_ready_says_that_pictures_cannot_be_stored(client: Client, settings, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path / "file"
    settings.MEDIA_ROOT.touch()
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "Pictures cannot be stored: Not a directory."}
    assert client.get("/health/live").status_code == 200


@pytest.mark.django_db
def test_probes_are_not_sent_to_https(client: Client, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = ["^health/"]
    browser = Client()
    assert browser.get("/").status_code == 301
    assert browser.get("/health/live").status_code == 200
    assert browser.get("/health/ready").status_code == 200


def test_rejects_other_methods(client: Client):
    assert client.post("/health/live").status_code == 405
    assert client.post("/health/ready").status_code == 405
