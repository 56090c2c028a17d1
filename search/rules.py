"""Rules that resolve many groups at once: first as a plan that changes nothing, then applied, then undone if wanted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from gallery.models import Image, ImageTag, Opinion, User
from search.candidates import candidates_of
from search.engines._base import Grade
from search.keep_best import Candidate, suggest
from search.merge import MergeError
from search.models import Group, Pair, Resolution


class RuleError(ValueError):
    """There is no such rule, or no such run: a sentence for the reader."""


@dataclass(frozen=True)
class Plan:
    """What a rule would do with a group."""

    group: Group
    keep: Image
    drop: list[Image]
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Skip:
    """Why a rule leaves a group alone."""

    group: Group
    why: str


@dataclass
class Outcome:
    """What a run did."""

    run: uuid.UUID
    merged: int = 0
    """Groups that were resolved."""
    dropped: int = 0
    """Images that went to the trash."""
    skipped: list[Skip] = field(default_factory=list)
    """Groups that the rule left alone, or that somebody changed between the plan and its application."""


class _NotDecided(Exception):
    """The rule has no opinion of this group; says why."""


Choice = tuple[int, list[str]]
"""Id of the image to keep, and why."""


@dataclass(frozen=True)
class Rule:
    name: str
    label: str
    """For people: "Keep the largest"."""
    description: str
    """When it applies, in a sentence."""
    choose: Callable[[list[Image]], Choice] = field(repr=False)
    """From the images of a group of the same picture; _NotDecided says why not."""


def rules() -> dict[str, Rule]:
    """{name: rule}"""
    return {rule.name: rule for rule in _RULES}


def plan(rule: str, groups: Iterable[Group]) -> Iterator[Plan | Skip]:
    """What the rule would do with each group, in their order; nothing is changed. RuleError for an unknown name."""
    chosen = _rule(rule)  # now, not when the first group is asked for
    return (_plan(chosen, group) for group in groups)


def apply(rule: str, groups: Iterable[Group], by: User | None = None) -> Outcome:
    """Do it: one Resolution for each group that the rule decides. A group that fails is skipped with its reason."""
    outcome = Outcome(uuid.uuid4())
    for planned in plan(rule, groups):
        skip = planned if isinstance(planned, Skip) else _applied(planned, rule, outcome, by)
        if skip:
            outcome.skipped.append(skip)
    return outcome


def undo_rule_run(run: uuid.UUID) -> list[str]:
    """Undo all that a run decided and that still stands. Returns sentences about what could not be undone.

    RuleError if there is no such run, or nothing of it stands.
    """
    standing = list(Resolution.objects.standing().filter(run=run).order_by("-id"))
    if not standing:
        known = Resolution.objects.filter(run=run).exists()
        raise RuleError("This run was undone already." if known else f"There is no run {run}.")
    sentences: list[str] = []
    for resolution in standing:
        try:
            sentences += resolution.undo()
        except MergeError as error:
            sentences.append(str(error))
    return sentences


def _rule(name: str) -> Rule:
    if name not in rules():
        raise RuleError(f"There is no rule “{name[:40]}”; choose {', '.join(rules())}.")
    return rules()[name]


def _plan(rule: Rule, group: Group) -> Plan | Skip:
    if group.grade != Grade.SAME:
        return Skip(group, "A rule decides only where all show the same picture.")
    images = group.candidates()
    if len(images) < 2:
        return Skip(group, "Somebody else has resolved this group.")
    try:
        key, reasons = rule.choose(images)
        _require_proof(key, images)
    except _NotDecided as why:
        return Skip(group, str(why))
    keep = next(image for image in images if image.pk == key)
    return Plan(group, keep, [image for image in images if image.pk != key], reasons)


def _require_proof(key: int, images: list[Image]) -> None:
    """Each that is to go must itself have been found to be the one that stays, not only by way of a third."""
    proven = Pair.objects.active().filter(grade=Grade.SAME).among([image.pk for image in images]).touching([key])
    if proven.count() < len(images) - 1:
        raise _NotDecided("Not each of them was compared with the best: look at them yourself.")


def _applied(planned: Plan, rule: str, outcome: Outcome, by: User | None) -> Skip | None:
    try:
        Resolution.objects.merge(planned.keep, planned.drop, by, rule, outcome.run)
    except MergeError as error:
        return Skip(planned.group, str(error))
    outcome.merged += 1
    outcome.dropped += len(planned.drop)
    return None


# --- the rules
def _largest(images: list[Image]) -> Choice:
    _require_equal_tags(images)
    candidates = sorted(candidates_of(images), key=lambda one: -one.width * one.height)
    best, second = candidates[:2]
    if best.width * best.height == second.width * second.height:
        raise _NotDecided(f"Two of them are equally large ({best.size}).")
    if best.enlarged:
        raise _NotDecided("The largest was only enlarged: it has no more detail than a smaller one.")
    return best.key, [f"largest: {best.size} against {second.size}"]


def _oldest(images: list[Image]) -> Choice:
    _require_equal_tags(images)
    first = min(images, key=lambda image: image.pk)
    larger = max(images, key=lambda image: image.pixels)
    if larger.pixels > first.pixels:
        raise _NotDecided(f"One that came later is larger: {larger.width} × {larger.height}.")
    return first.pk, [f"in the gallery since {first.added_at:%Y-%m-%d}"]


def _suggested(images: list[Image]) -> Choice:
    candidates: list[Candidate] = candidates_of(images)
    suggestion = suggest(candidates, Grade.SAME)
    if not suggestion.clear or suggestion.best is None:
        raise _NotDecided("The reasons do not agree, or there are none.")
    mine = [str(reason) for reason in suggestion.reasons[suggestion.best]]
    return suggestion.best, mine or [suggestion.sentence]


def _require_equal_tags(images: list[Image]) -> None:
    ids = [image.pk for image in images]
    rows = ImageTag.objects.filter(image__in=ids, state=Opinion.ACCEPTED).values_list("image", "tag")
    tags: dict[int, set[int]] = {pk: set() for pk in ids}
    for image, tag in rows:
        tags[image].add(tag)
    if any(mine != tags[ids[0]] for mine in tags.values()):
        raise _NotDecided("Their tags differ.")


_RULES = (
    Rule(
        "largest",
        "Keep the largest",
        "When all show the same picture, none has other tags, and one has the most pixels and was not enlarged.",
        _largest,
    ),
    Rule(
        "oldest",
        "Keep the first that came",
        "When all show the same picture, none has other tags, and none that came later is larger.",
        _oldest,
    ),
    Rule(
        "suggested",
        "Keep what is suggested",
        "When all show the same picture and all reasons speak for one of them. Tags are handed on.",
        _suggested,
    ),
)
