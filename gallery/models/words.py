"""What is said of pictures: tags, captions, text inside them; by people and by machines."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Coalesce

from gallery.models.accounts import Role, role_of
from gallery.models.images import Image


class Opinion(models.TextChoices):
    """What a person thinks of a machine's word."""

    SUGGESTED = "suggested", "suggested"
    ACCEPTED = "accepted", "accepted"
    REJECTED = "rejected", "rejected"


class TagQuerySet(models.QuerySet["Tag"]):
    def counted(self) -> TagQuerySet:
        """With ``pictures``: how many of the gallery have the tag, now."""
        fresh = TagTally.objects.filter(tag=OuterRef("pk")).order_by().values("tag").annotate(sum=Sum("change"))
        return self.annotate(pictures=F("count") + Coalesce(Subquery(fresh.values("sum")), 0))

    def hidden_from(self, user: AbstractBaseUser | AnonymousUser) -> TagQuerySet:
        """Those that only others' private pictures have: nobody else may even learn that there is such a word."""
        said = ImageTag.objects.filter(tag=OuterRef("pk"))
        others = said.filter(image__private=True)
        if role_of(user) != Role.ANONYMOUS:
            owned = Image.owners.through.objects.filter(image=OuterRef("image"), user=user.pk)
            said = said.annotate(mine=Exists(owned))
            others = others.filter(~Exists(owned))
            seen = said.filter(Q(image__private=False) | Q(mine=True))
        else:
            seen = said.filter(image__private=False)
        return self.counted().filter(Exists(others), ~Exists(seen), Q(pictures__lte=0))

    def told_to(self, user: AbstractBaseUser | AnonymousUser) -> TagQuerySet:
        """All others."""
        hidden = Tag.objects.filter(count__lte=0).hidden_from(user)  # a few, and all of them have no other picture
        return self.exclude(pk__in=hidden.values("pk"))


class Tag(models.Model):
    name = models.CharField(max_length=100, unique=True)
    category = models.CharField(max_length=32, blank=True)
    count = models.IntegerField(
        default=0, db_default=0, editable=False, help_text="Pictures of the gallery that have it, without TagTally."
    )
    images: models.ManyToManyField[Image, ImageTag] = models.ManyToManyField(
        Image, through="ImageTag", related_name="tags"
    )

    objects: ClassVar[TagQuerySet] = TagQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["name"]
        indexes = [
            models.Index(F("count").desc(), "name", name="tag_most"),
        ]

    def __str__(self) -> str:
        return self.name


class TagAlias(models.Model):
    """Another name of a tag: whoever writes it, or asks for it, means the tag."""

    name = models.CharField(max_length=100, unique=True)
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="aliases")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} → {self.tag}"


class TagImplication(models.Model):
    """What has the tag has the implied one as well: a husky is a dog."""

    tag = models.ForeignKey(Tag, models.CASCADE, related_name="implications")
    implied = models.ForeignKey(Tag, models.CASCADE, related_name="implied_by")

    class Meta:
        ordering = ["tag__name", "implied__name"]
        constraints = [
            models.UniqueConstraint(fields=["tag", "implied"], name="tag_implication_once"),
            models.CheckConstraint(condition=~Q(tag=F("implied")), name="tag_implies_another"),
        ]

    def __str__(self) -> str:
        return f"{self.tag} → {self.implied}"


class ImpliedTag(models.Model):
    """All that a tag implies, directly or through others; kept by a trigger of the table of implications."""

    tag = models.ForeignKey(Tag, models.CASCADE, related_name="+")
    implied = models.ForeignKey(Tag, models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tag", "implied"], name="implied_tag_once")]

    def __str__(self) -> str:
        return f"{self.tag} → {self.implied}"


class TagTally(models.Model):
    """Changes of Tag.count that are not yet added to it: a popular tag would be a row that all wait for."""

    tag = models.ForeignKey(Tag, models.CASCADE, related_name="+", db_constraint=False)
    change = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.tag_id}: {self.change:+d}"


class TextLanguage(models.Model):
    """One row: the language of Image.document, and how far a change of it has come."""

    id = models.BooleanField(primary_key=True, default=True)
    language = models.CharField(
        max_length=64, default="english", help_text="A text search configuration of PostgreSQL."
    )
    reached = models.BigIntegerField(
        null=True, help_text="Images below this id still have a document in the language before; null: none."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=True), name="text_language_once")]

    def __str__(self) -> str:
        return self.language


PERSON = "person"


class WordQuerySet(models.QuerySet[Any]):
    def best_first(self) -> WordQuerySet:
        """A person's before a machine's, those that a person agreed with before suggestions, the surer first."""
        of_person = Case(When(origin=PERSON, then=0), default=1)
        agreed = Case(When(state=Opinion.ACCEPTED, then=0), default=1)
        return self.order_by(of_person, agreed, F("confidence").desc(nulls_last=True), "-pk")


class Word(models.Model):
    """Shared by all that an annotator or a person says of a picture."""

    origin = models.CharField(
        max_length=200, default=PERSON, help_text='"person", or the network or program that wrote it.'
    )
    generation = models.PositiveBigIntegerField(
        default=0, db_default=0, editable=False, help_text="Of the network (search.Generation); 0 for all others."
    )
    confidence = models.FloatField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=Opinion.choices, default=Opinion.ACCEPTED)
    decision = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="A number of its own for what was decided last."
    )
    offered = models.BooleanField(
        default=True,
        db_default=True,
        editable=False,
        help_text="As a suggestion it is shown: its network is the one that answers, and it is sure enough.",
    )
    shown = models.GeneratedField(
        expression=Q(state="accepted") | Q(state="suggested", offered=True),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )

    objects: ClassVar[WordQuerySet] = WordQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        abstract = True

    @property
    def is_of_person(self) -> bool:
        return self.origin == PERSON


class ImageTag(Word):
    image = models.ForeignKey(Image, models.CASCADE, related_name="image_tags")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="image_tags")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "tag", "origin", "generation"], name="image_tag_once")]
        indexes = [
            models.Index(
                fields=["generation", "confidence"],
                include=["image", "tag"],
                name="image_tag_sure",
                condition=Q(generation__gt=0),
            )
        ]

    def __str__(self) -> str:
        return f"{self.tag}"


class Caption(Word):
    image = models.ForeignKey(Image, models.CASCADE, related_name="captions")
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "origin", "generation"], name="caption_once")]
        indexes = [
            models.Index(
                fields=["generation", "confidence"],
                include=["image"],
                name="caption_sure",
                condition=Q(generation__gt=0),
            )
        ]

    def __str__(self) -> str:
        return self.text


class OcrText(Word):
    """Text inside the picture."""

    image = models.ForeignKey(Image, models.CASCADE, related_name="ocr_texts")
    text = models.TextField()
    words = models.JSONField(default=list, blank=True, help_text="[[word, x, y, width, height, confidence], ...]")

    class Meta:
        verbose_name = "OCR text"
        constraints = [models.UniqueConstraint(fields=["image", "origin", "generation"], name="ocr_text_once")]

    def __str__(self) -> str:
        return self.text
