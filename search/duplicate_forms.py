"""What the pages of duplicates are asked: which groups in which order, which picture to keep, what was shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, F, Max, OuterRef, Q, Sum
from django.http import QueryDict

from gallery.models import User
from search.engines._base import Grade
from search.groups import CHANGED
from search.merge import MergeError
from search.models import Group, GroupMember, Resolution
from search.models.duplicates import GroupQuerySet, numbers_in
from search.rules import Plan, RuleError, Run, Skip, plan, rules

GRADES = {"same": Grade.SAME, "part": Grade.CONTAINS, "like": Grade.LOOKS_LIKE}
SORTS: dict[str, tuple[str, Any]] = {
    "room": ("Most room to gain", Sum("members__image__bytes") - Max("members__image__bytes")),
    "newest": ("Newest", F("id")),
    "largest": ("Largest picture", Max("members__image__pixels")),
}
"""{sort: (label, key, the largest first)}"""
AT_LEAST = (2, 3, 5, 10)
MEGAPIXELS = (0, 1, 4, 12)


@dataclass(frozen=True)
class Sieve:
    """Which groups are shown, in which order. Nonsense in the address means: all of them."""

    grade: str = ""
    name: str = ""
    many: int = 2
    """At least so many pictures."""
    megapixels: int = 0
    """At least so many, of the largest picture."""
    sort: str = "room"

    @classmethod
    def of(cls, params: Mapping[str, str]) -> Sieve:
        return cls(
            grade=_one_of(params.get("grade", ""), ("", *GRADES)),
            name=params.get("name", "").replace("\x00", "").strip()[:100],
            many=int(_one_of(params.get("many", ""), tuple(map(str, AT_LEAST)))),
            megapixels=int(_one_of(params.get("mp", ""), tuple(map(str, MEGAPIXELS)))),
            sort=_one_of(params.get("sort", ""), tuple(SORTS)),
        )

    @property
    def query(self) -> str:
        """As it stands in an address; what is as usual is left out."""
        return self._query(grade=self.grade)

    def in_grade(self, grade: str) -> str:
        return self._query(grade=grade)

    def _query(self, grade: str) -> str:
        said = {"grade": grade, "name": self.name, "many": self.many, "mp": self.megapixels, "sort": self.sort}
        usual = {"grade": "", "name": "", "many": 2, "mp": 0, "sort": "room"}
        return urlencode({key: value for key, value in said.items() if value != usual[key]})

    @property
    def is_narrow(self) -> bool:
        """Something besides the grade is asked for."""
        return bool(self.name or self.many > 2 or self.megapixels)

    def groups(self, grade: Grade | None = None) -> GroupQuerySet:
        """Of one grade, or of all."""
        groups = Group.objects.listed(grade, self.name, self.many)
        if self.megapixels:
            large = GroupMember.objects.filter(group=OuterRef("pk"), image__pixels__gte=self.megapixels * 10**6)
            groups = groups.filter(Exists(large))
        return groups

    def counts(self) -> dict[str, int]:
        """{name of the grade: groups}"""
        counts = self.groups().counts()
        return {name: counts[grade] for name, grade in GRADES.items()}

    def page(self, cursor: str, size: int) -> tuple[list[Group], str]:
        """(groups of the page with ``shown`` members, cursor of the next page or ""). CursorError."""
        rows = self._beyond(self._sorted(), cursor) if cursor else self._sorted()
        keys = list(rows.values_list("pk", "key")[: size + 1])
        found = Group.objects.filter(pk__in=[pk for pk, _ in keys[:size]]).with_shown().in_bulk()
        groups = [found[pk] for pk, _ in keys[:size] if pk in found]
        return groups, "{1}.{0}".format(*keys[size - 1]) if len(keys) > size else ""

    def neighbours(self, group: Group) -> tuple[int | None, int | None]:
        """(previous, next): ids of groups, in this order."""
        key = self._keyed(Group.objects.filter(pk=group.pk)).values_list("key", flat=True).first()
        if key is None:
            return None, None
        following = self._beyond(self._sorted(), f"{key}.{group.pk}").first()
        previous = self._beyond(self._sorted().reverse(), f"{key}.{group.pk}", forward=False).first()
        return previous.pk if previous else None, following.pk if following else None

    def _sorted(self) -> Any:
        return self._keyed(self.groups(GRADES.get(self.grade))).order_by("-key", "-pk")

    def _keyed(self, groups: Any) -> Any:
        return groups.annotate(key=SORTS[self.sort][1])

    def _beyond(self, groups: Any, cursor: str, forward: bool = True) -> Any:
        key, pk = numbers_in(cursor, 2)
        way = "lt" if forward else "gt"
        return groups.filter(Q(**{f"key__{way}": key}) | Q(key=key, **{f"pk__{way}": pk}))


def _one_of(value: str, choices: tuple[str, ...]) -> str:
    return value if value in choices else choices[0]


class MergeForm:
    """Which picture of a group is kept, and which go to the trash: only what the page has shown."""

    def __init__(self, group: Group, data: QueryDict) -> None:
        self.group = group
        self._keep, self._drop = data.get("keep", ""), data.getlist("drop")

    def merge(self, by: User) -> Resolution:
        """MergeError: a sentence for the reader. Whoever is kept is not dropped, whatever is ticked."""
        images = {str(image.pk): image for image in self.group.candidates()}
        if not self._keep:
            raise MergeError("Choose the picture to keep first.")
        drop = [pk for pk in dict.fromkeys(self._drop) if pk != self._keep]
        if not drop:
            raise MergeError("Choose at least one picture that may go to the trash.")
        if not {self._keep, *drop} <= images.keys():
            raise MergeError(CHANGED)
        return Resolution.objects.merge(images[self._keep], [images[pk] for pk in drop], by)


@dataclass(frozen=True)
class Shown:
    """A plan as the page of a rule posts it back: "12.345.346-347" for group, picture to keep, pictures to drop."""

    group: int
    keep: int
    drop: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan) -> Shown:
        return cls(plan.group.pk, plan.keep.pk, tuple(sorted(image.pk for image in plan.drop)))

    @classmethod
    def parse(cls, text: str) -> Shown:
        """RuleError for anything else."""
        found = re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18}(?:-[0-9]{1,18})*)", text)
        if not found:
            raise RuleError("What was sent is no plan of this page. Start again from the dry run.")
        return cls(int(found[1]), int(found[2]), tuple(int(pk) for pk in found[3].split("-")))

    def __str__(self) -> str:
        return f"{self.group}.{self.keep}.{'-'.join(map(str, self.drop))}"


class RunForm:
    """A rule and the plans that somebody has seen and ticked: nothing else is ever applied."""

    def __init__(self, data: QueryDict) -> None:
        """RuleError if there is no such rule, or nothing was ticked."""
        name = data.get("rule", "")
        if name not in rules():
            raise RuleError("There is no such rule.")
        self.rule = rules()[name]
        self.shown = [Shown.parse(text) for text in dict.fromkeys(data.getlist("plan"))]
        if not self.shown:
            raise RuleError("Nothing is ticked: choose at least one group first.")

    @property
    def dropped(self) -> list[int]:
        return [pk for one in self.shown for pk in one.drop]

    def apply(self, by: User) -> Run:
        """Plan again, and merge where the plan is still what was shown."""
        run, wanted = Run(), {one.group: one for one in self.shown}
        for planned in plan(self.rule.name, Group.objects.filter(pk__in=wanted).order_by("-pk")):
            shown = wanted.pop(planned.group.pk)
            if isinstance(planned, Skip):
                run.skipped.append(planned)
            elif Shown.of(planned) == shown:
                run.carry_out(planned, self.rule.name, by)
            else:
                run.skipped.append(Skip(planned.group, CHANGED))
        self.gone = len(wanted)
        return run
