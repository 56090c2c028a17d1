"""Where a picture was taken: kinds of places, indoors or outdoors, attributes (search/encoders/places.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gallery.words import tag_name
from ingestion.annotators._network import Named, Tagger, packed, unpacked

FLOOR = 0.02
"""What is less sure is not kept: no line can be drawn below."""
ATTRIBUTES = 9
"""So many of them at most, as the authors' own program says."""
SCENE, ATTRIBUTE = "scene", "scene attribute"


class Places(Tagger):
    name = "places"
    label = "Places"
    line = 0.3
    about = (
        "Of a kind of place: its probability among all kinds. Of indoors and outdoors: the share of the ten most "
        "probable kinds that are so. Of attributes: how far beyond even, from a classifier that was not calibrated."
    )

    def make(self, inputs: Sequence[Any]) -> list[bytes]:
        """Numbers count the categories, then "indoors" and "outdoors", then the attributes."""
        network: Any = self.network
        if not hasattr(network, "see"):  # another classifier, which only has categories
            return [packed(row, FLOOR) for row in network.classify(inputs)]
        place = {name: number for number, name in enumerate(network.attribute_names)}
        made = []
        for seen in network.see(inputs):
            attributes = np.zeros(len(place))
            for name, score in seen.attributes[:ATTRIBUTES]:
                attributes[place[name]] = max(0.0, 2 * score - 1)
            vote = [0.0, seen.outdoors] if seen.outdoors >= 0.5 else [1 - seen.outdoors, 0.0]  # the winner is a tag
            made.append(packed(np.concatenate([seen.confidences, vote, attributes]), FLOOR))
        return made

    def tags(self, feature: bytes) -> list[Named]:
        names = list(self.network.names)  # type: ignore[attr-defined]
        every = [(name, SCENE) for name in [*names, "indoors", "outdoors"]]
        every += [(name, ATTRIBUTE) for name in getattr(self.network, "attribute_names", ())]
        found: dict[str, Named] = {}  # what is a kind and an attribute: the surer one counts
        for number, confidence in unpacked(feature):
            name = tag_name(every[number][0])
            found.setdefault(name, Named(name, every[number][1], confidence))
        return list(found.values())


ROLE = Places()
