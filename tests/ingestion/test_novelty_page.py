"""The page Novelty: what is in use, what is proposed, and the way back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from gallery.models import User
from ingestion import novelty_views
from ingestion.models import NoveltyModel
from ingestion.novelty import forget
from ingestion.novelty_curve import plot
from tests.ingestion.novel import accepted, candidate, model

NOVELTY = "/admin/novelty/"
State = NoveltyModel.State
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    forget()
    monkeypatch.setattr(novelty_views, "ring_for_novelty", lambda: None)


@pytest.fixture
def admin(db):
    """Without a password: to hash one takes as long as the rest of a test."""
    return User.objects.create(username="bob", is_staff=True, is_superuser=True)


@pytest.fixture
def member(db):
    return User.objects.create(username="alice")


def text(response: Any) -> str:
    assert response.status_code in (200, 400, 403, 409), response
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def post(client: Client, where: str, **form: str) -> Any:
    return client.post(NOVELTY + where, form)


def undo(client: Client) -> str:
    """The address that the message of the next page offers."""
    page = client.get(NOVELTY).content.decode()
    (address,) = re.findall(r'<form method="post" action="([^"]*)"><input[^>]*><button[^>]* data-key="u"', page)
    return address


GAIN = {"over": 1, "new": 31, "gain": 12.5, "error": 2.25, "spread": 9, "rejected": 14, "newest": 9}


def test_it_works(as_admin, admin):
    """Proposed, used, taken back."""
    current = model(2, by=admin, scored_at="2026-01-01T00:00Z")
    proposed = model(1, state="proposed", nightly=True, report=GAIN | {"auc_new": 0.91, "auc_before": 0.84})
    candidate(1, 1)
    page = text(as_admin.get(NOVELTY))
    assert "fits what is accepted better than the one in use. Measured on 31 pictures" in page
    assert "+12.50 ± 2.25" in page
    assert "0.910 now 0.840" in page
    assert "BIC is lowest at 1 component." in page
    assert post(as_admin, f"{proposed.pk}/use/").status_code == 302
    assert NoveltyModel.objects.current() == proposed
    assert "Candidates that wait get their new scores" in text(as_admin.get(NOVELTY))
    assert post(as_admin, f"{current.pk}/use/").status_code == 302, "rolled back"
    as_admin.post(undo(as_admin))
    assert NoveltyModel.objects.current() == proposed


def test_a_young_gallery_is_told_what_is_missing(as_admin):
    accepted(2)
    page = text(as_admin.get(NOVELTY))
    assert "No model is in use" in page
    assert "There are 2 accepted pictures to learn from, and at least 50 are needed." in page
    assert "Train now BIC" not in page
    refused = post(as_admin, "train/", criterion="bic")
    assert refused.status_code == 409
    assert "at least 50 are needed" in text(refused)


def test_training_is_asked_for_and_shows_how_far_it_is(as_admin, admin):
    accepted(50)
    assert post(as_admin, "train/", criterion="aic").status_code == 302
    training = NoveltyModel.objects.being_made()
    assert (training.criterion, training.by, training.nightly) == ("aic", admin, False)
    assert "waits for a worker" in text(as_admin.get(NOVELTY))
    NoveltyModel.objects.update(done=7, steps=31)
    page = as_admin.get(NOVELTY, headers={"HX-Request": "true"})
    assert "7 of 31 steps" in text(page)
    assert b'hx-trigger="every 2s"' in page.content
    assert b"<html" not in page.content


def test_what_failed_says_why(as_admin):
    model(state="failed", error="It was too much.")
    assert "The last training failed. It was too much." in text(as_admin.get(NOVELTY))


def test_a_model_of_other_embeddings_is_told(as_admin):
    model(embedded_by="clip of yesterday", scored_at="2026-01-01T00:00Z")
    assert "trained on embeddings that are not made any more" in text(as_admin.get(NOVELTY))


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (GAIN | {"gain": -8.0}, "fits what is accepted worse than the one in use"),
        (GAIN | {"gain": 4.0}, "neither surely better nor surely worse"),
        ({"over": 1, "new": 1}, "Too little was accepted since the one in use was trained (1 picture)"),
        ({}, "Nothing that is in use can be compared with it."),
    ],
)
def test_a_gain_is_told_as_it_is(as_admin, report, expected):
    model(state="proposed", report=report)
    assert expected in text(as_admin.get(NOVELTY))


def test_a_proposal_is_declined_and_brought_back(as_admin):
    proposed = model(state="proposed")
    assert post(as_admin, f"{proposed.pk}/decline/").status_code == 302
    assert NoveltyModel.objects.get().state == State.DECLINED
    as_admin.post(undo(as_admin))
    assert NoveltyModel.objects.get().state == State.PROPOSED


def test_what_is_gone_is_refused(as_admin):
    current = model(state="current").pk
    for act, pk in (("use", current), ("decline", 12345), ("propose", 2**63), ("propose", current)):
        refused = post(as_admin, f"{pk}/{act}/")
        assert refused.status_code == 409, act
        assert "This is not so any more" in text(refused)


def test_a_criterion_that_is_none_is_refused(as_admin):
    assert post(as_admin, "train/", criterion="x").status_code == 400


def test_only_the_staff_decide(client, as_member):
    model(state="proposed", pk=1)
    assert as_member.get(NOVELTY).status_code == 403
    assert client.get(NOVELTY).status_code == 302
    for where in ("train/", "1/use/", "1/decline/", "1/propose/"):
        assert post(as_member, where, criterion="bic").status_code == 403, where
        assert post(client, where, criterion="bic").status_code == 302, where
        assert Client(enforce_csrf_checks=True).post(NOVELTY + where).status_code == 403, where
        assert NoveltyModel.objects.get().state == State.PROPOSED, where


def test_the_curve_is_drawn_with_its_lowest_point_and_told_in_numbers(as_admin):
    model(curve=[[1, 120, 110], [2, 100, 80], [3, 130, 70]], components=2, scored_at="2026-01-01T00:00Z")
    page = as_admin.get(NOVELTY).content.decode()
    assert '<svg viewBox="0 0 360 190" role="img" aria-labelledby=' in page
    assert " style=" not in page
    assert page.count("<polyline") == 2
    drawn = plot([[1, 120, 110], [2, 100, 80], [3, 130, 70]], "bic", 2)
    assert drawn.chosen == drawn.lines[0].points[1]
    assert drawn.chosen.y == max(point.y for point in drawn.lines[0].points), "lowest is farthest down"
    assert re.sub(r"\s+", "", "<th scope='row'>2</th><td>100.0</td><td>80.0</td>".replace("'", '"')) in re.sub(
        r"\s+", "", page
    )


def test_one_number_of_components_makes_no_curve():
    assert plot([[1, 120, 110]], "bic", 1) is None
    assert plot([], "bic", 1) is None
    assert plot([[1, 5, 5], [2, 5, 5]], "aic", 1).chosen.components == 1
