"""How unlike the accepted pictures: where it lies in the density of their embeddings (ingestion/mixture.py).

High novelty is neither good nor bad. Here it is held against a picture, and only at the far end: a person then looks at
what is unlike nearly all that was accepted. Who collects what is new turns it round: a line at the other end, or a
search for score.novelty>0.9.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ingestion.embedding import current_embedding
from ingestion.filters._base import Filter, Finding, Score, Screened
from ingestion.novelty import DamagedModel, InUse, in_use

UNTRAINED = "Nothing is known of what is accepted here: the novelty model is trained on the page Novelty."
OTHER = "The novelty model was trained on other embeddings than those made now: train it again on the page Novelty."
NOT_EMBEDDED = "It could not be embedded, so nothing says how new it is."


class Novelty(Filter):
    name = "novelty"
    label = "Novelty"
    order = 60
    scores = (
        Score(
            "novelty",
            "Novelty",
            "The share of the accepted pictures that are more like the rest of them than this one: high means unlike.",
            "low",
            cut_off=0.98,
        ),
        Score(
            "likelihood",
            "Likelihood",
            "Log-likelihood, counted from the median of the accepted in standard deviations: low means unlike.",
            "high",
            low=-10.0,
            high=4.0,
        ),
    )

    def missing(self) -> str:
        try:
            model = in_use()
        except DamagedModel as error:
            return str(error)
        if model is None:
            return UNTRAINED
        return "" if model.embedded_by == current_embedding().name else OTHER

    def judge(self, screened: Screened, options: dict[str, Any]) -> Finding:
        model = in_use()
        if model is None:
            return Finding(sentence=UNTRAINED)
        return found_by(model, screened.embedded)


def found_by(model: InUse, embedded: tuple[np.ndarray, str] | None) -> Finding:
    """What the model says of one picture, embedded as ``embed`` does."""
    if embedded is None:
        return Finding(sentence=NOT_EMBEDDED, facts={"model": model.pk})
    vector, name = embedded
    if name != model.embedded_by or len(vector) != model.mixture.dimension:
        return Finding(sentence=OTHER, facts={"model": model.pk})
    if not np.isfinite(vector).all():
        return Finding(sentence=NOT_EMBEDDED, facts={"model": model.pk})  # nothing is as ordinary as what is no number
    (scores,) = model.scores(vector[None])
    share = min(99, int(100 * scores["novelty"]))
    return Finding(
        scores=scores,
        sentence=f"It is less like the accepted pictures than {share} % of them are.",
        facts={"model": model.pk, "log_likelihood": round(float(model.mixture.log_likelihood(vector[None])[0]), 3)},
    )


FILTER = Novelty()
