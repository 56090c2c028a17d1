"""Duplicates of the collection: pairs, what people said of them, and the groups that are shown.

A pair is what the engines proved of two images, and stays while one of them lies in the trash. Groups are made from
pairs (search/duplicates.py) and can always be made again; only images outside the trash are in them.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, Value
from django.db.models.functions import JSONArray, JSONObject, Now

from gallery.models import Image, ImageQuerySet, ImageSource, User
from gallery.paging import BIGINT, NUMBER, CursorError
from search.engines import all_engines
from search.engines._base import Grade
from search.models.resolutions import Resolution
from search.turned import turned

GRADES = [(grade.value, grade.label) for grade in (Grade.SAME, Grade.CONTAINS, Grade.LOOKS_LIKE)]
SHOWN = 12
"""Members of a group in a list of groups; the page of a group shows them all."""


_THERE = {"trashed_at__isnull": True, "private": False}


class PairQuerySet(models.QuerySet["Pair"]):
    def active(self) -> PairQuerySet:
        """Those that count: nobody said "not a duplicate", and neither image is in the trash, or somebody's alone."""
        here = {f"{side}__{name}": value for side in ("low", "high") for name, value in _THERE.items()}
        return self.filter(dismissed=False, **here)

    def touching(self, images: Any) -> PairQuerySet:
        """With at least one of these images, or ids of images."""
        return self.filter(Q(low__in=images) | Q(high__in=images))

    def among(self, images: Any) -> PairQuerySet:
        return self.filter(low__in=images, high__in=images)

    def of(self, one: Image, other: Image) -> Pair | None:
        low, high = sorted((one.pk, other.pk))
        return self.filter(low=low, high=high).first()


class Pair(models.Model):
    """Two images that have the same picture in them, or look very much alike; ``low.pk < high.pk``."""

    low = models.ForeignKey(Image, models.CASCADE, related_name="pairs_as_low")
    high = models.ForeignKey(Image, models.CASCADE, related_name="pairs_as_high")
    grade = models.PositiveSmallIntegerField(choices=GRADES)
    score = models.FloatField()
    evidence = models.JSONField(default=dict, help_text="{engine: evidence of its hit}, as if low had been the query.")
    whole = models.ForeignKey(Image, models.CASCADE, null=True, blank=True, related_name="+")
    """Of a pair that CONTAINS: the image that shows the other; null where they only overlap."""
    dismissed = models.BooleanField(default=False, help_text="A copy of what Dismissal says, for quick walks.")
    versions = models.CharField(max_length=200, blank=True, help_text="Of the engines that found it.")
    found_at = models.DateTimeField(db_default=Now())

    objects = PairQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["low", "high"], name="pair_once"),
            models.CheckConstraint(condition=Q(low__lt=F("high")), name="pair_low_first"),
        ]

    def __str__(self) -> str:
        return f"{self.low_id} and {self.high_id}: {self.label}"

    @property
    def label(self) -> str:
        return Grade(self.grade).label

    @property
    def words(self) -> str:
        """ "34 of 576 bits differ, mirrored; 62 matching points": as seen from ``low``."""
        return self.seen_from(self.low_id).words

    def seen_from(self, image: Image | int) -> Sight:
        """The pair with one of its images as the query and the other one as the match."""
        pk = image if isinstance(image, int) else image.pk
        return Sight(self, low_asks=pk == self.low_id)

    def dismiss(self, by: User | None = None) -> uuid.UUID:
        """ "Not a duplicate", for ever. Returns the batch for ``undismiss``."""
        from search.duplicates import dismiss

        return dismiss([(self.low_id, self.high_id)], by)


class Sight:
    """A pair seen from one side."""

    def __init__(self, pair: Pair, low_asks: bool) -> None:
        self.pair, self._low_asks = pair, low_asks

    @property
    def query(self) -> Image:
        return self.pair.low if self._low_asks else self.pair.high

    @property
    def match(self) -> Image:
        return self.pair.high if self._low_asks else self.pair.low

    @property
    def evidence(self) -> dict[str, Any]:
        return self.pair.evidence if self._low_asks else turned(self.pair.evidence)

    @property
    def alignment(self) -> dict[str, Any] | None:
        """How the query lies on the match (search.engines.local_features.evidence_of), if that was proven."""
        found = self.evidence.get("local_features")
        return found if found and "relation" in found else None

    @property
    def words(self) -> str:
        engines = all_engines()
        return "; ".join(engines[name].explain(seen) for name, seen in self.evidence.items() if name in engines)


class Dismissal(models.Model):
    """ "Not a duplicate": kept by content, so that neither a new index nor a purge and a new import forget it."""

    low_sha256 = models.CharField(max_length=64)
    high_sha256 = models.CharField(max_length=64)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    at = models.DateTimeField(db_default=Now())
    batch = models.UUIDField(default=uuid.uuid4, db_index=True)
    """What was dismissed by one click, and is undone by one."""

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["low_sha256", "high_sha256"], name="dismissal_once"),
            models.CheckConstraint(condition=Q(low_sha256__lt=F("high_sha256")), name="dismissal_low_first"),
        ]
        indexes = [models.Index(fields=["high_sha256"], name="dismissal_by_high")]

    def __str__(self) -> str:
        return f"{self.low_sha256[:12]} and {self.high_sha256[:12]} are no duplicates"

    def images(self) -> list[Image]:
        """Those of the two that are (still, or again) in the gallery."""
        return list(Image.objects.filter(sha256__in=(self.low_sha256, self.high_sha256)).order_by("pk"))

    def undo(self) -> None:
        """They may be duplicates after all."""
        from search.duplicates import undismiss

        undismiss(Dismissal.objects.filter(pk=self.pk))


class Examination(models.Model):
    """That duplicates of an image were looked for, by which versions of the engines."""

    image = models.OneToOneField(Image, models.CASCADE, related_name="examination")
    versions = models.CharField(max_length=200)
    at = models.DateTimeField(db_default=Now())
    notice = models.TextField(blank=True, help_text="What could not be asked; it is tried again after an hour.")

    class Meta:
        indexes = [models.Index(fields=["versions", "image"], name="examination_versions")]

    def __str__(self) -> str:
        return f"image {self.image_id} by {self.versions}"


class GroupQuerySet(models.QuerySet["Group"]):
    def listed(self, grade: Grade | int | None = None, name: str = "", min_size: int = 2) -> GroupQuerySet:
        """Newest first. ``name``: a piece of a member's file name, in any case."""
        groups = self.filter(grade=grade) if grade is not None else self.all()
        groups = groups.filter(size__gte=min_size) if min_size > 2 else groups
        if name:
            members = GroupMember.objects.filter(group=OuterRef("pk"), image__name__icontains=name.replace("\x00", ""))
            groups = groups.filter(Exists(members))
        return groups.order_by("-id")

    def page(self, after: str = "", size: int = 20) -> tuple[list[Group], str]:
        """(groups of the page, each with ``shown`` members; cursor of the next page or ""). Two queries.

        CursorError if the cursor makes no sense.
        """
        rows = self.filter(pk__lt=id_in(after)) if after else self
        found = list(rows.with_shown()[: size + 1])
        return found[:size], str(found[size - 1].pk) if len(found) > size else ""

    def with_shown(self, most: int = SHOWN) -> GroupQuerySet:
        """With the largest members and their images in ``group.shown``; ``size`` says how many there are."""
        members = GroupMember.objects.largest_first()[:most]
        return self.select_related("centre").prefetch_related(Prefetch("members", members, to_attr="_shown"))

    def counts(self) -> dict[Grade, int]:
        """{grade: groups}, every grade named."""
        found = dict(self.values_list("grade").annotate(Count("id")).order_by())
        return {Grade(value): found.get(value, 0) for value, _ in GRADES}


class Group(models.Model):
    """Images that belong together by pairs of one grade; at least two, none of them in the trash.

    SAME: whoever is connected. CONTAINS: a whole (``centre``) with its parts, or two images that overlap (no centre).
    LOOKS_LIKE: all look like the ``centre``; never chained, because after a few steps nothing is alike any more.
    """

    grade = models.PositiveSmallIntegerField(choices=GRADES)
    centre = models.ForeignKey(Image, models.CASCADE, null=True, blank=True, related_name="+")
    size = models.PositiveIntegerField(default=0, help_text="How many members it has.")
    images: models.ManyToManyField[Image, GroupMember] = models.ManyToManyField(
        Image, through="GroupMember", related_name="duplicate_groups"
    )
    made_at = models.DateTimeField(db_default=Now())

    objects = GroupQuerySet.as_manager()

    class Meta:
        indexes = [models.Index("grade", F("id").desc(), name="group_by_grade")]

    def __str__(self) -> str:
        return f"{self.size} images, {self.label}"

    @property
    def label(self) -> str:
        return Grade(self.grade).label

    @property
    def shown(self) -> list[GroupMember]:
        """The largest members, with their images: loaded for a whole page by ``GroupQuerySet.page``."""
        loaded: list[GroupMember] | None = getattr(self, "_shown", None)
        return list(self.members.largest_first()[:SHOWN]) if loaded is None else loaded

    def candidates(self) -> list[Image]:
        """Its images, the centre first, then the largest."""
        images = self.images.order_by(F("pixels").desc(), "pk")
        return sorted(images, key=lambda image: image.pk != self.centre_id)

    def pairs(self) -> PairQuerySet:
        """The pairs that hold it together, both images loaded."""
        pairs = Pair.objects.active().among(self.members.values("image")).filter(grade=self.grade)
        if self.centre_id is not None:
            pairs = pairs.touching([self.centre_id])
        if self.grade == Grade.CONTAINS:
            pairs = pairs.filter(whole=self.centre_id)
        return pairs.select_related("low", "high").order_by("low", "high")

    def dismiss(self, by: User | None = None, shown: str | None = None) -> uuid.UUID:
        """ "These are no duplicates", for ever and for every pair of them. Returns the batch for ``undismiss``.

        ``shown``: the stamp (search.groups) of what somebody has seen. GroupChanged if the group is not that any more.
        """
        from search.duplicates import dismiss_group

        return dismiss_group(self, by, shown)


class GroupMemberQuerySet(models.QuerySet["GroupMember"]):
    def largest_first(self) -> GroupMemberQuerySet:
        return self.select_related("image").order_by("-image__pixels", "image_id")


class GroupMember(models.Model):
    group = models.ForeignKey(Group, models.CASCADE, related_name="members")
    image = models.ForeignKey(Image, models.CASCADE, related_name="group_members")

    objects = GroupMemberQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "image"], name="group_member_once")]

    def __str__(self) -> str:
        return f"image {self.image_id} in group {self.group_id}"


def same_bytes() -> ImageQuerySet:
    """Images that were met at two or more places, newest first: the same bytes are one image with several sources.

    What a merge handed on does not count: other bytes were met there. There is nothing to merge. Page with
    ``page_of_images``; the places are ``image.sources``.
    """
    own = ImageSource.objects.exclude(Q(image__in=Resolution.objects.values("keep")) & Exists(_handing_on()))
    several = own.values("image").annotate(places=Count("id")).filter(places__gt=1)
    return Image.objects.visible_to(AnonymousUser()).filter(pk__in=several.values("image")).order_by("-id")


def _handing_on() -> Any:
    """Decisions that gave a source (of an outer query) to its image."""
    entry = JSONArray(JSONObject(model=Value("ImageSource"), pk=OuterRef("pk"), values=JSONObject()))
    return Resolution.objects.filter(keep=OuterRef("image"), given__contains=entry)


def page_of_images(images: ImageQuerySet, after: str = "", size: int = 20) -> tuple[list[Image], str]:
    """(images of the page with their sources, cursor of the next page or ""). CursorError for a broken cursor."""
    rows = images.filter(pk__lt=id_in(after)) if after else images
    found = list(rows.prefetch_related("sources")[: size + 1])
    return found[:size], str(found[size - 1].pk) if len(found) > size else ""


def id_in(cursor: str) -> int:
    """The cursor of a list in the order of its ids. CursorError."""
    return numbers_in(cursor, 1)[0]


def numbers_in(cursor: str, count: int) -> list[int]:
    """ "12.345": sort keys, the last one an id. CursorError for anything else."""
    parts = cursor.split(".")
    values = [int(part) for part in parts if NUMBER.fullmatch(part)]
    if len(parts) != count or len(values) != count or values[-1] < 1 or any(abs(value) > BIGINT for value in values):
        raise CursorError("This page address is broken. Start again from the first page.")
    return values
