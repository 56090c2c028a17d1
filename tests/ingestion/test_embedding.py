"""A picture as one vector: by the best that is there, and always by something."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection

from gallery.models import Image
from gallery.pictures import decode
from ingestion.embedding import (
    accepted_embeddings,
    as_bytes,
    as_vector,
    candidate_embeddings,
    current_embedding,
    embed,
)
from ingestion.models import Candidate
from search.models import Feature, Generation
from tests.ingestion.novel import accepted, candidate, vector
from tests.pictures import encode, photo
from tests.search import kinds

tiles = kinds.tiles
pytestmark = pytest.mark.django_db


def test_it_works(add):
    """A picture that is in the gallery has the vector that its features have."""
    image = add(3)
    found, name = embed(decode(encode(photo(3)), longest=1600))
    ids, vectors = accepted_embeddings(name)
    assert ids.tolist() == [image.pk]
    assert found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1)
    assert vectors[0] @ found > 0.999
    other, _ = embed(decode(encode(photo(4)), longest=1600))
    assert vectors[0] @ other < vectors[0] @ found


def test_without_a_network_its_name_says_so():
    assert current_embedding().name == "description 1 (keypoints 1, colours 1)"
    assert "no network" in current_embedding().label


def test_it_says_the_same_again():
    picture = decode(encode(photo(1)), longest=1600)
    assert (embed(picture)[0] == embed(picture)[0]).all()


@pytest.mark.parametrize("size", [(1, 1), (900, 3)])
def test_it_handles_pictures_without_anything_in_them(size):
    vector, _ = embed(decode(encode(photo(1).resize(size)), longest=1600))
    assert np.isfinite(vector).all()


def test_a_vector_comes_back_from_its_bytes():
    before = vector(1, 1)
    assert as_vector(as_bytes(before)) @ before == pytest.approx(1, abs=1e-4)
    assert np.linalg.norm(as_vector(as_bytes(before))) == pytest.approx(1, abs=1e-6)


def test_the_newest_come_first_and_no_more_than_asked_for():
    images = accepted(5)
    ids, vectors = accepted_embeddings(current_embedding().name, limit=3)
    assert ids.tolist() == [image.pk for image in reversed(images[2:])]
    assert vectors.shape == (3, 448)


def test_what_is_not_in_the_gallery_is_not_accepted():
    images = accepted(4)
    Image.objects.filter(pk=images[0].pk).update(trashed_at="2026-01-01T00:00Z")
    Image.objects.filter(pk=images[1].pk).update(state=Image.State.NEW)
    assert set(accepted_embeddings(current_embedding().name)[0]) == {images[2].pk, images[3].pk}
    assert current_embedding().count() == 2


def test_damaged_features_are_passed_over():
    images = accepted(2)
    Feature.objects.filter(image=images[0], engine="local_features").update(data=b"nonsense")
    Feature.objects.filter(image=images[1], engine="color").update(data=b"nonsense")
    assert not len(accepted_embeddings(current_embedding().name)[0])


def test_nothing_is_accepted_by_what_makes_no_embeddings():
    accepted(1)
    assert accepted_embeddings("clip of another gallery")[0].size == 0


def test_rows_are_read_through_a_cursor_of_the_server():
    """5,000 features of keypoints would be 180 MB."""
    accepted(3)
    rows = current_embedding().stored(limit=3)
    next(rows)
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_cursors")
        assert any("search_feature" in statement for (statement,) in cursor.fetchall())


def test_candidates_are_told_by_state_and_by_what_embedded_them():
    kept = candidate(1, 1, state=Candidate.State.REJECTED)
    candidate(1, 2)
    candidate(1, 3, state=Candidate.State.REJECTED, embedded_by="another")
    candidate(1, 4, state=Candidate.State.REJECTED, embedding=b"")
    ids, vectors = candidate_embeddings(current_embedding().name, [Candidate.State.REJECTED])
    assert ids.tolist() == [kept.pk]
    assert vectors[0] @ vector(1, 1) == pytest.approx(1, abs=1e-4)


@pytest.fixture
def by_vlad(transactional_db):
    """VLAD answers about 24 pictures."""
    from search.filling import fill
    from search.generations import begin

    accepted(24)
    begin("global_features", "vlad:2")
    while fill(30):
        pass
    return Generation.objects.current("global_features")


def test_the_global_features_are_taken_once_they_answer(by_vlad):
    found, name = embed(decode(encode(photo(3)), longest=1600))
    ids, vectors = accepted_embeddings(name)
    assert name.startswith("global_features vlad:2 ")
    assert name.endswith(f" {by_vlad.pk}")
    assert (len(ids), vectors.shape[1]) == (24, len(found))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)
    described = "description 1 (keypoints 1, colours 1)"
    assert len(accepted_embeddings(described)[0]) == 24, "what was made before can still be made"


def test_clip_is_taken_while_its_weights_are_there(tiles, add):
    """Any network can answer in its place: this one sees nine tiles."""
    from search.filling import fill
    from search.generations import begin

    network = tiles("a", seed=1)
    image = add(3)
    begin("clip", network.name)
    while fill(30):
        pass
    picture = decode(encode(photo(3)), longest=1600)
    found, name = embed(picture)
    ids, vectors = accepted_embeddings(name)
    assert name == f"clip tiles:a {network.fingerprint()[:12]}"
    assert ids.tolist() == [image.pk]
    assert vectors[0] @ found > 0.99
    network.file.unlink()
    assert embed(picture)[1].startswith("description")
    tiles("a", seed=2)
    assert embed(picture)[1].startswith("description"), "other weights make other vectors"


def test_damaged_embeddings_do_not_spoil_the_others():
    name = current_embedding().name
    good = [candidate(1, seed, state="rejected") for seed in range(3)]
    for seed, data in ((7, as_bytes(vector(1, 1) * np.nan)), (8, b"abc"), (9, as_bytes(vector(1, 1)[:5]))):
        Candidate.objects.filter(pk=candidate(1, seed, state="rejected").pk).update(embedding=data)
    ids, vectors = candidate_embeddings(name, ["rejected"])
    assert sorted(ids.tolist()) == sorted(one.pk for one in good)
    assert np.isfinite(vectors).all()
