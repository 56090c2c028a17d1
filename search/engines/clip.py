"""The same meaning: pictures and words as vectors of one space, made by CLIP.

What a cosine means is another thing for each network, each text and each gallery: of a real CLIP texts and pictures
have 0.15 to 0.35. So a text fits a picture if it fits it about as well as the best of some ordinary words do
(search/ordinary_words.py): a gallery of dogs only shows them for "a dog", though none of them stands out, and a gallery
without one shows none, though one picture is always the nearest. This needs no training. On 720 drawn scenes
(tests/networks; 106 texts, two trainings of the small CLIP): it keeps 0.89 of what is meant, also in a gallery of that
alone, and 0.05 pictures a text of what is not; asked for what is not there, 0.95 of the texts find nothing. By standard
deviations over the same words it keeps 0.63; by those over the gallery, nothing in a gallery of one kind. What it is
weak at: texts as general as "stars" fit 0.1 to 0.2 of the circles in a gallery of circles.

What fits comes in the order of the cosine, which is better than that of the fit (mean average precision 0.89 and 0.81).
Pictures have nothing to be compared with but each other: they are judged by how far they stand out in the gallery.

Pictures and texts lie in two far places of the space, so what is added to, or taken from, one another is first counted
from the mean of its own kind. A quarter of a colour taken from "two circles" leaves none of that colour among the first
ten, where 1 in 6 had it, and ranks best (0.87; half of it 0.74).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from gallery.pictures import Picture
from search.encoders._base import TextEncoder
from search.engines._alike import Alike, Scale, alike
from search.engines._base import Grade, Hit, Probe
from search.engines._calibration import Gallery, fit, unit
from search.engines._embedding import SAMPLE, EmbeddingEngine, as_rows, as_vectors, finite
from search.errors import WeightsMissing
from search.indexes.embedding_index import EmbeddingIndex
from search.meaning import Meaning
from search.ordinary_words import ORDINARY_WORDS

FITS = 0.7
"""See _calibration.fit: from here on a text fits."""
_SCALE = Scale(unrelated=3.0, expected=0.5, spread=0.1)
CHANGED = 1.5
"""Standard deviations above the mean of the gallery, from which a picture is what another one with words asks for."""
_WITHOUT = 0.25
"""How much is subtracted of what must not be seen, in lengths of what must."""
_AT_LEAST = 300
"""Candidates that are judged, however few are asked for."""
_TEXTS = 4000
"""Vectors of texts kept in the process: 2 KB each."""


@dataclass(frozen=True)
class Words:
    """What a text says, in vectors."""

    text: np.ndarray | None
    """(d,) float32; None if only is said what must not be seen."""
    without: np.ndarray
    """(n, d) float32."""
    ordinary: np.ndarray
    """(m, d) float32: other things that could be said."""

    @property
    def change(self) -> np.ndarray:
        """(d,): from the mean of texts to what is meant."""
        mean = self.ordinary.mean(0)
        away = self.without - mean
        if self.text is None:
            return -away.mean(0)
        return self.text - mean - _WITHOUT * np.linalg.norm(self.text - mean) * unit(away).sum(0)

    @property
    def direction(self) -> np.ndarray:
        """(d,) of length 1: where to look for pictures that words alone describe.

        From the origin where it can be: ranked from the mean of texts, mean average precision is 0.83, not 0.89.
        """
        return unit(self.change if self.text is None else self.change + self.ordinary.mean(0))

    def fitting(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) whether all that is said is true of n pictures, and the share of ordinary words that fit less."""
        others = vectors @ self.ordinary.T
        fits, better = np.ones(len(vectors), bool), np.ones(len(vectors))
        for text in self.without:
            fits &= fit(vectors @ text, others) < FITS
        if self.text is not None:
            near = vectors @ self.text
            fits &= fit(near, others) >= FITS
            better = (others < near[:, None]).mean(1)
        return fits, better


@dataclass(frozen=True)
class MeaningProbe(Probe):
    words: Words | None = None
    weight: float = 1.0
    """0..1, of the words beside a picture; 1 if there is none."""


class Clip(EmbeddingEngine):
    name = "clip"
    label = "Similar meaning"
    answers_text = True
    network: TextEncoder

    # --- what is asked
    def probe(self, picture: Picture) -> MeaningProbe:
        mirrored = replace(picture, pixels=np.ascontiguousarray(picture.pixels[:, ::-1]))
        return MeaningProbe(as_rows(self.encoded([picture, mirrored])), ("", "mirrored"), may_be_certain=False)

    def probe_stored(self, feature: bytes) -> MeaningProbe:
        return MeaningProbe(self.rows([feature]), ("",), may_be_certain=False)

    def probe_meaning(
        self, meaning: Meaning, picture: Picture | None = None, feature: bytes | None = None, weight: float = 0.5
    ) -> MeaningProbe:
        words = self._words(meaning)
        if feature is not None:
            return replace(self.probe_stored(feature), words=words, weight=weight)
        if picture is not None:
            vectors = self.encoded([picture])
            return MeaningProbe(as_rows(vectors), ("",), may_be_certain=False, words=words, weight=weight)
        return MeaningProbe(as_rows(words.direction[None]), ("",), may_be_certain=False, words=words)

    def _words(self, meaning: Meaning) -> Words:
        self.awake(self.read_words, self.network.has_words and (self.network, self.version) in _ordinary_of)
        try:
            texts = [meaning.text] * bool(meaning.text) + list(meaning.without)
            vectors = np.stack([_text(self.network, self.version, text) for text in texts])
            ordinary = _ordinary(self.network, self.version)
        except WeightsMissing as error:
            raise self.off() from error
        return Words(vectors[0] if meaning.text else None, vectors[bool(meaning.text) :], ordinary)

    def read_words(self) -> None:
        """Load what texts need, and read the ordinary words, which takes as long as many texts."""
        self.network.load_words()
        _ordinary(self.network, self.version)

    # --- what is answered
    def search(self, probe: Probe, index: EmbeddingIndex, k: int, among: np.ndarray | None = None) -> list[Hit]:
        assert isinstance(probe, MeaningProbe)
        queries, words = as_vectors(probe.vectors), probe.words
        if words is None:
            found = alike(queries, probe.names, index, k, among, _SCALE, expand=True)
            return [_hit(one) for one in found]
        if k <= 0 or not len(index):
            return []
        sample = index.sample(SAMPLE)
        if probe.weight < 1:
            queries = unit(probe.weight * words.change + (1 - probe.weight) * (queries - sample.mean(0)))
        return _told(queries[0], words, probe.weight, index, sample, k, among)

    def explain(self, evidence: dict[str, Any]) -> str:
        """ "closer to these words than 99.8 % of the gallery", or "fits better than 97 % of other words"."""
        share = f"{100 * min(evidence['gallery'], 0.999):.1f}".removesuffix(".0")
        if "words" not in evidence:
            how = f", {evidence['how']}" if evidence["how"] else ""
            return f"closer in meaning than {share} % of the gallery{how}"
        if evidence["words"] > evidence["gallery"]:
            return f"these words fit it better than {100 * min(evidence['words'], 0.99):.0f} % of others"
        return f"closer to what you ask than {share} % of the gallery"


def _told(
    query: np.ndarray,
    words: Words,
    weight: float,
    index: EmbeddingIndex,
    sample: np.ndarray,
    k: int,
    among: np.ndarray | None,
) -> list[Hit]:
    """What fits comes first, then the rest, both in the order of their cosines."""
    near, _ = index.search(as_rows(query[None]), max(k, _AT_LEAST), among)
    ids, rows = index.rows(np.sort(near[0][near[0] >= 0]))
    vectors = as_vectors(rows)
    fits, better = words.fitting(vectors)
    along = vectors @ query
    gallery = Gallery.of(sample @ query, expected=0.0)
    standing, share = gallery.standing(along), gallery.share_below(along)
    if weight < 1:
        fits = standing >= CHANGED if weight == 0 else fits & (standing >= CHANGED)
    # Fits or not is what the score must say; beyond, that it falls with the order.
    scores = 0.5 / (1 + np.exp(-standing / 2)) + 0.5 * fits
    best = np.lexsort((ids, -scores))[:k]
    evidence = [{"cosine": float(along[i]), "gallery": float(share[i]), "words": float(better[i])} for i in best]
    return [
        Hit(int(ids[i]), round(float(scores[i]), 4), Grade.LOOKS_LIKE, False, _rounded(seen))
        for i, seen in zip(best, evidence, strict=True)
    ]


def _hit(one: Alike) -> Hit:
    evidence = {"cosine": round(one.cosine, 4), "gallery": round(one.share, 4), "how": one.how}
    return Hit(one.image_id, one.score, Grade.LOOKS_LIKE, False, evidence)


def _rounded(evidence: dict[str, float]) -> dict[str, Any]:
    return {name: round(value, 4) for name, value in evidence.items()}


@lru_cache(maxsize=_TEXTS)
def _text(network: TextEncoder, version: int, text: str) -> np.ndarray:
    """(d,) float32. ``version``: other weights under the same name are another generation."""
    return finite(network.encode_texts([text]))[0]


_ordinary_of: dict[tuple[TextEncoder, int], np.ndarray] = {}
"""The last that were read."""
_ORDINARY = 2


def _ordinary(network: TextEncoder, version: int) -> np.ndarray:
    """(n, d) float32."""
    vectors = _ordinary_of.get((network, version))
    if vectors is None:
        vectors = _ordinary_of[network, version] = finite(network.encode_texts(ORDINARY_WORDS))
        for older in list(_ordinary_of)[:-_ORDINARY]:
            _ordinary_of.pop(older, None)
    return vectors


ENGINE = Clip()
