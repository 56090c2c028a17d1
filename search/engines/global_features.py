"""Looks like: one vector of the whole picture, by a network where there is one, else by VLAD.

Of a network its own vectors are stored, and whitened on the way into the index: what was learned of the collection can
be learned again without running the network. Of VLAD, which is learned of the collection from the beginning, the
whitened vectors are stored: 1 KB instead of 16, made again from stored keypoints at half a millisecond each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np

from gallery.pictures import Picture
from search import learned, vlad, whitening
from search.encoders.sift import ENCODER as SIFT
from search.encoders.sift import RootSift
from search.encoders.vlad import Vlad
from search.engines import local_features
from search.engines._alike import Alike, Scale, alike
from search.engines._base import Grade, Hit, Probe
from search.engines._embedding import EmbeddingEngine, as_rows, as_vectors
from search.errors import EngineError
from search.indexes.embedding_index import EmbeddingIndex
from search.keypoints import unpack
from search.vlad import Codebook
from search.whitening import Whitening

LEAST = 20
"""Pictures to learn from. From 20, VLAD finds 0.81 of hard edits first among 80, from 100 0.75 among 300."""
MOST, _ENOUGH = 512, 2048
"""Numbers of a network's vector in the index, once so many pictures were learned from; before, all that it has."""
_BY_VLAD = Scale(unrelated=4.5, expected=0.0, spread=0.05)
"""Of 300 photographs, each has less than 0.01 others above 4.5, 0.05 above 4, 0.7 above 3, which is as many as by
chance: VLAD knows copies and the same texture, and nothing of what is seen."""
_BY_NETWORK, _RAW = Scale(3.0, expected=0.0, spread=0.05), Scale(3.0, expected=0.5, spread=0.1)
"""Nothing was learned of few pictures: of all networks they lie in a cone."""
_BY_CHANCE, _STANDINGS = 3, (2.0, 4.5)
"""Unrelated pictures of the whole gallery that may have a score of 0.5, were their cosines distributed normally."""


class GlobalFeatures(EmbeddingEngine):
    name = "global_features"
    label = "Looks like"

    codebook: Codebook | None = None
    whitening: Whitening | None = None

    # --- what a network and VLAD do differently
    @property
    def by_vlad(self) -> bool:
        return isinstance(getattr(self, "network", None), Vlad)

    @property
    def made_of(self) -> str:  # type: ignore[override]
        """Other keypoints than those of SIFT are of no use: then SIFT looks at the pictures once more."""
        return "local_features" if self.by_vlad and local_features.ENGINE.version == RootSift.version else ""

    @property
    def batch(self) -> int:  # type: ignore[override]
        return 256 if self.by_vlad else 32

    @property
    def learns_first(self) -> int:  # type: ignore[override]
        return LEAST if self.by_vlad else 0

    @property
    def learns_after(self) -> bool:  # type: ignore[override]
        return not self.by_vlad

    def bind(self) -> None:
        self.codebook = self.whitening = None
        if self.learned and self.by_vlad:
            self.codebook = Codebook.unpack(self.learned)
        elif self.learned:
            self.whitening = Whitening.of_arrays(learned.unpack(self.learned))
            if len(self.whitening.mean) != self.network.dimension:
                raise ValueError(f"what was learned is not of {self.network.label}")

    def learn(self, sample: Sequence[Any]) -> bytes:
        if isinstance(self.network, Vlad):
            return vlad.learn(_descriptors(sample), self.network.words, SIFT.mirror).pack()
        dimension = self.network.dimension
        if len(sample) < LEAST:
            return learned.pack(whitening.none(dimension).arrays())
        vectors = np.frombuffer(b"".join(sample), "<f2").reshape(len(sample), dimension).astype(np.float32)
        most = MOST if len(sample) >= _ENOUGH else dimension
        return learned.pack(whitening.fit(vectors, min(most, dimension)).arrays())

    # --- features and rows
    def make(self, inputs: Sequence[Any]) -> list[bytes]:
        """Of pictures; by VLAD also of features of local_features, if SIFT has made them."""
        if not self.by_vlad:
            return super().make(inputs)
        return [vector.astype("<f2").tobytes() for vector in self._codebook.vectors(_descriptors(inputs))]

    @property
    def stored_dimension(self) -> int:
        return self._codebook.dimension if self.by_vlad else super().stored_dimension

    @property
    def dimension(self) -> int:
        return self.whitening.dimension if self.whitening else self.stored_dimension

    def projected(self, vectors: np.ndarray) -> np.ndarray:
        return self.whitening.apply(vectors) if self.whitening else vectors

    @property
    def _codebook(self) -> Codebook:
        if self.codebook is None:
            raise EngineError(f"{self.label}: begins with {LEAST} pictures, of which it learns how pictures differ.")
        return self.codebook

    # --- asking
    def probe(self, picture: Picture) -> Probe:
        if self.by_vlad:
            found = _descriptors([picture])[0]
            if len(found) < vlad.FEW:
                return self._nothing()
            vectors = self._codebook.vectors([found, SIFT.mirror(found)])
        else:
            mirrored = replace(picture, pixels=np.ascontiguousarray(picture.pixels[:, ::-1]))
            vectors = self.encoded([picture, mirrored])
        return Probe(as_rows(vectors), ("", "mirrored"), may_be_certain=False)

    def probe_stored(self, feature: bytes) -> Probe:
        rows = self.rows([feature])
        if self.by_vlad and (as_vectors(rows) @ self._codebook.of_nothing)[0] > _SAME:
            return self._nothing()
        return Probe(rows, ("",), may_be_certain=False)

    def _nothing(self) -> Probe:
        """A picture without detail looks like nothing."""
        return Probe(np.empty((0, 2 * self.dimension), np.uint8), (), may_be_certain=False)

    def search(self, probe: Probe, index: EmbeddingIndex, k: int, among: np.ndarray | None = None) -> list[Hit]:
        queries, scale = as_vectors(probe.vectors), self._scale(len(index))
        # Of VLAD even the right neighbours pull the query away: recall@1 of edits 0.897 to 0.894.
        found = alike(queries, probe.names, index, k, among, scale, expand=not self.by_vlad)
        return [self._hit(one) for one in found]

    def _scale(self, images: int) -> Scale:
        if self.by_vlad:
            return _BY_VLAD
        scale = _BY_NETWORK if self.whitening and len(self.whitening.scales) else _RAW
        standing = NormalDist().inv_cdf(1 - _BY_CHANCE / max(images, 2 * _BY_CHANCE))
        return replace(scale, unrelated=min(max(standing, _STANDINGS[0]), _STANDINGS[1]))

    def _hit(self, one: Alike) -> Hit:
        by = "layout and texture" if self.by_vlad else self.network.label
        evidence = {"cosine": round(one.cosine, 4), "gallery": round(one.share, 4), "how": one.how, "by": by}
        return Hit(one.image_id, one.score, Grade.LOOKS_LIKE, False, evidence)

    def explain(self, evidence: dict[str, Any]) -> str:
        """ "more alike than 99.7 % of the gallery, mirrored, by layout and texture" """
        share = f"{100 * min(evidence['gallery'], 0.999):.1f}".removesuffix(".0")
        how = f", {evidence['how']}" if evidence["how"] else ""
        return f"more alike than {share} % of the gallery{how}, by {evidence['by']}"


_SAME = 0.999
_SIFT = local_features.LocalFeatures()
"""By SIFT, whatever the setting says of the engine itself."""


def _descriptors(inputs: Sequence[Any]) -> list[np.ndarray]:
    """(m, 128) uint8 of each: of its stored keypoints, or those of a picture."""
    return [
        _SIFT.keypoints(local_features.canonical(one)).descriptors
        if isinstance(one, Picture)
        else unpack(bytes(one)).descriptors
        for one in inputs
    ]


ENGINE = GlobalFeatures()
