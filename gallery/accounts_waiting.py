"""Who has signed up and waits: the list in pages, and what admins decide about several of them at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from gallery.accounts import REFUSED_FOR
from gallery.models import Role, User
from gallery.models.accounts import UserQuerySet
from gallery.paging import BIGINT, NUMBER, CursorError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NAMED = 3
"""So many are called by their names; more of them are counted."""


# --- the list
def page_of_waiting(after: str, size: int) -> tuple[list[User], str]:
    """(who asked first comes first, the cursor of the next page or ""). CursorError.

    The cursor is the moment and the number of the last one: who is decided meanwhile shifts no page.
    """
    waiting = User.objects.waiting().order_by("asked_at", "pk")
    rows = list(_beyond(waiting, after)[: size + 1]) or list(waiting[: size + 1])  # all of the last page are decided
    last = rows[size - 1] if len(rows) > size else None
    return rows[:size], f"{(last.asked_at - EPOCH) // MICROSECOND}.{last.pk}" if last and last.asked_at else ""


def _beyond(waiting: UserQuerySet, after: str) -> UserQuerySet:
    if not after:
        return waiting
    moment, _, number = after.partition(".")
    try:
        if not (NUMBER.fullmatch(moment) and NUMBER.fullmatch(number) and abs(int(number)) <= BIGINT):
            raise CursorError("This page address is broken. Start again from the first page.")
        asked_at = EPOCH + int(moment) * MICROSECOND
    except OverflowError as error:
        raise CursorError("This page address is broken. Start again from the first page.") from error
    return waiting.filter(Q(asked_at__gt=asked_at) | Q(asked_at=asked_at, pk__gt=int(number)))


def refused() -> UserQuerySet:
    """Who can still be let wait again, the last refusal first."""
    return _all_refused().filter(refused_at__gt=Now() - REFUSED_FOR).order_by("-refused_at", "-pk")


def _all_refused() -> UserQuerySet:
    return User.objects.filter(asked_at__isnull=False, refused_at__isnull=False, is_active=False)


def _approved() -> UserQuerySet:
    """Never the staff: those are deactivated."""
    return User.objects.approved().filter(is_active=True, is_staff=False, is_superuser=False)


# --- deciding
@dataclass(frozen=True)
class Decision:
    about: Callable[[], UserQuerySet]
    """About whom it can be made; about nobody twice."""
    change: dict[str, Any]
    one: str
    several: str
    undo: str = ""
    """The decision that takes it back."""


_WAITS_AGAIN = {"is_active": False, "asked_at": Coalesce("asked_at", F("date_joined")), "refused_at": None}
"""At the place in the list where they were."""
DECISIONS = {
    "approve": Decision(
        lambda: User.objects.waiting(),
        {"is_active": True, "asked_at": None},
        "has an account now",
        "have accounts now",
        "disapprove",
    ),
    "refuse": Decision(lambda: User.objects.waiting(), {"refused_at": Now()}, "is refused", "are refused", "readmit"),
    "disapprove": Decision(_approved, _WAITS_AGAIN, "waits again", "wait again"),
    "readmit": Decision(_all_refused, _WAITS_AGAIN, "waits again", "wait again"),
}


@dataclass(frozen=True)
class Outcome:
    decision: Decision
    done: list[User]
    missed: list[User]
    """About whom somebody else has decided meanwhile, as they are now."""
    gone: int
    """People of whom there is nothing left."""

    @property
    def sentence(self) -> str:
        """What has happened; all of those who were missed are named."""
        verb = self.decision.one if len(self.done) == 1 else self.decision.several
        said = [f"{_called(self.done)} {verb}"] if self.done else []
        named = [f"{person.get_username()} ({_state(person)})" for person in self.missed]
        if self.gone:
            named.append("somebody who is gone" if self.gone == 1 else f"{self.gone} people who are gone")
        if named:
            said.append(f"{'s' if said else 'S'}omebody else has decided meanwhile about {listed(named)}")
        return f"{'; '.join(said)}."


@transaction.atomic
def decide(pks: Collection[int], decision: Decision) -> Outcome:
    """Of two admins that decide at once the first one does; both hold people in the same order."""
    done = list(decision.about().filter(pk__in=pks).order_by("pk").select_for_update(no_key=True))
    User.objects.filter(pk__in=[person.pk for person in done]).update(**decision.change)
    missed = list(User.objects.filter(pk__in=set(pks) - {person.pk for person in done}).order_by("username"))
    return Outcome(decision, done, missed, len(set(pks)) - len(done) - len(missed))


def _called(people: list[User]) -> str:
    if len(people) > NAMED:
        return f"{len(people)} people"
    return listed([person.get_username() for person in people])


def listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _state(person: User) -> str:
    if person.refused_at and not person.is_active:
        return "refused"
    if not person.is_active:
        return "deactivated" if person.asked_at is None else "waiting"
    return "approved" if person.role == Role.MEMBER else f"{person.role.label} now"
