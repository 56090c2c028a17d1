"""Form fields that several sources have."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ingestion.addresses import parse
from ingestion.download import DownloadError


class WebAddressField(forms.URLField):
    """Encoded. One that could never be fetched is refused at once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(assume_scheme="https", **options)

    def clean(self, value: Any) -> str:
        address = super().clean(value)
        try:
            return str(parse(address)) if address else ""
        except DownloadError as error:
            raise ValidationError(str(error)) from error
