"""What one network has made of the pictures, beside what another one has made of them before."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from gallery.models import Image, ImageQuerySet
from search.models.features import Feature

if TYPE_CHECKING:
    from django.db.models import QuerySet

LEASE = timedelta(minutes=10)
"""A worker that has not reported for so long is taken for dead. Captions of a batch take a minute on two cores."""
MAX_CRASHES = 3


class GenerationQuerySet(models.QuerySet["Generation"]):
    def current(self, role: str) -> Generation | None:
        return self.filter(role=role, state=Generation.State.CURRENT).first()

    def beside(self, role: str) -> Generation | None:
        return self.filter(role=role, state=Generation.State.BESIDE).first()

    def former(self, role: str) -> Generation | None:
        """The one that a roll back goes to."""
        return self.filter(role=role, state=Generation.State.FORMER).order_by("-answered_until", "-pk").first()

    def at_work(self) -> GenerationQuerySet:
        """Those that get what is missing of them."""
        return self.filter(state__in=(Generation.State.CURRENT, Generation.State.BESIDE))


class Generation(models.Model):
    """All that one network makes in one role. Its number is the version of its features.

    A new one is made beside the one that answers, and takes its place when it is complete; the former stays, so that
    there is a way back, until another one becomes the former.
    """

    class State(models.TextChoices):
        BESIDE = "beside", "being made beside the one that answers"
        CURRENT = "current", "answers"
        FORMER = "former", "has answered before"

    role = models.CharField(max_length=32)
    network = models.CharField(max_length=200, help_text="As search.encoders.get_network knows it.")
    fingerprint = models.CharField(max_length=64, help_text="Of the weights and all else that the features depend on.")
    learned = models.BinaryField(default=b"", help_text="What was learned of the collection.")
    learned_from = models.PositiveIntegerField(default=0, help_text="So many pictures.")
    state = models.CharField(max_length=7, choices=State.choices, default=State.BESIDE)
    error = models.TextField(blank=True, help_text="Why it does not go on.")
    rate = models.FloatField(default=0, help_text="Pictures a second, lately.")
    created_at = models.DateTimeField(db_default=Now())
    answered_until = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    doing = models.JSONField(default=list, blank=True, help_text="Ids of the batch in work; a crash leaves them here.")
    suspects = models.JSONField(default=list, blank=True, help_text="Ids to be done one by one, after a crash.")
    crashes = models.PositiveSmallIntegerField(default=0)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        ordering = ["role", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["role"], condition=Q(state="current"), name="generation_one_current"),
            models.UniqueConstraint(fields=["role"], condition=Q(state="beside"), name="generation_one_beside"),
        ]

    def __str__(self) -> str:
        return f"{self.role} by {self.network} ({self.get_state_display()})"

    @property
    def features(self) -> QuerySet[Feature]:
        return Feature.objects.filter(engine=self.role, version=self.pk)

    def missing(self) -> ImageQuerySet:
        """Images that it has not seen, without those of which nothing can be made."""
        seen = self.features.filter(image=OuterRef("pk"))
        unmade = self.unmade.filter(image=OuterRef("pk"))
        ready = Image.objects.filter(state=Image.State.READY, trashed_at__isnull=True)
        return ready.filter(~Exists(seen), ~Exists(unmade))

    def claim(self, worker: str) -> bool:
        """Take it for LEASE; False if another worker has it. What a crash has left is looked at more closely then."""
        mine = Generation.objects.at_work().filter(pk=self.pk)
        free = mine.filter(Q(lease_until__isnull=True) | Q(lease_until__lt=Now()))
        if not free.update(lease_until=Now() + LEASE, worker=worker):
            return False
        self.refresh_from_db()
        if self.doing:
            self._suspect()
        return True

    def _suspect(self) -> None:
        """The last worker died over these images: they are done one by one, and one that kills is set aside."""
        if len(self.doing) > 1:
            self.suspects, self.crashes = self.doing, 0
        else:
            self.crashes += 1
            if self.crashes >= MAX_CRASHES:
                self.give_up(self.doing[0], f"The worker died {self.crashes} times on this picture.")
                self.suspects = [pk for pk in self.suspects if pk not in self.doing]
                self.crashes = 0
        self.doing = []
        self.save(update_fields=["doing", "suspects", "crashes"])

    def give_up(self, image_id: int, error: str) -> None:
        """Nothing can be made of this image; ``error`` says why. An image that is gone needs no reason."""
        with transaction.atomic():
            if Image.objects.select_for_update(no_key=True).filter(pk=image_id).exists():
                Unmade.objects.get_or_create(generation=self, image_id=image_id, defaults={"error": error[:1000]})

    def hold(self, worker: str, doing: list[int]) -> bool:
        """Before a batch: keep the lease and write down what is in work. False if somebody else has taken over."""
        mine = Generation.objects.at_work().filter(pk=self.pk, worker=worker)
        self.doing = doing
        return bool(mine.update(lease_until=Now() + LEASE, doing=doing))

    def done(self, worker: str, rate: float) -> None:
        """After a batch."""
        self.suspects = [pk for pk in self.suspects if pk not in self.doing]
        self.doing, self.crashes, self.rate, self.error = [], 0, rate, ""
        Generation.objects.filter(pk=self.pk, worker=worker).update(
            doing=[], suspects=self.suspects, crashes=0, rate=rate, error=""
        )

    def release(self, worker: str, error: str | None = None) -> None:
        """Give it back; with an error, the batch in work was not its reason to die and is tried again."""
        changes = {"lease_until": None, "doing": []} | ({} if error is None else {"error": error})
        Generation.objects.filter(pk=self.pk, worker=worker).update(**changes)

    def answer(self) -> None:
        """Answer from now on; the one that has answered becomes the former, and what was the former is given up."""
        with transaction.atomic():
            old = Generation.objects.select_for_update().filter(role=self.role, state=self.State.CURRENT)
            old.update(state=self.State.FORMER, answered_until=Now(), lease_until=None)
            Generation.objects.filter(pk=self.pk).update(state=self.State.CURRENT, answered_until=None)
        self.refresh_from_db(fields=["state", "answered_until"])


class Unmade(models.Model):
    """An image of which a generation can make nothing."""

    generation = models.ForeignKey(Generation, models.CASCADE, related_name="unmade")
    image = models.ForeignKey(Image, models.CASCADE, related_name="+")
    error = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["generation", "image"], name="unmade_once")]

    def __str__(self) -> str:
        return f"image {self.image_id}: {self.error}"
