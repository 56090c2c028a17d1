"""Rules that resolve many groups at once: first as a plan that changes nothing, then applied, then undone if wanted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from gallery.models import Image, ImageTag, Opinion, User
from search.candidates import LOOKED_AT, candidates_of
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
class Run:
    """What a run did."""

    run: uuid.UUID = field(default_factory=uuid.uuid4)
    merged: int = 0
    """Groups that were resolved."""
    dropped: int = 0
    """Images that went to the trash."""
    skipped: list[Skip] = field(default_factory=list)
    """Groups that the rule left alone, or that somebody changed between the plan and its application."""

    def carry_out(self, planned: Plan, rule: str, by: User | None) -> None:
        """Merge as it was planned; what cannot be merged is skipped with its reason."""
        try:
            Resolution.objects.merge(planned.keep, planned.drop, by, rule, self.run)
        except MergeError as error:
            self.skipped.append(Skip(planned.group, str(error)))
        else:
            self.merged += 1
            self.dropped += len(planned.drop)


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
    choose: Callable[[list[Image], list[Candidate]], Choice] = field(repr=False)
    """From the images of a group of the same picture, all of them looked at; _NotDecided says why not."""
    same_tags: bool = True
    """It leaves groups alone whose images have different tags."""


def rules() -> dict[str, Rule]:
    """{name: rule}"""
    return {rule.name: rule for rule in _RULES}


def plan(rule: str, groups: Iterable[Group]) -> Iterator[Plan | Skip]:
    """What the rule would do with each group, in their order; nothing is changed. RuleError for an unknown name."""
    chosen = _rule(rule)  # now, not when the first group is asked for
    return (_plan(chosen, group) for group in groups)


def apply(rule: str, groups: Iterable[Group], by: User | None = None) -> Run:
    """Do it: one Resolution for each group that the rule decides. A group that fails is skipped with its reason."""
    run = Run()
    for planned in plan(rule, groups):
        if isinstance(planned, Plan):
            run.carry_out(planned, rule, by)
        else:
            run.skipped.append(planned)
    return run


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
        if rule.same_tags:
            _require_equal_tags(images)
        key, reasons = rule.choose(images, _looked_at(images))
        _require_proof(key, images)
    except _NotDecided as why:
        return Skip(group, str(why))
    keep = next(image for image in images if image.pk == key)
    return Plan(group, keep, [image for image in images if image.pk != key], reasons)


def _looked_at(images: list[Image]) -> list[Candidate]:
    """A rule that has not seen a picture might keep an enlarged copy, and drop what it was made from."""
    if any(image.state != Image.State.READY for image in images):
        raise _NotDecided("Not all of them are prepared: try again later.")
    if len(images) > LOOKED_AT:
        raise _NotDecided(f"There are more than {LOOKED_AT}: look at them yourself.")
    candidates = candidates_of(images)
    if not all(one.looked for one in candidates):
        raise _NotDecided("Not all of them could be looked at: try again later.")
    if any(one.differs for one in candidates):
        raise _NotDecided("They are not the same everywhere: look at them yourself.")
    return candidates


def _require_proof(key: int, images: list[Image]) -> None:
    """Each that is to go must itself have been found to be the one that stays, not only by way of a third."""
    proven = Pair.objects.active().filter(grade=Grade.SAME).among([image.pk for image in images]).touching([key])
    if proven.count() < len(images) - 1:
        raise _NotDecided("Not each of them was compared with the best: look at them yourself.")


# --- the rules
def _largest(images: list[Image], candidates: list[Candidate]) -> Choice:
    best, second = sorted(candidates, key=lambda one: -one.width * one.height)[:2]
    if best.width * best.height == second.width * second.height:
        raise _NotDecided(f"Two of them are equally large ({best.size}).")
    if best.enlarged:
        raise _NotDecided("The largest was only enlarged: it has no more detail than a smaller one.")
    return best.key, [f"largest: {best.size} against {second.size}"]


def _oldest(images: list[Image], candidates: list[Candidate]) -> Choice:
    first = min(images, key=lambda image: image.pk)
    larger = max(images, key=lambda image: image.pixels)
    if larger.pixels > first.pixels:
        raise _NotDecided(f"One that came later is larger: {larger.width} × {larger.height}.")
    if next(one for one in candidates if one.key == first.pk).enlarged:
        raise _NotDecided("The first was only enlarged: it has no more detail than a smaller one.")
    return first.pk, [f"in the gallery since {first.added_at:%Y-%m-%d}"]


def _suggested(images: list[Image], candidates: list[Candidate]) -> Choice:
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
        "When all show the same picture, none has other tags, none that came later is larger, and the first was not "
        "enlarged.",
        _oldest,
    ),
    Rule(
        "suggested",
        "Keep what is suggested",
        "When all show the same picture and all reasons speak for one of them. Tags are handed on.",
        _suggested,
        same_tags=False,
    ),
)
