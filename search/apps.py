from pathlib import Path
from typing import Any

from django.apps import AppConfig


class SearchConfig(AppConfig):
    name = "search"

    def ready(self) -> None:
        from django.conf import settings
        from django.db.models.signals import pre_delete

        from gallery.signals import image_hidden, image_incomplete, image_trashed, ready_asked, web_started
        from search import checks  # noqa: F401 - registers them
        from search.encoders import _resting

        image_trashed.connect(_forget_features, dispatch_uid="search.forget_features")
        image_trashed.connect(_regroup_trashed, dispatch_uid="search.regroup_trashed")
        image_hidden.connect(_regroup_trashed, dispatch_uid="search.regroup_hidden")
        image_incomplete.connect(_regroup_restored, dispatch_uid="search.regroup_restored")
        pre_delete.connect(_regroup_deleted, "gallery.Image", dispatch_uid="search.regroup_deleted")
        web_started.connect(_warm_up, dispatch_uid="search.warm_up")
        ready_asked.connect(_say_off, dispatch_uid="search.say_off")
        _resting.configure(settings.DEVICE, settings.IDLE_MINUTES)
        if settings.KEYPOINTS != "sift":
            _describe_keypoints_by(settings.KEYPOINTS, settings.WEIGHTS)


def _describe_keypoints_by(name: str, weights: Path) -> None:
    from search.encoders.preferred import keypoint_encoder
    from search.engines.local_features import ENGINE

    ENGINE.encoder = keypoint_encoder(name, weights)


def _warm_up(**kwargs: Any) -> None:
    from search.complete import vocabulary
    from search.retrieval import warm_up

    warm_up()
    vocabulary()


def _say_off(in_full: bool, **kwargs: Any) -> dict[str, str]:
    from search.networks import off

    return {name: full if in_full else short for name, (short, full) in off().items()}


def _forget_features(image: Any, **kwargs: Any) -> None:
    """A month of trash must not crowd visible pictures out of the answers. Restoring makes the features again."""
    from search.models import Unmade

    image.features.all().delete()
    Unmade.objects.filter(image=image).delete()


def _regroup_trashed(image: Any, **kwargs: Any) -> None:
    from search.groups import regroup_trashed

    regroup_trashed(image)


def _regroup_restored(image: Any, **kwargs: Any) -> None:
    from search.groups import regroup_restored

    regroup_restored(image)


def _regroup_deleted(instance: Any, **kwargs: Any) -> None:
    from search.groups import regroup_deleted

    regroup_deleted(instance)
