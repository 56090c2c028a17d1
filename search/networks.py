"""What the page Models says of each role: which network answers, what is being made, which weights are here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic

from django.conf import settings
from django.db.models import QuerySet

from gallery.models import Image, ImageQuerySet
from search.current import bound_role
from search.encoders import get_network, kinds, loaded
from search.encoders._base import Captioner, Classifier, Encoder, Network, Reader, TextEncoder
from search.engines import all_engines
from search.engines._base import Engine
from search.errors import WeightsMissing
from search.fetch import megabytes
from search.generations import wanted
from search.models import Fetch, Generation, Unmade
from search.roles import Role, all_roles
from search.weights import KEYPOINTS, State, Weights, named, of_megabytes, role_label, weights_of

SHOWN_UNMADE = 8
ENDINGS = (".safetensors", ".bin", ".pt", ".pth")
MOVING_SECONDS, STILL_SECONDS = 4, 15
"""What was counted of a generation is good for so long, while it is computed and when it is not: a second's work where
there are half a million pictures."""
BRINGS = {
    "clip": "Search in words, such as “a dog on the beach at sunset”, and pictures that mean the same.",
    "global_features": "“Looks like” by what is in a picture, not by its texture alone.",
    "caption": "A sentence about every picture, which also stands for it where it cannot be seen.",
    "places": "Tags that say where it is: beach, kitchen, street; indoors or outdoors.",
    "ocr": "Words in pictures, on signs and pages: found also where they are misspelt, and marked in the picture.",
    "watermark": "Whether words or a logo were laid over a picture that was found.",
    "labels": "Tags from a list of your own, through what CLIP has made.",
    KEYPOINTS: "Parts of pictures are found by a network instead of SIFT.",
}


@dataclass
class Made:
    """A generation as it stands now."""

    generation: Generation
    weights: Weights
    done: int
    missing: int
    unmade_count: int
    needs: int = 0
    """So many pictures before it can begin; 0: it could."""

    @property
    def total(self) -> int:
        return self.done + self.missing + self.unmade_count

    @property
    def seen(self) -> int:
        return self.done + self.unmade_count

    @property
    def is_complete(self) -> bool:
        return self.missing == 0 and self.generation.state != Generation.State.BESIDE

    @property
    def says(self) -> str:
        """ "computing 12,400 of 50,000, 38 min left" """
        if self.is_complete:
            return f"{self.done:,} picture{'' if self.done == 1 else 's'}"
        if self.needs:
            there = f"there {'is' if self.total == 1 else 'are'} {self.total:,}"
            return f"waits for {self.needs} pictures to learn from; {there}"
        rate = self.generation.rate
        left = f", {duration(self.missing / rate)} left" if rate and self.missing and not self.generation.error else ""
        doing = "waits at" if self.generation.error else "computing"
        return f"{doing} {self.seen:,} of {self.total:,}{left}"

    @property
    def rate(self) -> str:
        rate = self.generation.rate
        if not rate:
            return ""
        return f"{rate:.0f} pictures a second" if rate >= 10 else f"{rate:.1f} pictures a second"

    @property
    def unmade(self) -> QuerySet[Unmade]:
        """Some of the pictures of which nothing could be made."""
        return self.generation.unmade.select_related("image").order_by("-pk")[:SHOWN_UNMADE]


def duration(seconds: float) -> str:
    """ "38 min": as exact as such a guess can be."""
    minutes = math.ceil(seconds / 60)
    if seconds < 60:
        return "less than a minute"
    if minutes < 90:
        return f"{minutes} min"
    hours = round(seconds / 3600)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"


@dataclass
class Offer:
    """A network that may fill a role, with what is to be said of its weights."""

    weights: Weights
    fetch: Fetch | None
    memory: int = 0

    @property
    def is_coming(self) -> bool:
        return bool(self.fetch and not self.fetch.failed)

    @property
    def come(self) -> str:
        return of_megabytes(*self.weights.come)

    @property
    def in_memory(self) -> str:
        return megabytes(self.memory) if self.memory else ""


@dataclass
class Panel:
    """One role."""

    name: str
    label: str
    brings: str
    current: Made | None = None
    beside: Made | None = None
    former: Made | None = None
    offers: list[Offer] = field(default_factory=list)
    role: Role | None = None
    can_switch: bool = False

    @cached_property
    def suggested(self) -> list[str]:
        """Names of networks to choose from. Folders are read for it: only where they are shown."""
        return _suggested(self.role) if self.role else []

    @property
    def is_moving(self) -> bool:
        """Something here is different a moment later."""
        made = [each for each in (self.current, self.beside) if each]
        return any(not each.is_complete and not each.needs for each in made) or any(
            offer.is_coming for offer in self.offers
        )

    @property
    def off(self) -> str:
        """Why it does not answer; "" if it does."""
        if self.current and self.current.weights.error:
            return self.current.weights.error
        return ""


def panels(only: str = "") -> list[Panel]:
    """Of all roles, in the order of the settings; or of one."""
    roles = all_roles()
    names = [*settings.NETWORKS, *(name for name in roles if name not in settings.NETWORKS)]
    counting = Counting()
    found = [_panel(name, roles.get(name), counting) for name in names if only in ("", name)]
    if settings.KEYPOINTS == KEYPOINTS and only in ("", KEYPOINTS):
        found.append(Panel(KEYPOINTS, role_label(KEYPOINTS), BRINGS[KEYPOINTS], offers=_offers([KEYPOINTS])))
    return found


def _panel(name: str, role: Role | None, counting: Counting) -> Panel:
    networks = wanted(role) if role else settings.NETWORKS[name]
    panel = Panel(name, role_label(name), BRINGS.get(name, ""), role=role)
    panel.can_switch = role is not None and not _follows(role)
    rows = Generation.objects.filter(role=name)
    panel.current, panel.beside, panel.former = (
        generation and _made(generation, counting)
        for generation in (rows.current(name), rows.beside(name), rows.former(name))
    )
    made = [each.generation.network for each in (panel.beside, panel.current) if each]
    waiting = Fetch.objects.values_list("network", flat=True)
    asked = [each for each in waiting if panel.can_switch and role and each not in named() and _fits(role, each)]
    panel.offers = _offers(dict.fromkeys([*networks, *made, *asked]))
    return panel


def _follows(role: Role) -> bool:
    """It is made of what the network of another role makes, and changes with that."""
    return bool(role.made_of) and all_engines()[role.made_of].of_network


def _made(generation: Generation, counting: Counting) -> Made:
    made = Made(generation, weights_of(generation.network), *counting.of(generation))
    if generation.state == Generation.State.BESIDE and not generation.learned_from:
        role = bound_role(generation)
        made.needs = role.learns_first if role and made.total < role.learns_first else 0
    return made


# --- counting
_counted: dict[tuple[int, str], tuple[float, tuple[int, int, int]]] = {}
"""{(generation, state): (good until, on the monotonic clock; what was counted)}"""


class Counting:
    """For one page: all pictures are counted once, and only if anything else is."""

    @cached_property
    def ready(self) -> int:
        return _ready().count()

    def of(self, generation: Generation) -> tuple[int, int, int]:
        """Pictures of which it has made something, that it has not seen, and of which it can make nothing.

        As they were some seconds ago. Nothing is missing of a former one.
        """
        key = generation.pk, generation.state
        until, counts = _counted.get(key, (0.0, (0, 0, 0)))
        if monotonic() >= until:
            counts = self._count(generation)
            _counted[key] = monotonic() + (MOVING_SECONDS if counts[1] else STILL_SECONDS), counts
        return counts

    def _count(self, generation: Generation) -> tuple[int, int, int]:
        done = generation.features.filter(image__in=_ready()).count()
        unmade = generation.unmade.filter(image__in=_ready()).count()
        is_former = generation.state == Generation.State.FORMER
        return done, 0 if is_former else max(0, self.ready - done - unmade), unmade


def _ready() -> ImageQuerySet:
    return Image.objects.filter(state=Image.State.READY, trashed_at__isnull=True)


def count_again() -> None:
    """Somebody has changed what there is to count, and wants to see it."""
    _counted.clear()


def _offers(names: Iterable[str]) -> list[Offer]:
    fetches = {fetch.network: fetch for fetch in Fetch.objects.all()}
    memory = {network.name: network.memory for network in loaded()}
    return [Offer(weights_of(name), fetches.get(name), memory.get(name, 0)) for name in names]


# --- other networks
def _suggested(role: Role) -> list[str]:
    """Of the settings, used before, and those that lie in the folder of weights and fit."""
    before = Generation.objects.filter(role=role.name).order_by("-pk").values_list("network", flat=True)
    here = [each for kind in kinds() for each in _here(kind) if _fits(role, each)]
    return list(dict.fromkeys([*wanted(role), *before, *here]))


def _here(kind: str) -> list[str]:
    """Networks whose files lie in the folder of weights, by the names of their folders."""
    folder = settings.WEIGHTS / kind
    places = {file.parent for ending in ENDINGS for file in folder.rglob(f"*{ending}")} - {folder}
    return sorted(f"{kind}:{place.relative_to(folder).as_posix()}" for place in places)


def _fits(role: Role, name: str) -> bool:
    """Those of a kind that the settings name for the role always do: VLAD is no encoder of pictures."""
    try:
        network = get_network(name, settings.WEIGHTS)
    except WeightsMissing:
        return False
    named = {each.partition(":")[0] for each in wanted(role)}
    return name.partition(":")[0] in named or isinstance(network, _needed(role))


def _needed(role: Role) -> type[Network]:
    """What a network must be able to do in this role."""
    if isinstance(role, Engine):
        return TextEncoder if role.answers_text else Encoder
    for name in wanted(role):
        try:
            network = get_network(name, settings.WEIGHTS)
        except WeightsMissing:
            continue
        return next(
            (kind for kind in (Captioner, Classifier, Reader, TextEncoder, Encoder) if isinstance(network, kind)),
            Network,
        )
    return Network


def require_fit(role: Role, name: str) -> None:
    """WeightsMissing if a network with such a name is not known, or cannot do what the role asks of it."""
    get_network(name, settings.WEIGHTS)
    if not _fits(role, name):
        raise WeightsMissing(f"“{name}” cannot do this: {role.label} needs a network of another kind.")


# --- the process and its health
def memory_of_weights() -> int:
    return sum(network.memory for network in loaded())


def resident() -> int:
    """Bytes of this process in memory."""
    import psutil

    return psutil.Process().memory_info().rss


def off() -> dict[str, tuple[str, str]]:
    """{role: (in short, in full)} of those that have answered before, or could, and do not, or do not go on: why.

    Weights that were never here are no fault. The short reason holds nothing of the machine.
    """
    found = {}
    for name, role in all_roles().items():
        current = Generation.objects.filter(role=name).current(name)
        names = [current.network] if current else list(wanted(role))
        for weights in map(weights_of, names):
            if weights.error and (current or weights.state == State.DAMAGED):
                short = "damaged" if weights.state == State.DAMAGED else "not there"
                found[name] = (f"{role.label}: the weights are {short}.", f"{role.label}: {weights.error}")
        stuck = Generation.objects.at_work().filter(role=name).exclude(error="").first()
        if stuck and name not in found:
            found[name] = (f"{role.label}: a network does not go on.", f"{role.label}: {stuck.error}")
    return found
