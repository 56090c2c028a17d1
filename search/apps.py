from typing import Any

from django.apps import AppConfig


class SearchConfig(AppConfig):
    name = "search"

    def ready(self) -> None:
        from gallery.signals import image_trashed

        image_trashed.connect(_forget_features, dispatch_uid="search.forget_features")


def _forget_features(image: Any, **kwargs: Any) -> None:
    """A month of trash must not crowd visible pictures out of the answers. Restoring makes the features again."""
    image.features.all().delete()
