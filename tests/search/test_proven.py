"""What was proven in the background is taken for granted by a search that asks only what is stored of an image."""

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser

from gallery.models import Image
from search.engines._base import Grade, Hit
from search.models import Examination, Pair
from search.proven import is_examined, proofs_of, versions, with_proofs
from search.query import Query
from search.retrieval import query_of, retrieve
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db
ANYBODY = AnonymousUser()
PART = {
    "points": 40,
    "mirrored": False,
    "relation": "part",
    "covers": 0.25,
    "covered": 1.0,
    "agree": 0.9,
    "in_query": [[0, 0], [1, 0], [1, 1], [0, 1]],
    "in_match": [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]],
    "homography": [0.5, 0, 0, 0, 0.5, 0, 0, 0, 1],
}


def pair(low: int, high: int, **values) -> Pair:
    known = {"grade": Grade.CONTAINS, "score": 0.9, "evidence": {"local_features": PART}, "versions": versions()}
    return Pair.objects.create(low_id=low, high_id=high, **known | values)


def found(image: int, **options) -> list[int]:
    return [one.image.pk for one in retrieve(Query(image_id=image), ANYBODY, **options).found]


def test_it_works():
    part, whole, other = rows(3)
    pair(part, whole)
    (match,) = retrieve(Query(image_id=part), ANYBODY).found
    assert (match.image.pk, match.match.grade, match.match.certain) == (whole, Grade.CONTAINS, True)
    assert match.alignment["relation"] == "part"
    (match,) = retrieve(Query(image_id=whole), ANYBODY).found
    assert (match.image.pk, match.alignment["relation"], match.alignment["covered"]) == (part, "whole", 0.25)
    assert found(other) == []


def test_what_may_not_be_seen_stays_hidden():
    one, private, trashed, seen = rows(4)
    for each in (private, trashed, seen):
        pair(one, each)
    Image.objects.filter(pk=private).update(private=True)
    Image.objects.get(pk=trashed).trash()
    assert found(one) == [seen]


def test_only_what_may_be_answered_is():
    one, other, third = rows(3)
    pair(one, other)
    pair(one, third)
    hits = proofs_of(one, np.array([third, third + 5]))
    assert [hit.image_id for hit in hits["local_features"]] == [third]


@pytest.mark.parametrize("values", [{"versions": "local_features 0"}, {"grade": Grade.LOOKS_LIKE}])
def test_what_other_versions_found_and_what_only_looks_alike_is_no_proof(values):
    one, other = rows(2)
    pair(one, other, **values)
    assert proofs_of(one, None) == {}


def test_a_detail_is_no_proof_but_the_hash_may_be_one():
    one, other = rows(2)
    hashed = {"distance": 20, "bits": 576, "how": ""}
    pair(one, other, grade=Grade.SAME, evidence={"local_features": PART | {"relation": "detail"}, "phash": hashed})
    assert {name: [hit.evidence for hit in hits] for name, hits in proofs_of(one, None).items()} == {"phash": [hashed]}


def test_the_better_one_of_two_stays():
    weak, sure = Hit(1, 0.3, Grade.LOOKS_LIKE), Hit(1, 0.9, Grade.CONTAINS, True)
    same, other = Hit(2, 0.8, Grade.SAME, True), Hit(2, 0.95, Grade.CONTAINS, True)
    assert with_proofs([weak, same], [sure, other]) == [sure, same]
    assert with_proofs([], [other]) == [other]


def test_an_examined_image_is_asked_by_what_is_stored_of_it(add):
    image = add(1)
    assert query_of(image).picture is not None
    Examination.objects.create(image=image, versions=versions())
    assert is_examined(image)
    assert query_of(image) == Query(image_id=image.pk)
    assert query_of(image, closely=True).picture is not None
    Examination.objects.update(notice="An engine did not answer.")
    assert query_of(image).picture is not None


def test_one_that_is_destroyed_meanwhile_is_an_empty_place():
    one, other = rows(2)
    pair(one, other)
    (match,) = retrieve(Query(image_id=one), ANYBODY).found
    Image.objects.filter(pk=other).delete()
    assert (match.image.pk, match.image.name, match.image.alt) == (other, "", "")
