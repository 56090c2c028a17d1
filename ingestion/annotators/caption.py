"""A sentence about each picture, by a captioning network (search/encoders/blip.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gallery.words import WordError, caption_text
from ingestion.annotators._network import Writer


class CaptionWriter(Writer):
    name = "caption"
    label = "Captions"
    batch = 8
    line = 0.0
    about = "How probable the network finds its own words: the geometric mean of their probabilities."

    def make(self, inputs: Sequence[Any]) -> list[bytes]:
        written = self.network.caption(inputs)  # type: ignore[attr-defined]
        return [json.dumps([text, round(sure, 4)], ensure_ascii=False).encode() for text, sure in written]

    def sentence(self, feature: bytes) -> tuple[str, float]:
        text, confidence = json.loads(feature)
        try:
            return caption_text(text), float(confidence)
        except WordError:  # nothing, or the same word for ever
            return "", 0.0


ROLE = CaptionWriter()
