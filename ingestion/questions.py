"""What a reader is shown of files that came, and of those that are held: with the images that they are like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import reverse

from gallery.models import Image
from gallery.renditions import Rendition, rendition_sizes
from ingestion.decisions import replaceable
from ingestion.likeness import Advice, Likeness, Size, advice
from ingestion.models import HeldUpload
from ingestion.pipeline import Outcome, Result

Reader = AbstractBaseUser | AnonymousUser
PAGE = 20
SHOWN = 3
"""Images that are shown beside a picture that waits; the others when somebody wants to see them."""


@dataclass(frozen=True)
class Beside:
    """An image that a new picture is like, as this reader may see it."""

    likeness: Likeness
    image: Image
    may_replace: bool = False

    def as_json(self) -> dict[str, Any]:
        image = self.image
        facts = {"name": image.name, "width": image.width, "height": image.height, "bytes": image.bytes}
        return self.likeness.as_json() | facts | {"address": image.get_absolute_url()}


@dataclass(frozen=True)
class Question:
    """An upload that waits, beside what it is like. Without an image that is still here, ``others`` is empty."""

    held: HeldUpload
    others: list[Beside]
    hidden: int = 0
    """Images that it is like and that this reader may not know of."""
    sentence: str = ""
    """Why a decision could not be carried out."""
    may_undo: bool = False
    """It is decided, and this reader may undo that."""

    @property
    def shown(self) -> list[Beside]:
        return self.others[:SHOWN]

    @property
    def more(self) -> list[Beside]:
        return self.others[SHOWN:]

    @property
    def size(self) -> Size:
        return Size(self.held.width, self.held.height, self.held.bytes)

    @property
    def advice(self) -> Advice:
        """Never to do what this reader may not."""
        found = advice(self.size, [(one.likeness, _size(one.image)) for one in self.others])
        if len(self.others) > 1:  # "the one here" would leave open which
            found = Advice(
                found.action, re.sub("the one here", f"#{self.others[0].image.pk}", found.reason, flags=re.I)
            )
        if found.action == "replace" and not self.others[0].may_replace:
            return Advice("keep", re.sub("we would replace .*", "we would keep both.", found.reason))
        return found

    @property
    def thumbnail(self) -> Rendition:
        """Its sides, as the page shows it."""
        return rendition_sizes(self.held.sha256, self.held.width, self.held.height)[0]

    @property
    def gone(self) -> int:
        """Images that it was like and that are not here any more."""
        return len(self.held.matches) - len(self.others) - self.hidden

    def larger(self, other: Beside) -> str:
        """ "yours", "here" or "" if both have as many pixels."""
        mine, there = self.size.pixels, _size(other.image).pixels
        return "" if mine == there else "yours" if mine > there else "here"

    @property
    def larger_one(self) -> str:
        return self.larger(self.others[0]) if self.others else ""

    @property
    def is_larger_here(self) -> bool:
        return self.larger_one == "here"

    @property
    def advises_to_replace(self) -> bool:
        return self.advice.action == "replace"

    @property
    def only(self) -> Beside | None:
        """Its button stands with the others; where there are several, each image has its own below it."""
        return self.others[0] if len(self.others) == 1 else None

    def as_json(self) -> dict[str, Any]:
        token = self.held.token
        actions = {
            "picture": "held_picture",
            "keep": "held_keep",
            "replace": "held_replace",
            "drop": "held_drop",
            "undo": "held_undo",
        }
        return {
            "decisions": {name: reverse(view, args=[token]) for name, view in actions.items()},
            "advice": {"action": self.advice.action, "reason": self.advice.reason},
        }


@dataclass(frozen=True)
class Line:
    """What became of one file."""

    outcome: Outcome
    question: Question | None = None
    others: list[Beside] = field(default_factory=list)
    """What a picture that was stored or skipped is like."""
    decided: HeldUpload | None = None
    """The question that was answered by it."""
    instead_of: int | None = None
    """The image that it replaced."""
    may_open: bool = False
    """This reader may look at the image."""

    @property
    def is_mine_alone(self) -> bool:
        return bool(self.image and self.image.private and self.may_open)

    @property
    def image(self) -> Image | None:
        return self.outcome.image

    @property
    def other(self) -> Beside | None:
        return self.others[0] if self.others else None

    def as_json(self) -> dict[str, Any]:
        outcome = self.outcome
        others = self.question.others if self.question else self.others
        answer = {
            "name": outcome.name,
            "result": str(outcome.result),
            "image": outcome.image.pk if outcome.image and not outcome.is_hidden else None,
            "matches": [other.as_json() for other in others],
            "detail": outcome.reason,
            "code": outcome.error.code if outcome.error else "",
        }
        return answer | (self.question.as_json() if self.question else {})


def lines_of(outcomes: Sequence[Outcome], user: Reader) -> list[Line]:
    asked = {q.held.pk: q for q in questions([o.held for o in outcomes if o.held and o.result == Result.HELD], user)}
    beside = _beside([likeness for outcome in outcomes for likeness in outcome.likenesses], user)
    reachable = Image.objects.reachable_by(user)
    here = {o.image.pk for o in outcomes if o.image and not o.is_hidden}
    mine = set(reachable.filter(pk__in=here).values_list("pk", flat=True)) if here else set()
    return [
        Line(
            outcome,
            asked.get(outcome.held.pk) if outcome.held else None,
            [beside[one.image, one] for one in outcome.likenesses if (one.image, one) in beside],
            may_open=bool(outcome.image and outcome.image.pk in mine),
        )
        for outcome in outcomes
    ]


def questions(helds: Iterable[HeldUpload], user: Reader, sentence: str = "") -> list[Question]:
    """The images of all of them are read at once. What this reader may not see is left out."""
    helds = list(helds)
    likenesses = {held.pk: [Likeness(**match) for match in held.matches] for held in helds}
    beside = _beside([one for found in likenesses.values() for one in found], user)
    named = {one.image for found in likenesses.values() for one in found}
    hidden = set(Image.objects.filter(pk__in=named).hidden_from(user).values_list("pk", flat=True))
    decided = [held.pk for held in helds if held.state != HeldUpload.State.WAITING]
    undoable = set(HeldUpload.objects.filter(pk__in=decided).undoable(user).values_list("pk", flat=True))
    return [
        Question(
            held,
            [beside[one.image, one] for one in likenesses[held.pk] if (one.image, one) in beside],
            sum(one.image in hidden for one in likenesses[held.pk]),
            sentence or held.error,
            held.pk in undoable,
        )
        for held in helds
    ]


def _beside(likenesses: list[Likeness], user: Reader) -> dict[tuple[int, Likeness], Beside]:
    images = Image.objects.visible_to(user).in_bulk({likeness.image for likeness in likenesses})
    allowed = replaceable(list(images), user)
    return {
        (one.image, one): Beside(one, images[one.image], one.image in allowed)
        for one in likenesses
        if one.image in images
    }


def _size(image: Image) -> Size:
    return Size(image.width, image.height, image.bytes)


def overview(user: Reader, without: Sequence[int] = ()) -> dict[str, Any]:
    """What the Import page says of the held uploads that this reader is told of; ``without`` those on the page."""
    page, after = held_page(user, without=without)
    return {"questions": page, "after": after} | bar(user)


def bar(user: Reader) -> dict[str, Any]:
    """Counts, and what can be undone."""
    mine = HeldUpload.objects.of(user)
    waiting = mine.waiting()
    return {
        "waiting": waiting.count(),
        "until": waiting.order_by("-id").values_list("id", flat=True).first(),
        "keeping": mine.keeping().count(),
        "held_bytes": waiting.size() if getattr(user, "is_staff", False) else None,
        "undoable": mine.undoable(user).count(),
        "last_drop": mine.dropped().filter(decided_by=user.pk).last_drop() if user.is_authenticated else None,
    }


def held_page(
    user: Reader, after: int = 0, decided: bool = False, without: Sequence[int] = ()
) -> tuple[list[Question], int | None]:
    """(questions, the id after which the next page begins), the oldest first; ``decided``: those that can be undone."""
    mine = HeldUpload.objects.of(user)
    rows = (mine.undoable(user) if decided else mine.waiting()).filter(pk__gt=after).exclude(pk__in=without)
    found = list(rows.select_related("by", "image").order_by("pk")[: PAGE + 1])
    return questions(found[:PAGE], user), found[PAGE - 1].pk if len(found) > PAGE else None
