"""What one network has made of the pictures, beside what another one has made of them before."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from gallery.models import Image, ImageQuerySet
from search.models.features import Feature

if TYPE_CHECKING:
    from django.db.models import QuerySet

LEASE = timedelta(minutes=10)
"""A worker that has not reported for so long is taken for dead. Captions of a batch take a minute on two cores."""
MAX_CRASHES = 3
FORGOTTEN_AFTER = timedelta(days=1)
"""What nobody can roll back to any more, and what was stopped, keeps its vectors for so long: it may be a mistake."""


class GenerationQuerySet(models.QuerySet["Generation"]):
    def current(self, role: str) -> Generation | None:
        return self.filter(role=role, state=Generation.State.CURRENT).first()

    def beside(self, role: str) -> Generation | None:
        return self.filter(role=role, state=Generation.State.BESIDE).first()

    def former(self, role: str) -> Generation | None:
        """The one that a roll back goes to."""
        last = F("answered_until").desc(nulls_last=True)
        return self.filter(role=role, state=Generation.State.FORMER).order_by(last, "-pk").first()

    def forgettable(self) -> GenerationQuerySet:
        """Those whose features nobody can come back to: stopped ones, and all formers of a role but the last."""
        last = F("answered_until").desc(nulls_last=True)
        later = self.filter(role=OuterRef("role"), state=Generation.State.FORMER).order_by(last, "-pk")
        formers = Q(state=Generation.State.FORMER) & ~Q(pk=models.Subquery(later.values("pk")[:1]))
        return self.filter(formers | Q(state__in=(Generation.State.STOPPED, Generation.State.GONE)))

    def at_work(self) -> GenerationQuerySet:
        """Those that get what is missing of them."""
        return self.filter(state__in=(Generation.State.CURRENT, Generation.State.BESIDE))


class GenerationManager(models.Manager.from_queryset(GenerationQuerySet)):  # type: ignore[misc]
    """What was learned may be megabytes, and few who look at a generation need it."""

    def get_queryset(self) -> GenerationQuerySet:
        return super().get_queryset().defer("learned")


class Generation(models.Model):
    """All that one network makes in one role. Its number is the version of its features.

    A new one is made beside the one that answers, and takes its place when it is complete; the former stays, so that
    there is a way back, until another one becomes the former. The row stays for ever: it says that this network was
    here once, and is not to be begun again by itself.
    """

    class State(models.TextChoices):
        BESIDE = "beside", "being made beside the one that answers"
        CURRENT = "current", "answers"
        FORMER = "former", "has answered before"
        STOPPED = "stopped", "was given up before it was complete"
        GONE = "gone", "its features were removed"

    role = models.CharField(max_length=32)
    network = models.CharField(max_length=200, help_text="As search.encoders.get_network knows it.")
    fingerprint = models.CharField(max_length=64, help_text="Of the weights and all else that the features depend on.")
    dimension = models.PositiveIntegerField(default=0, help_text="Of the vectors; 0 where they are none.")
    by_hand = models.BooleanField(default=False, help_text="Somebody has chosen this network.")
    learned = models.BinaryField(default=b"", help_text="What was learned of the collection.")
    learned_from = models.PositiveIntegerField(default=0, help_text="So many pictures.")
    state = models.CharField(max_length=7, choices=State.choices, default=State.BESIDE)
    error = models.TextField(blank=True, help_text="Why it does not go on.")
    rate = models.FloatField(default=0, help_text="Pictures a second, lately.")
    created_at = models.DateTimeField(db_default=Now())
    answered_until = models.DateTimeField(null=True, blank=True, help_text="Or was stopped then.")
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    doing = models.JSONField(default=list, blank=True, help_text="Ids of the batch in work; a crash leaves them here.")
    suspects = models.JSONField(default=list, blank=True, help_text="Ids to be done one by one, after a crash.")
    crashes = models.PositiveSmallIntegerField(default=0)

    objects = GenerationManager()

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

    def try_again(self) -> int:
        """With those of which nothing could be made. Returns how many."""
        return self.unmade.all().delete()[0]

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
        """Nothing can be made of this image; ``error`` says why. One that is gone, or in the trash and so without
        renditions, needs no reason."""
        ready = Image.objects.filter(state=Image.State.READY, trashed_at__isnull=True)
        with transaction.atomic():
            if ready.select_for_update(no_key=True).filter(pk=image_id).exists():
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
        changes: dict[str, Any] = {"lease_until": None, "doing": []} | ({} if error is None else {"error": error})
        Generation.objects.filter(pk=self.pk, worker=worker).update(**changes)

    def answer(self, worker: str | None = None) -> bool:
        """Answer from now on; the one that has answered becomes the former, and what was the former is given up.

        ``worker``: who has made it, and still must be the one. False, and nothing changes, if it was stopped or its
        features were removed meanwhile.
        """
        with transaction.atomic():
            # All of the role, so that of two who switch at once the second one sees what the first has done.
            rows = Generation.objects.select_for_update().filter(role=self.role).order_by("pk")
            states = dict(rows.values_list("pk", "state"))
            mine = Generation.objects.filter(pk=self.pk, **({} if worker is None else {"worker": worker}))
            if states.get(self.pk) not in (self.State.BESIDE, self.State.FORMER) or not mine.exists():
                return False
            old = Generation.objects.filter(role=self.role, state=self.State.CURRENT)
            old.update(state=self.State.FORMER, answered_until=Now(), lease_until=None)
            mine.update(state=self.State.CURRENT, answered_until=None)
        self.refresh_from_db(fields=["state", "answered_until"])
        return True

    def forget(self) -> bool:
        """Its features are removed. False if it has come back meanwhile."""
        over = Generation.objects.filter(pk=self.pk, state__in=(self.State.FORMER, self.State.STOPPED))
        if not over.update(state=self.State.GONE, learned=b"", suspects=[]):
            return False
        self.unmade.all().delete()
        return True

    def stop(self) -> bool:
        """Give up making it. What it has made is kept for a day, and ``go_on`` goes on from there."""
        mine = Generation.objects.filter(pk=self.pk, state=self.State.BESIDE)
        changes: dict[str, Any] = {
            "state": self.State.STOPPED,
            "answered_until": Now(),
            "lease_until": None,
            "worker": "",
            "doing": [],
        }
        return bool(mine.update(**changes))

    def go_on(self) -> bool:
        """Undo ``stop``. False if another one is being made by now, or its features are gone."""
        with transaction.atomic():
            rows = Generation.objects.select_for_update().filter(role=self.role)
            states = dict(rows.values_list("pk", "state"))
            if states.get(self.pk) != self.State.STOPPED or self.State.BESIDE in states.values():
                return False
            Generation.objects.filter(pk=self.pk).update(state=self.State.BESIDE, answered_until=None, error="")
        return True


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
