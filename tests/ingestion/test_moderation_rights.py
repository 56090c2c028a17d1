"""What waits is shown to the staff and to nobody else, on no address."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from ingestion.models import Decision
from ingestion.moderation_urls import urlpatterns
from tests.ingestion.waiting import person, staff, states, wait

pytestmark = pytest.mark.django_db
POSTS = {"decide", "undo_last_decision", "undo_decision"}


@pytest.fixture
def addresses() -> dict[str, str]:
    """Of every route."""
    candidate = wait(1)
    decision = Decision.objects.create(action="skip")
    routes = {"token": candidate.token, "pk": decision.pk}
    return {
        route.name: reverse(route.name, kwargs={name: routes[name] for name in route.pattern.converters})
        for route in urlpatterns
    }


def ask(client: Client, name: str, address: str, **headers: str):
    return client.post(address, {}, headers=headers) if name in POSTS else client.get(address, headers=headers)


def test_it_works(addresses):
    """The staff get an answer on each; and the other tests look at all there are."""
    client = Client()
    client.force_login(staff())
    assert len(addresses) == 9
    for name, address in addresses.items():
        assert ask(client, name, address).status_code not in (403, 404, 500), name


def test_members_are_refused_and_visitors_sent_to_the_sign_in(addresses):
    member, visitor = Client(), Client()
    member.force_login(person("alice"))
    for name, address in addresses.items():
        refused = ask(member, name, address)
        assert refused.status_code == 403, name
        assert "Lake" not in refused.content.decode()
        sent = ask(visitor, name, address)
        assert sent.status_code == 302, name
        assert sent["Location"].startswith("/login/")
        assert ask(visitor, name, address, **{"HX-Request": "true"}).status_code == 403


def test_nothing_is_decided_by_a_request_that_only_looks(addresses):
    client = Client()
    client.force_login(staff())
    for name in POSTS:
        assert client.get(addresses[name]).status_code == 405, name


def test_what_waits_never_lies_under_the_public_mount():
    candidate = wait(1)
    assert candidate.path.is_file()
    public = settings.MEDIA_ROOT / "renditions"
    assert public not in candidate.path.parents
    client = Client()
    for address in (f"/media/candidates/{candidate.token}", f"/renditions/../candidates/{candidate.token}"):
        assert client.get(address).status_code == 404
    assert states(candidate) == ["waiting"]
