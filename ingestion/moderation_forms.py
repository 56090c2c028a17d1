"""What a moderator has chosen, and what is to be done with it: read from a form, on one card or for many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Self

from django.db.models import Q
from django.http import QueryDict

from gallery.models import User
from ingestion import moderation
from ingestion.models import Candidate, CandidateQuerySet, Decision
from ingestion.moderation_queue import BIGINT, TABS, Sieve

State = Candidate.State

AGAIN = "again"
ACTIONS = (*Decision.Action.values, AGAIN)
DONE = {"accept": "accepted", "reject": "rejected", "skip": "put off", AGAIN: "tried again"}
NOTHING = "Nothing is chosen. Tick some pictures first."


@dataclass(frozen=True)
class Choice:
    """``marks``: "token.state" of each candidate as it was shown: what has changed since is not decided."""

    action: str
    marks: tuple[str, ...] = ()
    reason: str = ""
    sieve: Sieve | None = None
    """All that it lets through, up to ``until``, in place of ``marks``."""
    until: int = 0
    confirmed: bool = False

    @classmethod
    def read(cls, posted: QueryDict, sieve: Sieve) -> Self:
        """A button named "reject" says the reason in its value, or leaves it to the field beside it."""
        rejects = "reject" in posted
        marks = [mark for text in posted.getlist("candidate") for mark in text.split(",") if mark]
        until = posted.get("until", "")
        return cls(
            "reject" if rejects else posted.get("action", ""),
            tuple(dict.fromkeys(marks)),
            (posted.get("reject", "") or posted.get("words", "")).strip().replace("\x00", "")[:500],
            sieve if posted.get("all") else None,
            min(int(until), BIGINT) if until.isdecimal() and len(until) < 20 else 0,
            bool(posted.get("confirmed")),
        )

    @property
    def is_known(self) -> bool:
        return self.action in ACTIONS

    @property
    def candidates(self) -> CandidateQuerySet:
        if self.sieve is not None:
            return self.sieve.candidates().filter(pk__lte=self.until)
        tokens: dict[str, list[str]] = {}
        for mark in self.marks:
            token, _, state = mark.partition(".")
            tokens.setdefault(state, []).append(token)
        parts = [Q(state=state, token__in=some) for state, some in tokens.items() if state in State]
        return Candidate.objects.filter(reduce(or_, parts)) if parts else Candidate.objects.none()

    @property
    def is_many(self) -> bool:
        return self.sieve is not None or len(self.marks) > 1

    @property
    def count(self) -> int:
        return self.candidates.count()

    @property
    def note(self) -> str:
        """For the log: what chose them."""
        if self.sieve is None:
            return f"a selection of {len(self.marks)}" if self.is_many else ""
        words = [TABS[self.sieve.state][0].lower()]
        words += [f"source {self.sieve.source}"] if self.sieve.source else []
        words += [f"advice {self.sieve.advice}"] if self.sieve.advice else []
        return f"all of the list: {', '.join(words)}"

    def carry_out(self, by: User) -> Decision | int:
        """The decision, or how many are tried again. ModerationError."""
        if self.action == AGAIN:
            chosen = list(self.candidates.values_list("pk", flat=True))
            return moderation.try_again(self.candidates) or _nothing(chosen)
        if self.action == Decision.Action.ACCEPT:
            return moderation.accept(self.candidates, by, self.note)
        if self.action == Decision.Action.SKIP:
            return moderation.skip(self.candidates, by, self.note)
        return moderation.reject(self.candidates, by, self.reason, self.note)

    def changed(self) -> moderation.ModerationError:
        """Why nothing could be decided: what has become of those that were shown."""
        tokens = [mark.partition(".")[0] for mark in self.marks]
        there = Candidate.objects.filter(token__in=tokens).values_list("pk", flat=True)[:2]
        return moderation.decided_already(list(there))


def _nothing(chosen: list[int]) -> int:
    raise moderation.decided_already(chosen)
