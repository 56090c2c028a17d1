"""Tags for many pictures at once, and the trash: first a sentence that says what would be done, then all of it or none.

What somebody has changed between the two stays as it is: ``seen`` holds what the preview was about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from gallery.history_words import quoted
from gallery.models import Batch, Edit, Image, ImageQuerySet, Opinion, Tag, User
from gallery.revert import lock_all
from gallery.tag_names import find_tag
from gallery.tags import tags_called
from gallery.word_states import NO_TAG, Pair, State, put_tags, state_of, tag_rows, tag_states, trash_states
from gallery.words import tag_names

MOST = 1_000
"""Pictures at once."""
ACTIONS = ("add", "remove", "trash", "private", "public")
OWN = ("trash", "private", "public")
"""What only some may do with a picture: ImageQuerySet.changeable_by."""


class SelectionError(ValueError):
    """This cannot be done with this selection: a sentence."""

    status: int | None = None


class NotYours(SelectionError):
    """All of it is others'."""

    status = 403


@dataclass(frozen=True)
class Line:
    """What becomes of one tag."""

    name: str
    letters: str
    """How each picture has it: "-" not at all, "s" suggested, "h" suggested but hidden, "a" accepted, "r" rejected,
    "i" because another of its tags implies it."""
    is_new: bool = False

    def changes(self, action: str) -> str:
        """The letters of pictures that would change."""
        return "-shr" if action == "add" else "asi"

    def count(self, action: str) -> int:
        return sum(letter in self.changes(action) for letter in self.letters)

    def sentence(self, action: str) -> str:
        """“12 of 30 pictures get “sea”; 18 have it.”"""
        total, count = len(self.letters), self.count(action)
        tag = quoted(self.name) + (", a new tag" if self.is_new and action == "add" else "")
        if action == "add" and not count:
            return f"{_all(total)} {'have' if total != 1 else 'has'} {tag} already."
        if not count:
            return f"{_none(total)} {tag}."
        verb, others = ("get", "have it") if action == "add" else ("lose", "do not have it")
        if count == total:
            return f"{_all(total)} {_verb(verb, total)} {tag}{self._aside(action)}."
        others = others if total - count != 1 else {"have it": "has it"}.get(others, "does not have it")
        rest = f"; {total - count} {others}"
        return f"{count} of {total} pictures {_verb(verb, count)} {tag}{self._aside(action)}{rest}."

    def _aside(self, action: str) -> str:
        if action != "add":
            return ""
        counts = Counter(self.letters)
        said = [(counts["s"], "had it suggested"), (counts["r"], "had it rejected")]
        parts = [f"{number} {words}" for number, words in said if number]
        return f" ({', '.join(parts)})" if parts else ""


def _all(total: int) -> str:
    return f"All {total} pictures" if total != 1 else "The picture"


def _none(total: int) -> str:
    return f"None of the {total} pictures has" if total != 1 else "The picture does not have"


def _verb(verb: str, count: int) -> str:
    return verb if count != 1 else verb + "s"


@dataclass(frozen=True)
class Plan:
    """What would be done."""

    action: str
    images: list[int]
    lines: list[Line]
    left: int = 0
    """Pictures that were selected too, and with which this person may not do that, or need not."""

    @property
    def seen(self) -> str:
        return ".".join(line.letters for line in self.lines)

    @property
    def tags(self) -> str:
        return ", ".join(line.name for line in self.lines)

    @property
    def count(self) -> int:
        """Pictures that would change."""
        if self.action in OWN:
            return len(self.images)
        columns = zip(*(line.letters for line in self.lines), strict=True)
        return sum(
            any(letter in line.changes(self.action) for line, letter in zip(self.lines, column, strict=True))
            for column in columns
        )

    @property
    def sentence(self) -> str:
        if self.action in OWN:
            return " ".join(filter(None, [self._own(), self._others()]))
        return " ".join(line.sentence(self.action) for line in self.lines)

    def _own(self) -> str:
        total, one = len(self.images), len(self.images) == 1
        if not total:
            return "None of these pictures would change."
        whose = _all(total) if not self.left else f"{total} of {total + self.left} pictures"
        if self.action == "trash":
            return f"{whose} {'goes' if one else 'go'} to the trash for {settings.TRASH_DAYS} days."
        if self.action == "public":
            return f"{whose} will be seen by everybody, with all that is said of {'it' if one else 'them'}."
        kept = "What browsers and feed readers have kept stays with them."
        return f"{whose} will be seen by {'its' if one else 'their'} owners only. {kept}"

    def _others(self) -> str:
        if not self.left:
            return ""
        why = "not only yours" if self.action == "trash" else "not only yours, or so already"
        if not self.images:
            return f"{'It is' if self.left == 1 else 'They are'} {why}."
        others = f"{pictures(self.left)} {'stays' if self.left == 1 else 'stay'}"
        return f"The other {others}: {why}."


@dataclass(frozen=True)
class Done:
    sentence: str
    batch: Batch | None = None
    gone: tuple[int, ...] = ()
    """Images that are in the trash now."""


def plan(action: str, images: Sequence[int], tags: str, by: User) -> Plan:
    """``images``: ids. SelectionError, WordError."""
    if action not in ACTIONS:
        raise SelectionError("Choose what to do with the pictures.")
    if len(images) > MOST:
        raise SelectionError(f"At most {MOST:,} pictures can be changed at once; these are {len(images):,}.")
    here = _visible(images, by)
    if not here:
        raise SelectionError("Select some pictures first." if not images else "These pictures are not there any more.")
    if action not in OWN:
        return Plan(action, here, _lines(here, tag_names(tags)))
    mine = set(_changing(action, here, by).values_list("pk", flat=True))
    if action == "trash" and not mine:
        raise NotYours("You may throw away what you have brought alone; these are not only yours.")
    return Plan(action, [pk for pk in here if pk in mine], [], len(here) - len(mine))


def _changing(action: str, images: Sequence[int], by: User) -> ImageQuerySet:
    mine = Image.objects.changeable_by(by).filter(pk__in=images)
    if action == "private":
        return mine.filter(private=False, owners__isnull=False).distinct()
    return mine.filter(private=True) if action == "public" else mine


def _visible(images: Sequence[int], by: User) -> list[int]:
    there = set(Image.objects.visible_to(by).filter(pk__in=images).values_list("pk", flat=True))
    return [pk for pk in dict.fromkeys(images) if pk in there]


def _lines(images: Sequence[int], names: Sequence[str]) -> list[Line]:
    found = {name: find_tag(name) for name in names}
    once = {tag.name if tag else name: tag for name, tag in found.items()}
    tags = [tag.pk for tag in once.values() if tag]
    rows = tag_rows(images, tags)
    have = dict(Image.objects.filter(pk__in=images, tag_ids__overlap=tags).values_list("pk", "tag_ids"))

    def letter(image: int, tag: Tag | None) -> str:
        return _letter(rows.get((image, tag.pk), []), tag.pk in have.get(image, ())) if tag else "-"

    return [Line(name, "".join(letter(image, tag) for image in images), tag is None) for name, tag in once.items()]


def _letter(rows: Sequence, has: bool) -> str:
    state = state_of(rows)
    if not any(row.shown for row in rows) and state != Opinion.REJECTED and has:
        return "i"
    if state == Opinion.SUGGESTED and not any(row.shown for row in rows):
        return "h"
    return state[0] if state else "-"


def apply(action: str, images: Sequence[int], tags: str, seen: str, by: User) -> Done:
    """What ``plan`` has said, for ``seen`` of its plan. SelectionError, WordError."""
    with transaction.atomic():
        lock_all(images)
        now = plan(action, images, tags, by)
        if action not in OWN:
            return _tag(now, images, seen, by)
        return _trash(now, by) if action == "trash" else _share(now, by)


def _tag(now: Plan, images: Sequence[int], seen: str, by: User) -> Done:
    said = seen.split(".")
    if [len(letters) for letters in said] != [len(images)] * len(now.lines):
        raise SelectionError("Nobody has seen what this would do. Look at the preview again.")
    place = {image: number for number, image in enumerate(images)}
    chosen, meanwhile = list[tuple[str, int]](), len(images) - len(now.images)
    for line, letters in zip(now.lines, said, strict=True):
        before = [letters[place[image]] for image in now.images]
        wanted = [(image, was, is_) for image, was, is_ in zip(now.images, before, line.letters, strict=True)]
        chosen += [(line.name, image) for image, was, is_ in wanted if was == is_ and is_ in line.changes(now.action)]
        meanwhile += sum(was != is_ for _, was, is_ in wanted)
    batch = _write(now.action, chosen, by) if chosen else None
    return Done(_said(batch, meanwhile), batch)


def _write(action: str, chosen: Sequence[tuple[str, int]], by: User) -> Batch:
    numbers = tags_called({name for name, _ in chosen})
    found = Tag.objects.in_bulk(numbers.values())
    tags = {name: found[numbers[name]] for name in dict.fromkeys(name for name, _ in chosen)}
    images = {image for _, image in chosen}
    now = tag_states(images, [tag.pk for tag in tags.values()])
    wanted: dict[Pair, State] = {}
    for name, image in chosen:
        was = now.get((image, tags[name].pk), NO_TAG)
        own = action == "add" or was["own"] or not was["state"]  # none says what is only implied: a person's "no" does
        state = Opinion.ACCEPTED if action == "add" else Opinion.REJECTED
        wanted[image, tags[name].pk] = {"state": state.value, "own": own}
    put_tags(wanted)
    verb, to = ("added", "to") if action == "add" else ("removed", "from")
    said = f"{verb} {', '.join(quoted(name) for name in tags)} {to} {pictures(len(images))}"
    batch = Batch.objects.create(by=by, sentence=said)
    after = tag_states(images, [tag.pk for tag in tags.values()])
    _record_tags({pair: after[pair] for pair in wanted}, now, {tag.pk: tag for tag in tags.values()}, batch)
    return batch


def _record_tags(wanted: dict[Pair, State], before: dict[Pair, State], tags: dict[int, Tag], batch: Batch) -> None:
    rows = [
        Edit(
            image_id=image,
            kind=Edit.Kind.TAG,
            about=tags[tag].name,
            things=[f"tag:{tag}"],
            before=before.get((image, tag), NO_TAG),
            after=state,
            by=batch.by,
            batch=batch,
            leads=number == 0,
        )
        for number, ((image, tag), state) in enumerate(_public_first(wanted))
    ]
    Edit.objects.bulk_create(rows, batch_size=2_000)


def _public_first(wanted: dict[Pair, State]) -> list[tuple[Pair, State]]:
    """The first one stands for all of them in lists, where others' private pictures are not."""
    private = set(Image.objects.filter(pk__in={pk for pk, _ in wanted}, private=True).values_list("pk", flat=True))
    return sorted(wanted.items(), key=lambda item: item[0][0] in private)


def _trash(now: Plan, by: User) -> Done:
    batch = Batch.objects.create(by=by, sentence=f"moved {pictures(len(now.images))} to the trash")
    images = list(Image.objects.filter(pk__in=now.images).order_by("pk"))
    for image in images:
        image.trash()
    after = trash_states(now.images)
    about = {"kind": Edit.Kind.TRASH, "things": ["trash"], "before": {"trashed_at": None}, "by": by, "batch": batch}
    rows = [Edit(image=image, about=image.name, after=after[image.pk], **about) for image in images]
    rows[0].leads = True
    Edit.objects.bulk_create(rows, batch_size=2_000)
    return Done(_said(batch, 0), batch, tuple(now.images))


def _share(now: Plan, by: User) -> Done:
    private = now.action == "private"
    images = [image for image in Image.objects.filter(pk__in=now.images).order_by("pk") if image.set_private(private)]
    if not images:
        return Done(_said(None, 0))
    hidden, shown = f"kept for {'its' if len(images) == 1 else 'their'} owners only:", "showed to everybody:"
    batch = Batch.objects.create(by=by, sentence=f"{hidden if private else shown} {pictures(len(images))}")
    states = {"before": {"private": not private}, "after": {"private": private}}
    about = {"kind": Edit.Kind.PRIVATE, "things": ["private"], "by": by, "batch": batch, **states}
    rows = [Edit(image=image, about=image.name, leads=image is images[0], **about) for image in images]
    Edit.objects.bulk_create(rows, batch_size=2_000)
    return Done(_said(batch, 0), batch, () if not private else _gone(images, by))


def _gone(images: Sequence[Image], by: User) -> tuple[int, ...]:
    """Those that ``by`` does not see any more: a moderator has hidden them."""
    numbers = {image.pk for image in images}
    return tuple(numbers - set(Image.objects.visible_to(by).filter(pk__in=numbers).values_list("pk", flat=True)))


def _said(batch: Batch | None, meanwhile: int) -> str:
    if not batch and not meanwhile:
        return "It was so already."
    done = f"{batch.sentence[0].upper()}{batch.sentence[1:]}." if batch else "Nothing was done."
    return done + (f" {_meanwhile(meanwhile)}" if meanwhile else "")


def _meanwhile(count: int) -> str:
    return f"Somebody has changed {pictures(count)} meanwhile: left as {'it is' if count == 1 else 'they are'}."


def pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"
