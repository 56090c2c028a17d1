"""Several who wait for an account are approved or refused at once, from a list in pages."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from gallery.accounts_waiting import DECISIONS, decide
from gallery.models import User

PAGE = "/admin/accounts/"


def wait(*names: str) -> list[int]:
    """In this order. Returns their numbers."""
    begun = timezone.now() - timedelta(hours=1)
    moments = [begun + timedelta(seconds=number) for number in range(len(names))]
    people = [
        User(username=name, is_active=False, asked_at=moment, date_joined=moment)
        for name, moment in zip(names, moments, strict=True)
    ]
    return [person.pk for person in User.objects.bulk_create(people)]


def names(people: object) -> list[str]:
    return sorted(people.values_list("username", flat=True))  # type: ignore[attr-defined]


def said(response: HttpResponse) -> str:
    return unescape(response.content.decode())


def listed(response: HttpResponse) -> list[str]:
    """Who waits on this page."""
    return re.findall(r"<strong>(\w+)</strong>", said(response).split('id="people"')[0].split('id="refused"')[0])


def tick(client: Client, decision: str, pks: list[int], **more: str) -> HttpResponse:
    return client.post(PAGE, {"decision": decision, "person": pks, **more}, follow=True)


def undo(client: Client, page: HttpResponse) -> HttpResponse:
    address = re.search(r'<form method="post" action="([^"]+decision[^"]+)">', said(page))
    assert address
    return client.post(address[1], follow=True)


@pytest.mark.django_db
def test_it_works(as_admin: Client):
    ada, bea, _ = wait("ada", "bea", "cyd")
    page = tick(as_admin, "approve", [ada, bea])
    assert "ada and bea have accounts now." in said(page)
    assert listed(page) == ["cyd"]
    assert names(User.objects.filter(is_active=True)) == ["ada", "bea", "bob"]
    page = undo(as_admin, page)
    assert "ada and bea wait again." in said(page)
    assert listed(page) == ["ada", "bea", "cyd"]  # where they were


@pytest.mark.django_db
class TestRefusing:
    def test_is_undone(self, as_admin: Client):
        pks = wait("ada", "bea", "cyd", "dot", "eve")
        page = tick(as_admin, "refuse", pks[:4])
        assert "4 people are refused." in said(page)
        assert listed(page) == ["eve"]
        assert listed(undo(as_admin, page)) == ["ada", "bea", "cyd", "dot", "eve"]

    def test_can_be_taken_back_for_a_day(self, as_admin: Client):
        ada, bea, cyd = wait("ada", "bea", "cyd")
        tick(as_admin, "refuse", [ada, bea, cyd])
        User.objects.filter(pk=cyd).update(refused_at=Now() - timedelta(days=2))
        page = said(as_admin.get(PAGE))
        assert re.findall(r'form="refused-ticked" name="person" value="(\d+)"', page) == [str(bea), str(ada)]
        assert listed(tick(as_admin, "readmit", [ada, bea])) == ["ada", "bea"]
        assert "Refused in the last" not in said(as_admin.get(PAGE))


@pytest.mark.django_db
class TestDecidedMeanwhile:
    def test_they_are_named_and_stay_as_they_are(self, as_admin: Client):
        ada, bea, cyd = wait("ada", "bea", "cyd")
        decide([ada], DECISIONS["approve"])
        decide([bea], DECISIONS["refuse"])
        page = tick(as_admin, "refuse", [ada, bea, cyd])
        sentence = "cyd is refused; somebody else has decided meanwhile about ada (approved) and bea (refused)."
        assert sentence in said(page)
        assert names(User.objects.filter(is_active=True)) == ["ada", "bob"]

    def test_nobody_left_is_no_success(self, as_admin: Client):
        (ada,) = wait("ada")
        decide([ada], DECISIONS["approve"])
        page = tick(as_admin, "refuse", [ada, 10**9])
        assert page.status_code == 409
        assert "Somebody else has decided meanwhile about ada (approved) and somebody who is gone." in said(page)

    def test_an_undo_takes_back_only_what_was_done(self, as_admin: Client):
        ada, bea = wait("ada", "bea")
        page = tick(as_admin, "approve", [ada, bea])
        User.objects.filter(pk=ada).update(is_staff=True)
        assert "bea waits again; somebody else has decided meanwhile about ada (moderator now)." in said(
            undo(as_admin, page)
        )
        assert undo(as_admin, page).status_code == 409
        assert User.objects.get(pk=ada).is_active


@pytest.mark.django_db
class TestTheList:
    def test_many_come_in_pages(self, as_admin: Client, django_assert_max_num_queries):
        pks, seen, address = wait(*(f"p{number:03}" for number in range(130))), [], PAGE
        while address:
            with django_assert_max_num_queries(20):
                page = as_admin.get(address)
            seen += listed(page)
            onward = re.search(r'rel="next" href="([^"#]+)#waiting"', said(page))
            address = onward[1] if onward else ""
        assert seen == [f"p{number:03}" for number in range(130)]
        place = re.search(r'name="place" value="(waiting=[^"]+)"', said(page))[1]
        page = tick(as_admin, "approve", pks[100:102], place=place)
        assert page.redirect_chain == [(f"{PAGE}?{place}", 302)]
        assert listed(page) == [f"p{number}" for number in range(102, 130)]
        page = undo(as_admin, page)
        assert page.redirect_chain == [(f"{PAGE}?{place}", 302)]
        assert len(listed(tick(as_admin, "refuse", pks[100:], place=place))) == 50  # the first page: this one is empty

    def test_all_of_a_page_are_ticked_without_scripts(self, as_admin: Client):
        wait("ada", "bea")
        boxes = r'name="person" value="\d+"( checked)?>'
        assert re.findall(boxes, said(as_admin.get(PAGE))) == ["", ""]
        assert re.findall(boxes, said(as_admin.get(f"{PAGE}?tick=waiting"))) == [" checked", " checked"]

    def test_one_person_needs_no_tick(self, as_admin: Client):
        wait("ada")
        page = said(as_admin.get(PAGE))
        assert ('name="person"' in page, 'name="decision"' in page) == (False, False)

    @pytest.mark.parametrize("cursor", ["x", "5", f"{10**18}.1", "1.99999999999999999999", "1.2.3"])
    def test_broken_addresses_are_refused(self, as_admin: Client, cursor: str):
        assert as_admin.get(PAGE, {"waiting": cursor}).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    "form", [{"decision": "approve"}, {"decision": "hang", "person": "1"}, {"person": ["-1", "²"]}]
)
def test_it_says_what_is_missing(as_admin: Client, form: dict):
    wait("ada")
    page = as_admin.post(PAGE, form)
    assert page.status_code == 400
    assert 'role="alert"' in said(page)
    assert listed(page) == ["ada"]


@pytest.mark.django_db
def test_only_admins_decide(as_member: Client):
    pks = wait("ada", "bea")
    assert tick(as_member, "approve", pks).status_code == 403
    assert User.objects.waiting().count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_admins_at_once_decide_about_nobody_twice():
    pks = wait(*(f"p{number}" for number in range(30)))
    outcomes, start = {}, threading.Barrier(2)

    def work(name: str, some: list[int]) -> None:
        start.wait()
        try:
            outcomes[name] = decide(some, DECISIONS[name])
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=each) for each in (("approve", pks[:20]), ("refuse", pks[:9:-1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    approved, refused = ({person.pk for person in outcomes[name].done} for name in ("approve", "refuse"))
    assert not approved & refused
    assert approved | refused == set(pks)
    assert {person.pk for outcome in outcomes.values() for person in outcome.missed} == set(pks[10:20])
    assert set(User.objects.filter(is_active=True).values_list("pk", flat=True)) == approved
