"""Training a novelty model from what was decided, and what it gains over the one in use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from gallery.models import User
from ingestion.embedding import accepted_embeddings, candidate_embeddings, current_embedding
from ingestion.mixture import COMPONENTS, FEWEST, Fit, Progress, TooFew, auc, fit
from ingestion.models import Candidate, NoveltyModel
from ingestion.novelty import DamagedModel, InUse, in_use

LEAST_NEW = 20
"""Pictures accepted since, that neither model has learned of: of fewer, a gain is luck."""
LEAST_REJECTED = 10
SURE = 2.0
"""Standard errors that a gain in likelihood must be above nothing."""
LITTLE = 0.1
"""Standard deviations of the accepted: a gain below is no reason to ask a person."""
MAY_LOSE = 0.01
"""Of the AUC."""


@dataclass(frozen=True)
class Trained:
    embedded_by: str
    fit: Fit
    ids: np.ndarray
    """(n,) of the images that it was learned of."""
    vectors: np.ndarray
    """(n, d)"""
    rejected: np.ndarray
    """(m, d)"""


# --- the work
def learned(
    criterion: str = "bic",
    components: tuple[int, int] = COMPONENTS,
    progress: Progress = lambda done, of: None,
) -> Trained:
    """From the accepted pictures as they are now. TooFew."""
    name = current_embedding().name
    ids, vectors = accepted_embeddings(name)
    if len(ids) < FEWEST:
        raise TooFew(too_few(len(ids)))
    _, rejected = candidate_embeddings(name, [Candidate.State.REJECTED])
    if not len(rejected):
        rejected = np.empty((0, vectors.shape[1]), np.float32)
    return Trained(name, fit(vectors, rejected, criterion, components, progress), ids, vectors, rejected)


def too_few(count: int) -> str:
    are = "is 1" if count == 1 else f"are {count}"
    return f"There {are} accepted picture{'' if count == 1 else 's'} to learn from, and at least {FEWEST} are needed."


def columns(trained: Trained) -> dict[str, Any]:
    """Of a NoveltyModel, with its figures beside the one that is in use now."""
    return {
        "embedded_by": trained.embedded_by,
        "parameters": trained.fit.mixture.pack(),
        "components": trained.fit.components,
        "fitted_on": len(trained.ids),
        "curve": [[k, round(bic, 1), round(aic, 1)] for k, bic, aic in trained.fit.curve],
        "report": report(trained, _comparable(trained)),
    }


def report(trained: Trained, current: tuple[InUse, int] | None) -> dict[str, Any]:
    """JSON. ``current``: the one in use, and the last image that it has learned of."""
    fit = trained.fit
    said: dict[str, Any] = {
        "newest": int(trained.ids.max()),
        "directions": len(fit.mixture.directions),
        "dimension": fit.mixture.dimension,
        "held_out": round(float(fit.held_out.mean()), 2),
        "rejected": len(trained.rejected),
    }
    if len(trained.rejected) >= LEAST_REJECTED:
        said["auc"] = round(auc(fit.held_out, fit.others), 4)
    if current:
        said |= _gain(trained, *current)
    return said


def _gain(trained: Trained, current: InUse, newest: int) -> dict[str, Any]:
    """Of pictures that were accepted since the one in use was trained; the new one as it was without each of them."""
    is_new = trained.ids > newest
    said: dict[str, Any] = {"over": current.pk, "new": int(is_new.sum())}
    if said["new"] < 2:
        return said
    before = current.mixture.log_likelihood(trained.vectors[is_new])
    gains = trained.fit.held_out[is_new] - before
    said |= {
        "gain": round(float(gains.mean()), 3),
        "error": round(float(gains.std(ddof=1) / math.sqrt(len(gains))), 3),
        "spread": round(float(trained.fit.held_out.std()), 3),
    }
    if len(trained.rejected) >= LEAST_REJECTED:
        said["auc_new"] = round(auc(trained.fit.held_out[is_new], trained.fit.others), 4)
        said["auc_before"] = round(auc(before, current.mixture.log_likelihood(trained.rejected)), 4)
    return said


def is_better(report: dict[str, Any]) -> bool:
    """Worth proposing without being asked. Where nothing that is in use can be compared with, any model is."""
    if "over" not in report:
        return True
    if report["new"] < LEAST_NEW or "gain" not in report:
        return False
    loses = report.get("auc_before", 0.0) - report.get("auc_new", 0.0)
    return report["gain"] > max(SURE * report["error"], LITTLE * report["spread"]) and loses <= MAY_LOSE


def _comparable(trained: Trained) -> tuple[InUse, int] | None:
    """The one in use, if it reads the same embeddings."""
    row = NoveltyModel.objects.current()
    try:
        current = in_use()
    except DamagedModel:
        return None
    if row is None or current is None or current.pk != row.pk or current.embedded_by != trained.embedded_by:
        return None
    if current.mixture.dimension != trained.fit.mixture.dimension:
        return None
    return current, int(row.report.get("newest", 0))


# --- the row
def begin(by: User | None, criterion: str = "bic", nightly: bool = False) -> NoveltyModel:
    """The one that is being trained, or a new one for a worker to train."""
    try:
        with transaction.atomic():
            return NoveltyModel.objects.create(
                state=NoveltyModel.State.TRAINING, by=by, criterion=criterion, nightly=nightly
            )
    except IntegrityError:
        if model := NoveltyModel.objects.being_made():
            if not nightly:  # what was begun by itself is asked for now: its result is not forgotten
                NoveltyModel.objects.filter(pk=model.pk, nightly=True).update(nightly=False, by=by)
            return model
        return begin(by, criterion, nightly)  # it was done just now


def train(model: NoveltyModel) -> None:
    """One that this worker has claimed. What is wrong is said in its row."""
    try:
        trained = learned(model.criterion, progress=lambda done, of: _require(model.report_progress(done, of)))
    except TooFew as error:
        model.give_up(str(error))
    except TakenOver:
        return
    else:
        finish(model, trained)


class TakenOver(Exception):
    """Another worker has it, or it was given up."""


def _require(is_ours: bool) -> None:
    if not is_ours:
        raise TakenOver


def finish(model: NoveltyModel, trained: Trained) -> None:
    """It is proposed, or forgotten if nobody has asked for it and it is no better. The very first one that somebody
    asks for is used at once, and so is one after the embedding has changed: there is nothing to choose between."""
    found = columns(trained)
    with transaction.atomic():
        if not model.mine().update(
            **found, state=NoveltyModel.State.PROPOSED, lease_until=None, worker="", attempts=0, created_at=Now()
        ):
            return
        model.refresh_from_db(fields=["nightly"])
        if model.nightly and not is_better(found["report"]):
            NoveltyModel.objects.filter(pk=model.pk).delete()
            return
        others = NoveltyModel.objects.filter(state__in=(NoveltyModel.State.PROPOSED, NoveltyModel.State.FAILED))
        others.exclude(pk=model.pk).delete()
        current = NoveltyModel.objects.current()
        is_void = current is not None and current.embedded_by != found["embedded_by"]
        if is_void or (current is None and not model.nightly):
            model.use()


def is_void() -> bool:
    """The one in use reads embeddings that are not made any more (a network has come, or VLAD has learned again), and
    there is enough of the new ones to learn from."""
    current = NoveltyModel.objects.current()
    embedding = current_embedding()
    if current is None or current.embedded_by == embedding.name or NoveltyModel.objects.being_made():
        return False
    return embedding.count() >= FEWEST


def is_worth_a_night() -> bool:
    """Whether there is something to learn that neither the one in use nor the last one that was proposed has seen."""
    if NoveltyModel.objects.being_made() or not (Candidate.objects.exists() or NoveltyModel.objects.exists()):
        return False  # a gallery that only takes what people bring
    name = current_embedding().name
    known = NoveltyModel.objects.filter(embedded_by=name)
    newest = max((int(model.report.get("newest", 0)) for model in known), default=0)
    ids, _ = accepted_embeddings(name)
    return len(ids) >= FEWEST and int((ids > newest).sum()) >= LEAST_NEW
