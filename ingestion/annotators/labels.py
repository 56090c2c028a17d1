"""Tags that CLIP was never taught: its vector of each picture, which is there already, beside those of labels in words.

What the labels mean is written down before the first picture (``learn``), so that an edit of the list begins another
generation instead of changing this one. No network has to look at any picture: that costs a product of matrices, and
CLIP reads the sentences of those labels that the generations before had not, or in other words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gallery.words import tag_name
from ingestion.annotators._network import Named, Tagger, packed, unpacked
from ingestion.labels import confidences, label_vectors, scale_for
from search.encoders._base import Network
from search.errors import WeightsMissing
from search.models import Generation

FLOOR = 0.1
"""What is less sure is not kept: no line can be drawn below."""
_VERSION = 1
"""Of the formula: counts up when the same vectors get other confidences."""
_SENTENCES_AT_ONCE = 256
_LOOKED_BACK = 3
"""Generations whose labels are used again: that of an edit, and of the edit that took it back."""

Asked = list[tuple[str, str, bool, list[str]]]
"""[(label, category, whether it is suggested, its sentences), ...]"""


class Labels(Tagger):
    name = "labels"
    label = "Labels"
    made_of = "clip"
    batch = 2_000
    learns_first = 1
    line = 0.5
    about = "How far a label stands out from what is ordinary in the picture, by CLIP; each label by itself."

    names: Sequence[tuple[str, str, bool]] = ()
    """(label, category, whether it is suggested)"""
    vectors: np.ndarray
    """(labels, dimension) float32 of length 1"""
    scale: float
    list_fingerprint = ""

    def wanted(self) -> Sequence[str]:
        """CLIP as it answers now: its vectors are read."""
        clip = Generation.objects.current(self.made_of)
        return [clip.network] if clip and _is_there() else []

    def bind(self) -> None:
        if not self.learned:
            return
        head, _, vectors = self.learned.partition(b"\n")
        kept = json.loads(head)
        self.names = [(name, category, enabled) for name, category, enabled in kept["labels"]]
        self.list_fingerprint, self.scale = kept["fingerprint"], kept["scale"]
        self.vectors = np.frombuffer(vectors, "<f2").reshape(len(self.names), -1).astype(np.float32)

    def fingerprint(self, network: Network) -> str:
        mine = self.list_fingerprint or fingerprint_of(asked())
        return hashlib.sha256(f"{_VERSION} {network.fingerprint()} {mine}".encode()).hexdigest()

    def learn(self, sample: Sequence[Any]) -> bytes:
        """What the labels mean, and how far apart pictures see them."""
        wanted = asked()
        if not wanted:
            raise WeightsMissing("There are no labels. Write some in the back office.")
        vectors = self._vectors([sentences for *_, sentences in wanted])
        head = {
            "clip": self.network.fingerprint(),
            "read": [_digest(sentences) for *_, sentences in wanted],
            "labels": [[name, category, enabled] for name, category, enabled, _ in wanted],
            "scale": scale_for(_rows(sample, vectors), vectors),
            "fingerprint": fingerprint_of(wanted),
        }
        return json.dumps(head).encode() + b"\n" + vectors.astype("<f2").tobytes()

    def _vectors(self, wanted: list[list[str]]) -> np.ndarray:
        """(labels, d) float32: by their sentences."""
        known = self._known()
        new = [sentences for sentences in wanted if _digest(sentences) not in known]
        if new:
            made = label_vectors(self._encoded([one for each in new for one in each]), [len(each) for each in new])
            # Rounded as they are kept, so that it makes no difference who has made them.
            known |= zip(map(_digest, new), made.astype("<f2").astype(np.float32), strict=True)
        return np.stack([known[_digest(sentences)] for sentences in wanted])

    def _known(self) -> dict[str, np.ndarray]:
        """{digest of its sentences: the vector of a label}, of what the same CLIP has read before."""
        known: dict[str, np.ndarray] = {}
        before = Generation.objects.filter(role=self.name, network=self.network.name).exclude(pk=self.version)
        kept = before.exclude(learned=b"").order_by("-pk").values_list("learned", flat=True)
        for learned in kept[:_LOOKED_BACK]:
            head, _, vectors = bytes(learned).partition(b"\n")
            try:
                said = json.loads(head)
                rows = np.frombuffer(vectors, "<f2").reshape(len(said["labels"]), -1).astype(np.float32)
            except (ValueError, KeyError):
                continue  # damaged: then they are read again
            if said.get("clip") == self.network.fingerprint():
                known = dict(zip(said["read"], rows, strict=True)) | known
        return known

    def _encoded(self, sentences: list[str]) -> np.ndarray:
        parts = [sentences[i : i + _SENTENCES_AT_ONCE] for i in range(0, len(sentences), _SENTENCES_AT_ONCE)]
        return np.concatenate([self.network.encode_texts(part) for part in parts])  # type: ignore[attr-defined]

    def make(self, inputs: Sequence[Any]) -> list[bytes]:
        rows = confidences(_rows(inputs, self.vectors), self.vectors, self.scale)
        return [packed(row, FLOOR) for row in rows]

    def tags(self, feature: bytes) -> list[Named]:
        found = [(self.names[number], confidence) for number, confidence in unpacked(feature)]
        return [Named(tag_name(name), category, sure) for (name, category, enabled), sure in found if enabled]


def _rows(features: Sequence[bytes], labels: np.ndarray) -> np.ndarray:
    """(n, d) float32"""
    if any(len(feature) != 2 * labels.shape[1] for feature in features):
        raise WeightsMissing("These vectors are of another CLIP than the labels.")
    return np.frombuffer(b"".join(features), "<f2").reshape(len(features), -1).astype(np.float32)


def asked() -> Asked:
    """The labels as somebody has written them, in a fixed order."""
    from ingestion.models import Label, Template  # this file is read before the tables are

    templates = list(Template.objects.values_list("text", flat=True)) or ["{}"]
    return [
        (label.name, label.category, label.enabled, [t.replace("{}", m, 1) for m in label.meant for t in templates])
        for label in Label.objects.all()
    ]


def _digest(sentences: list[str]) -> str:
    return hashlib.sha256(json.dumps(sentences).encode()).hexdigest()[:32]


def fingerprint_of(labels: Iterable[Any]) -> str:
    return hashlib.sha256(json.dumps(list(labels)).encode()).hexdigest()


def _is_there() -> bool:
    from ingestion.models import Label

    return Label.objects.filter(enabled=True).exists()


ROLE = Labels()
