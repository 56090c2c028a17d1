"""What the staff does to tags: each deed is a row that says what, how far, by whom, and all that undoing it needs."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from gallery.models.images import Image
from gallery.models.words import Tag

LEASE = timedelta(minutes=2)
"""A slice takes a second or two: whoever holds a work for longer is dead."""


class TagWorkQuerySet(models.QuerySet["TagWork"]):
    def unfinished(self) -> TagWorkQuerySet:
        return self.filter(state__in=TagWork.UNFINISHED)

    def going(self) -> TagWorkQuerySet:
        """Merges at work: the tag that goes is still there, and nothing new may be tied to it."""
        return self.filter(kind=TagWork.Kind.MERGE, state=TagWork.State.WORKING)

    def about(self, *tags: int) -> TagWorkQuerySet:
        return self.filter(Q(tag_id__in=tags) | Q(other__in=tags))

    def claim(self, worker: str) -> TagWork | None:
        """The oldest that nobody is at; it is this worker's for LEASE."""
        for pk in self.unfinished().order_by("pk").values_list("pk", flat=True):
            if claimed := self.claim_one(pk, worker):
                return claimed
        return None

    def claim_one(self, pk: int, worker: str) -> TagWork | None:
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now()) | Q(worker=worker)
        held = self.unfinished().filter(free, pk=pk).update(worker=worker, lease_until=Now() + LEASE)
        return self.get(pk=pk) if held else None


class TagWork(models.Model):
    """A rename, an alias, an implication, a merge; then, perhaps, the way back."""

    class Kind(models.TextChoices):
        RENAME = "rename", "renamed"
        CATEGORY = "category", "put into a category"
        ALIAS = "alias", "given another name"
        NO_ALIAS = "no_alias", "freed of another name"
        IMPLY = "imply", "made to imply"
        NO_IMPLY = "no_imply", "made not to imply"
        MERGE = "merge", "merged"

    class State(models.TextChoices):
        WORKING = "working", "at work"
        DONE = "done", "done"
        UNDOING = "undoing", "being undone"
        UNDONE = "undone", "undone"
        FAILED = "failed", "given up"
        STUCK = "stuck", "undoing was given up"

    UNFINISHED = (State.WORKING, State.UNDOING)

    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WORKING)
    tag = models.ForeignKey(
        Tag, models.SET_NULL, null=True, related_name="works", help_text="On whose page it is; of a merge: what stays."
    )
    name = models.CharField(max_length=100, help_text="Of the tag, as it was called then.")
    other = models.IntegerField(null=True, help_text="The implied tag; of a merge: the one that goes.")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    touched = ArrayField(models.IntegerField(), default=list, help_text="Tags whose pictures may change.")
    decision = models.PositiveIntegerField(default=0, help_text="What words get whose opinion a merge has settled.")
    total = models.IntegerField(default=0, help_text="Pictures to look at, as counted when it began.")
    looked = models.IntegerField(default=0, help_text="How many of them were looked at.")
    reached = models.BigIntegerField(default=0, help_text="All images up to this id are done.")
    rounds = models.IntegerField(default=0, help_text="How often all was looked at, and the tag that goes was left.")
    tries = models.IntegerField(default=0, help_text="How often the next slice has failed.")
    problem = models.TextField(blank=True, help_text="Why it was given up.")
    worker = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now())
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(db_default=Now(), help_text="Rules of tags were changed by it then.")

    objects = TagWorkQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], name="tag_work_left", condition=Q(state__in=["working", "undoing"]))]

    def __str__(self) -> str:
        return self.sentence

    @property
    def is_unfinished(self) -> bool:
        return self.state in self.UNFINISHED

    @property
    def is_over(self) -> bool:
        """Done, or given up: it may be undone."""
        return self.state in (self.State.DONE, self.State.FAILED, self.State.STUCK)

    @property
    def sentence(self) -> str:
        """What was done, for people: “doggy” was merged into “dog”."""
        was, now = self.before.get("name", ""), self.after.get("name", "")
        return {
            self.Kind.RENAME: f"“{was}” is now called “{now}”",
            self.Kind.CATEGORY: f"“{self.name}” is in the category {now or 'of none'}",
            self.Kind.ALIAS: f"“{now}” means “{self.name}”",
            self.Kind.NO_ALIAS: f"“{was}” does not mean “{self.name}” any more",
            self.Kind.IMPLY: f"“{self.name}” implies “{now}”",
            self.Kind.NO_IMPLY: f"“{self.name}” does not imply “{was}” any more",
            self.Kind.MERGE: f"“{was}” was merged into “{self.name}”",
        }[self.Kind(self.kind)]


class TagMove(models.Model):
    """A word of a picture that a merge changed: the values before and after, so that the way back is exact."""

    work = models.ForeignKey(TagWork, models.CASCADE, related_name="moves")
    image = models.ForeignKey(Image, models.CASCADE, related_name="+")
    word = models.BigIntegerField(help_text="The id of the ImageTag.")
    before = models.JSONField()
    after = models.JSONField(help_text="Empty: it was the same as another word, and is gone.")

    class Meta:
        indexes = [models.Index(fields=["work", "image"], name="tag_move_of_work")]

    def __str__(self) -> str:
        return f"word {self.word} of image {self.image_id}"
