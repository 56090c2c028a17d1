"""Something was laid over it afterwards: words, a logo, a pattern (search/encoders/watermark.py)."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from ingestion.filters._base import Filter, Finding, Score, Screened
from search.encoders import get_network
from search.encoders.watermark import Watermark
from search.errors import WeightsMissing

_LINE = 0.5
OFF = "Nothing sees watermarks yet: “manage.py train_watermark DIR” makes the weights, and the page Models says more."


class WatermarkFilter(Filter):
    name = "watermark"
    label = "Watermark"
    order = 70
    scores = (
        Score(
            "watermark",
            "Watermark",
            "How surely words, a logo or a pattern were laid over the picture to say whose it is: high means marked.",
            "low",
            cut_off=_LINE,
        ),
    )

    def missing(self) -> str:
        try:
            network()
        except WeightsMissing:
            return OFF
        return ""

    def judge(self, screened: Screened, options: dict[str, Any]) -> Finding:
        asked = network()
        score = round(float(asked.score([screened.picture])[0]), 4)
        sentence = f"It seems to bear a watermark ({score:.0%} sure)." if score >= _LINE else ""
        return Finding(scores={"watermark": score}, sentence=sentence, facts={"network": asked.name})


def network() -> Watermark:
    """The first one of the settings whose weights are there. WeightsMissing, of the first one, if none is."""
    why: WeightsMissing | None = None
    for name in settings.NETWORKS["watermark"]:
        try:
            found = get_network(name, settings.WEIGHTS)
            found.look()
        except WeightsMissing as error:
            why = why or error
        else:
            assert isinstance(found, Watermark)
            return found
    raise why or WeightsMissing("No network for watermarks is named: set LOOKALIKE_WATERMARK, such as to small.")


FILTER = WatermarkFilter()
