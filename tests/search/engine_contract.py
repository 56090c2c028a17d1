"""What every engine has to do. A test file of an engine inherits from EngineContract and names the engine."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from gallery.pictures import Picture, decode
from search.engines._base import Engine, Hit
from search.indexes._base import Index
from tests.pictures import encode, photo


def picture(image: Image.Image) -> Picture:
    return Picture(np.asarray(image.convert("RGB")), *image.size, "PNG", {})


def odd_pictures() -> dict[str, Image.Image]:
    """Pictures that have no detail, no area, or no proportion."""
    return {
        "1x1": Image.new("RGB", (1, 1), "red"),
        "3x2": photo(1).resize((3, 2)),
        "black": Image.new("RGB", (200, 100)),
        "white": Image.new("RGB", (640, 480), "white"),
        "wide": photo(2, 2000, 100).resize((20_000, 1)),
        "tall": photo(3, 100, 2000).resize((1, 20_000)),
        "gradient": Image.linear_gradient("L"),
    }


class EngineContract:
    engine: Engine
    same = 0.9
    """The least score of a picture against a reduced or compressed copy of itself."""

    def feature(self, image: Image.Image) -> bytes:
        return self.engine.extract(picture(image))

    def index(self, images: dict[int, Image.Image]) -> Index:
        index = self.engine.new_index()
        index.add(np.array(list(images)), self.engine.rows([self.feature(image) for image in images.values()]))
        return index

    def gallery(self) -> Index:
        """Photographs 0 to 39 under the ids 100 to 139."""
        return self.index({100 + seed: photo(seed) for seed in range(40)})

    def look(self, image: Image.Image, index: Index, k: int = 10, among: np.ndarray | None = None) -> list[Hit]:
        return self.engine.search(self.engine.probe(picture(image)), index, k, among)

    def check(self, hits: list[Hit], k: int) -> None:
        ids, scores = [hit.image_id for hit in hits], [hit.score for hit in hits]
        assert len(hits) <= k
        assert len(set(ids)) == len(ids)
        assert all(0 <= score <= 1 for score in scores)
        assert scores == sorted(scores, reverse=True)
        for hit in hits:
            assert type(hit.image_id) is int
            assert type(hit.certain) is bool
            assert type(hit.score) is float
            assert json.loads(json.dumps(hit.evidence)) == hit.evidence
            assert self.engine.explain(hit.evidence).strip()

    def test_it_works(self):
        index = self.gallery()
        for seed in (0, 7, 39):
            hits = self.look(photo(seed), index)
            self.check(hits, 10)
            assert (hits[0].image_id, hits[0].score) == (100 + seed, 1.0)

    def test_it_says_what_it_is(self):
        assert self.engine.name
        assert self.engine.label
        assert self.engine.version >= 1
        assert 0 < self.engine.cutoff < 1

    def test_it_extracts_the_same_twice(self):
        for image in (photo(1), *odd_pictures().values()):
            assert self.feature(image) == self.feature(image.copy())
            first, second = (self.engine.probe(picture(image)) for _ in range(2))
            assert (first.vectors == second.vectors).all()
            assert first.names == second.names

    def test_its_rows_fit_its_index(self):
        features = [self.feature(photo(seed)) for seed in range(3)]
        rows = self.engine.rows(features)
        index = self.engine.new_index()
        assert rows.shape == (3, index.width)
        for probe in (self.engine.probe(picture(photo(1))), self.engine.probe_stored(features[1])):
            assert probe.vectors.shape == (len(probe.names), index.width)
            assert probe.vectors.dtype == rows.dtype
        assert self.engine.rows([]).shape == (0, index.width)

    def test_it_finds_a_stored_image_by_its_feature(self):
        index = self.gallery()
        hits = self.engine.search(self.engine.probe_stored(self.feature(photo(7))), index, 5)
        self.check(hits, 5)
        assert (hits[0].image_id, hits[0].score) == (107, 1.0)

    @pytest.mark.parametrize("longest", [1600, 1024, 700, 320, 192])
    def test_it_extracts_nearly_the_same_from_any_reduction(self, longest):
        data = encode(photo(5, 2400, 1800), quality=92)
        index = self.engine.new_index()
        index.add(np.array([1]), self.engine.rows([self.engine.extract(decode(data, 1600))]))
        hits = self.engine.search(self.engine.probe_stored(self.engine.extract(decode(data, longest))), index, 1)
        assert hits[0].score > 0.95

    @pytest.mark.parametrize("quality", [90, 30])
    @pytest.mark.parametrize("longest", [1600, 200])
    def test_it_finds_its_own_picture_compressed_and_resized(self, quality, longest):
        index = self.gallery()
        for seed in (3, 11, 29):
            image = photo(seed).copy()  # the drawn ones are kept for all tests
            image.thumbnail((longest, longest))
            hits = self.engine.search(self.engine.probe(decode(encode(image, quality=quality))), index, 5)
            self.check(hits, 5)
            assert hits[0].image_id == 100 + seed
            assert hits[0].score > self.same

    @pytest.mark.parametrize("k", [0, 1, 3, 1000])
    def test_it_answers_at_most_k(self, k):
        self.check(self.look(photo(2), self.gallery(), k), k)

    def test_it_answers_among_some_only(self):
        index, among = self.gallery(), np.array([101, 107, 130])
        assert self.look(photo(7), index, among=among)[0].image_id == 107
        assert {hit.image_id for hit in self.look(photo(8), index, among=among)} <= set(among.tolist())
        assert self.look(photo(8), index, among=np.empty(0, np.int64)) == []

    def test_it_answers_nothing_from_nothing(self):
        assert self.look(photo(1), self.engine.new_index()) == []

    @pytest.mark.parametrize("name", odd_pictures())
    def test_it_handles_odd_pictures(self, name):
        images = dict(enumerate(odd_pictures().values()))
        index = self.index(images)
        for hits in (self.look(odd_pictures()[name], index), self.look(odd_pictures()[name], self.gallery())):
            self.check(hits, 10)

    @pytest.mark.parametrize("change", [lambda f: f[:-1], lambda f: f + b"x", lambda f: b""])
    def test_it_rejects_features_of_a_wrong_length(self, change):
        wrong = change(self.feature(photo(1)))
        for ask in (lambda: self.engine.rows([wrong]), lambda: self.engine.probe_stored(wrong)):
            with pytest.raises(ValueError, match="bytes"):
                ask()
