"""``manage.py train_novelty``."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ingestion import novelty_tasks
from ingestion.management.commands import train_novelty
from ingestion.models import NoveltyModel
from ingestion.novelty import forget
from tests.ingestion.novel import accepted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    forget()
    monkeypatch.setattr(train_novelty, "ring_for_novelty", lambda: None)
    assert novelty_tasks.ring_for_novelty


def run(*args: str) -> str:
    out = StringIO()
    call_command("train_novelty", *args, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_it_works():
    accepted(50)
    said = run("--components", "1-3", "--criterion", "aic")
    assert "Learned from 50 accepted pictures" in said
    assert "chosen by AIC" in said
    assert "It is in use now." in said
    model = NoveltyModel.objects.get()
    assert (model.state, model.criterion, model.fitted_on) == ("current", "aic", 50)
    assert [row[0] for row in model.curve] == [1, 2, 3]
    assert "It is proposed on the page Novelty." in run("--components", "2")
    assert NoveltyModel.objects.proposed().components == 2
    assert "It is in use now." in run("--components", "1", "--switch")
    assert NoveltyModel.objects.current().components == 1


def test_too_few_pictures_are_told_in_a_sentence():
    accepted(1)
    with pytest.raises(CommandError, match="There is 1 accepted picture to learn from, and at least 50 are needed"):
        run()
    assert not NoveltyModel.objects.exists()


@pytest.mark.parametrize("wrong", ["0", "5-2", "1-", "-3", "x", "1-2-3", "999", "²"])
def test_numbers_of_components_that_cannot_be_are_refused(wrong):
    with pytest.raises(CommandError, match="write a number of components or a range"):
        run(f"--components={wrong}")
