"""What CLIP is asked about each picture: labels, and the sentences that they are put into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from gallery.words import LONGEST_TAG, WordError, tag_name

SHIPPED = Path(__file__).resolve().parent.parent / "labels.txt"
TEMPLATES = (
    "a photo of a {}.",
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
"""The first is CLIP's own; the seven others are those that its authors found to do nearly as well as all of their 80
(notebook Prompt_Engineering_for_ImageNet, github.com/openai/CLIP)."""


def is_a_tag(written: str) -> None:
    try:
        tag_name(written)
    except WordError as error:
        raise ValidationError(str(error)) from error


def has_place(text: str) -> None:
    if text.count("{}") != 1:
        raise ValidationError("Write {} once, where the label belongs.")


class Label(models.Model):
    """A tag that CLIP may suggest. How sure it must be is drawn on the page Words, for all labels or for one."""

    name = models.CharField(max_length=LONGEST_TAG, unique=True, validators=[is_a_tag], help_text="The tag.")
    prompts = models.TextField(
        blank=True,
        help_text="What is meant, one a line: “a crane, the bird”. They are put into the templates; empty: the name.",
    )
    category = models.CharField(max_length=32, blank=True, help_text="Of the tag, if it is new.")
    enabled = models.BooleanField(
        default=True, help_text="Otherwise it is not suggested, and only stands for what is ordinary."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            self.name = tag_name(self.name)
        except WordError as error:
            raise ValidationError({"name": str(error)}) from error

    @property
    def meant(self) -> list[str]:
        return [line.strip() for line in self.prompts.splitlines() if line.strip()] or [self.name]


class Template(models.Model):
    """A sentence around a label; the vectors of all sentences of a label are averaged."""

    text = models.CharField(max_length=200, unique=True, validators=[has_place], help_text="{} is the label.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text


def seed_labels(label: Any = Label, template: Any = Template) -> None:
    """The list that comes with the program. Nothing if there are labels or templates; then they are somebody's."""
    if not label.objects.exists():
        label.objects.bulk_create([label(name=name, category=category) for name, category in shipped_labels()])
    if not template.objects.exists():
        template.objects.bulk_create([template(text=text) for text in TEMPLATES])


def shipped_labels() -> list[tuple[str, str]]:
    """[(label, category), ...]"""
    found, category = [], ""
    for line in SHIPPED.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            category = line[2:].strip()
        elif line.strip():
            found += [(name.strip(), category) for name in line.split(",")]
    return found
