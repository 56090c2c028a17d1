"""Bells of the worker do not multiply."""

from __future__ import annotations

import pytest
from huey.contrib.djhuey import HUEY

from gallery.models import TagWork
from gallery.tasks import change_tags, count_tags, rewrite_documents, ring

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def silent():
    HUEY.flush()
    yield
    HUEY.flush()


def test_it_works():
    for _ in range(3):
        ring(change_tags)
        ring(rewrite_documents)
    assert len(HUEY.pending()) == 2


def test_every_minute():
    TagWork.objects.create(kind="merge", name="dog", worker="another", lease_until="2999-01-01T00:00Z")
    for _ in range(3):
        count_tags.call_local()
    assert len(HUEY.pending()) == 1
