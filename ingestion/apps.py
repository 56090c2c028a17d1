from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig


class IngestionConfig(AppConfig):
    name = "ingestion"

    def ready(self) -> None:
        from gallery.signals import image_incomplete
        from search.roles import providers

        image_incomplete.connect(_enqueue, dispatch_uid="ingestion.enqueue")
        if _roles not in providers:
            providers.append(_roles)


def _roles() -> Iterable[Any]:
    from ingestion.annotators import all_network_annotators

    return all_network_annotators().values()


def _enqueue(image: Any, **kwargs: Any) -> None:
    from ingestion.pipeline import enqueue

    enqueue(image)
