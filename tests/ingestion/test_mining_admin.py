"""The lists of Django's admin about mining: to look at, never to change."""

from __future__ import annotations

import pytest
from django.contrib import admin as site
from django.test import Client

from ingestion import mining_admin, moderation
from ingestion.models import Ban, Candidate, Decision, KnownUrl, Server
from tests.ingestion.waiting import some, staff, wait

pytestmark = pytest.mark.django_db
MODELS = (Ban, Candidate, Decision, KnownUrl, Server)


@pytest.fixture
def client() -> Client:
    candidate, by = wait(1, file=False), staff()
    moderation.reject(some(candidate), by, "Poor quality")
    KnownUrl.objects.create(key="k", url="https://example.org/1.jpg", outcome="gone")
    Server.objects.create(host="example.org", error="It answered 503.")
    client = Client()
    client.force_login(by)
    return client


def test_it_works(client):
    """Each has its list, with one row, and a page to read it."""
    assert mining_admin.ReadOnlyAdmin
    words = {"ban": "Poor quality", "candidate": "Lake 1", "decision": "rejected", "knownurl": "gone", "server": "503"}
    for model in MODELS:
        name = model._meta.model_name
        page = client.get(f"/admin/ingestion/{name}/")
        assert words[name] in page.content.decode()
        assert client.get(f"/admin/ingestion/{name}/{model.objects.get().pk}/change/").status_code == 200
        assert client.get(f"/admin/ingestion/{name}/?q=no").status_code == 200


def test_nothing_can_be_changed(client):
    for model in MODELS:
        name = model._meta.model_name
        assert client.get(f"/admin/ingestion/{name}/add/").status_code == 403
        address = f"/admin/ingestion/{name}/{model.objects.get().pk}"
        assert client.post(f"{address}/change/", {}).status_code == 403
        assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert site.site.is_registered(Candidate)
