from typing import Any

from django.apps import AppConfig


class IngestionConfig(AppConfig):
    name = "ingestion"

    def ready(self) -> None:
        from gallery.signals import image_incomplete

        image_incomplete.connect(_enqueue, dispatch_uid="ingestion.enqueue")


def _enqueue(image: Any, **kwargs: Any) -> None:
    from ingestion.pipeline import enqueue

    enqueue(image)
