"""System checks: what was asked for and cannot be done is said at the start, and the gallery goes on without it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from search.errors import WeightsMissing


@register("networks")
def keypoints_have_an_encoder(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.KEYPOINTS == "sift":
        return []
    from search.encoders.hardnet import HardNet8  # numpy takes time, and every command passes here

    try:
        HardNet8(settings.WEIGHTS).look()
    except WeightsMissing as error:
        hint = "Until then SIFT describes the keypoints, as with LOOKALIKE_KEYPOINTS=sift."
        return [Warning(str(error), hint=hint, id="search.W001")]
    return []


@register("networks")
def weights_are_good(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Those that are here; whoever has brought none knows that."""
    if not settings.WEIGHTS.is_dir() or not any(settings.WEIGHTS.iterdir()):
        return []
    from search.weights import KEYPOINTS, State, all_weights

    hint = "What needs it is off; everything else works. See manage.py weights list."
    return [
        Warning(each.error, hint=hint, id="search.W002")
        for each in all_weights()
        if each.state == State.DAMAGED and each.name != KEYPOINTS
    ]
