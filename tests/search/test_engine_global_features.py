"""Looks like: by VLAD of the keypoints where there is no network, by a network where there is one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from PIL import Image, ImageOps

from gallery.pictures import decode
from search.encoders.vlad import Vlad, network
from search.engines import local_features
from search.engines._base import Grade
from search.engines._embedding import as_vectors
from search.engines.global_features import ENGINE, LEAST, GlobalFeatures
from search.errors import EngineError, WeightsMissing
from search.filling import fill
from search.generations import begin_wanted
from search.meaning import Meaning
from search.models import Generation
from search.query import Query
from search.retrieval import retrieve
from search.roles import all_roles
from tests.pictures import encode, photo
from tests.search.engine_contract import EngineContract, picture
from tests.search.kinds import COUNT, Tiles, checkpoint

KEYPOINTS = local_features.LocalFeatures()


@cache
def by_vlad() -> GlobalFeatures:
    """Learned from 24 other pictures than those of the contract."""
    unlearned = ENGINE.bound(1, network("16", Path()))
    learned = unlearned.learn([picture(photo(seed)) for seed in range(200, 224)])
    return ENGINE.bound(1, network("16", Path()), learned)


@cache
def drawn() -> list[bytes]:
    return by_vlad().make([picture(photo(seed)) for seed in range(40)])


class TestByVlad(EngineContract):
    @property
    def engine(self) -> GlobalFeatures:  # type: ignore[override]
        return by_vlad()

    def gallery(self):
        index = self.engine.new_index()
        index.add(np.arange(100, 140), self.engine.rows(drawn()))
        return index

    @pytest.mark.parametrize("longest", [1600, 700, 320])
    def test_it_extracts_nearly_the_same_from_any_reduction(self, longest):
        """Nearly: a keypoint at the edge of being one comes or goes."""
        data, index = encode(photo(5, 2400, 1800), quality=92), self.gallery()
        index.add(np.array([1]), self.engine.rows([self.engine.extract(decode(data, 1600))]))
        hits = self.engine.search(self.engine.probe_stored(self.engine.extract(decode(data, longest))), index, 1)
        assert (hits[0].image_id, hits[0].score > 0.65) == (1, True)

    @pytest.mark.parametrize(("longest", "quality"), [(1600, 90), (1600, 30), (200, 90)])
    def test_it_finds_its_own_picture_compressed_and_resized(self, quality, longest):
        """Drawn pictures consist of noise as far as keypoints go: both together would be too much for them."""
        index = self.gallery()
        for seed in (3, 11, 29):
            image = photo(seed).copy()
            image.thumbnail((longest, longest))
            hits = self.engine.search(self.engine.probe(decode(encode(image, quality=quality))), index, 5)
            self.check(hits, 5)
            assert hits[0].image_id == 100 + seed
            assert hits[0].score > 1.25 * hits[1].score

    def test_it_makes_the_same_of_stored_keypoints_and_of_pictures(self):
        images = [photo(1), photo(2), *odd()]
        stored = [KEYPOINTS.extract(picture(image)) for image in images]
        assert self.engine.make(stored) == self.engine.make([picture(image) for image in images])

    def test_it_finds_the_mirrored_picture(self):
        index = self.gallery()
        for seed in (3, 17, 30):
            hit = self.look(ImageOps.mirror(photo(seed)), index)[0]
            assert (hit.image_id, hit.grade, hit.certain, hit.evidence["how"]) == (
                100 + seed,
                Grade.LOOKS_LIKE,
                False,
                "mirrored",
            )
            assert hit.score >= self.engine.cutoff

    def test_different_pictures_are_weak(self):
        index = self.gallery()
        strong = [h for seed in range(300, 315) for h in self.look(photo(seed), index) if h.score >= self.engine.cutoff]
        assert len(strong) <= 1

    def test_it_says_how_alike_and_by_what(self):
        hit = self.look(photo(7), self.gallery())[0]
        assert self.engine.explain(hit.evidence) == "more alike than 97.5 % of the gallery, by layout and texture"
        mirrored = hit.evidence | {"how": "mirrored", "gallery": 1.0}
        assert ENGINE.explain(mirrored) == "more alike than 99.9 % of the gallery, mirrored, by layout and texture"

    def test_a_plain_picture_looks_like_nothing(self):
        index = self.index({1: Image.new("RGB", (200, 100)), 2: Image.new("RGB", (99, 99), "white"), 3: photo(1)})
        assert self.look(Image.new("RGB", (50, 50), "blue"), index) == []
        stored = self.engine.probe_stored(self.feature(Image.new("RGB", (50, 50), "blue")))
        assert self.engine.search(stored, index, 5) == []

    def test_it_needs_stored_keypoints_of_sift(self, monkeypatch):
        assert (self.engine.made_of, self.engine.learns_first, self.engine.learns_after) == (
            "local_features",
            LEAST,
            False,
        )
        other = SimpleNamespace(version=2, mirrors=False)
        monkeypatch.setattr(local_features.ENGINE, "encoder", other, raising=False)
        assert self.engine.made_of == ""  # it looks at the pictures itself then
        assert self.look(photo(7), self.gallery())[0].image_id == 107

    def test_before_it_has_learned_it_says_when_it_begins(self):
        with pytest.raises(EngineError, match=f"begins with {LEAST} pictures"):
            ENGINE.bound(1, network("16", Path())).probe(picture(photo(1)))

    def test_damaged_learning_is_refused(self):
        for wrong in (self.engine.learned[:-1], b"x" + self.engine.learned[1:], by_tiles().learned):
            with pytest.raises(ValueError, match=r"damaged|codebook|whitening"):
                ENGINE.bound(1, network("16", Path()), wrong)


@cache
def by_tiles() -> GlobalFeatures:
    """The network of the tests: mean colours of tiles. Whitened by 60 other pictures."""
    tiles = Tiles("a", Path("/nowhere"))
    tiles._read = lambda: checkpoint(0)  # type: ignore[method-assign]
    unlearned = ENGINE.bound(2, tiles)
    return ENGINE.bound(2, tiles, unlearned.learn([unlearned.extract(picture(photo(n))) for n in range(200, 260)]))


class TestByNetwork(EngineContract):
    same = 0.9

    @property
    def engine(self) -> GlobalFeatures:  # type: ignore[override]
        return by_tiles()

    def test_it_stores_what_the_network_says(self):
        raw = np.frombuffer(self.feature(photo(3)), "<f2")
        assert raw == pytest.approx(self.engine.network.encode([picture(photo(3))])[0], abs=1e-3)
        row = as_vectors(self.engine.rows([self.feature(photo(3))]))[0]
        assert abs(float(row @ raw)) < 0.9  # the index has something else
        assert (self.engine.made_of, self.engine.learns_first, self.engine.learns_after) == ("", 0, True)

    def test_whitening_takes_the_cone_away(self):
        features = [self.feature(photo(seed)) for seed in range(40)]
        raw = np.array([np.frombuffer(feature, "<f2") for feature in features]).astype(np.float32)
        rows = as_vectors(self.engine.rows(features))
        pairs = ~np.eye(40, dtype=bool)
        assert (raw @ raw.T)[pairs].mean() > 0.8
        assert abs((rows @ rows.T)[pairs].mean()) < 0.1

    def test_it_finds_the_mirrored_picture(self):
        hit = self.look(ImageOps.mirror(photo(9)), self.gallery())[0]
        assert (hit.image_id, hit.evidence["how"]) == (109, "mirrored")
        assert hit.score > 0.95

    def test_it_says_by_which_network(self):
        hit = self.look(photo(7), self.gallery())[0]
        assert self.engine.explain(hit.evidence) == "more alike than 97.5 % of the gallery, by Tiles a"

    def test_expansion_loses_nothing_that_was_found(self, monkeypatch):
        """Each picture has at least the score that it has without, and some have more."""
        series = {100 + n: Image.blend(photo(1), photo(2), n / 30) for n in range(8)}
        index = self.index(series | {n: photo(n) for n in range(20, 60)})
        expanded = {hit.image_id: hit.score for hit in self.look(photo(1), index, 48)}
        monkeypatch.setattr("search.engines._alike.expanded", lambda query, neighbours, above: query)
        plain = {hit.image_id: hit.score for hit in self.look(photo(1), index, 48)}
        assert expanded.keys() == plain.keys()
        assert all(expanded[image] >= plain[image] for image in plain)
        assert any(expanded[image] > plain[image] for image in series)

    @pytest.mark.parametrize("n", [1, 2, LEAST - 1])
    def test_of_few_pictures_nothing_is_learned(self, n):
        features = [self.feature(photo(seed)) for seed in range(n)]
        unlearned = ENGINE.bound(2, self.engine.network)
        engine = ENGINE.bound(2, self.engine.network, unlearned.learn(features))
        assert (engine.rows(features) == unlearned.rows(features)).all()
        assert engine.search(engine.probe(picture(photo(0))), self._of(engine, features), 3)[0].image_id == 0

    def _of(self, engine: GlobalFeatures, features: list[bytes]):
        index = engine.new_index()
        index.add(np.arange(len(features)), engine.rows(features))
        return index

    def test_learning_of_another_network_is_refused(self):
        tiles = Tiles("a", Path("/nowhere"))
        tiles.dimension = COUNT - 1
        with pytest.raises(ValueError, match="Tiles a"):
            ENGINE.bound(2, tiles, self.engine.learned)
        with pytest.raises(ValueError, match="damaged"):
            ENGINE.bound(2, self.engine.network, self.engine.learned[:-3])

    def test_without_weights_it_says_so(self, tmp_path):
        engine = ENGINE.bound(2, Tiles("b", tmp_path), self.engine.learned)
        with pytest.raises(EngineError, match="missing or damaged"):
            engine.probe(picture(photo(1)))


def odd() -> list[Image.Image]:
    return [Image.new("RGB", (80, 60)), photo(2).resize((3, 2))]


def test_it_is_a_role():
    assert all_roles()["global_features"] is ENGINE


def test_it_knows_no_words():
    with pytest.raises(EngineError, match="words"):
        by_vlad().probe_meaning(Meaning("a dog"))


@pytest.mark.parametrize("model", ["0", "1", "x", "-3", "257", "1e3", "٣٢"])
def test_vlad_of_an_odd_size_is_refused(model):
    with pytest.raises(WeightsMissing, match="visual words"):
        Vlad(model).look()


def test_vlad_needs_no_weights():
    one = network("", Path("/nowhere"))
    one.look()
    assert one.name == "vlad:64"
    assert not one.files
    assert one.fingerprint() == network("64", Path()).fingerprint() != network("32", Path()).fingerprint()


def test_a_gallery_without_weights_begins_by_itself(add, settings, tmp_path, monkeypatch):
    """With the first pictures it waits, then it learns, and answers."""
    monkeypatch.setattr("search.engines.global_features.LEAST", 4)
    settings.NETWORKS, settings.WEIGHTS = {"global_features": ["beit:", "vlad:16"]}, tmp_path
    images = [add(seed) for seed in range(3)]
    begin_wanted()
    fill(60)
    assert Generation.objects.current("global_features") is None
    images.append(add(3))
    fill(60)
    generation = Generation.objects.current("global_features")
    assert generation
    assert (generation.network, generation.learned_from, generation.features.count()) == ("vlad:16", 4, 4)
    answer = retrieve(Query(picture=picture(ImageOps.mirror(photo(2)))), AnonymousUser(), engines=["global_features"])
    assert [*answer.found, *answer.weak][0].image == images[2]
    assert answer.networks == {"global_features": network("16", Path()).label}
    for seed in range(4, 16):
        add(seed)
    fill(60)
    begin_wanted()
    fill(60)
    again = Generation.objects.current("global_features")
    assert again
    assert (again.pk != generation.pk, again.learned_from, again.features.count()) == (True, 16, 16)
