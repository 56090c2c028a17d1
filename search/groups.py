"""Keeping the groups up to date with the pairs: only those around the images where something has changed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, Q

from gallery.models import Image
from search.engines._base import Grade
from search.grouping import Cluster, Edge, components, matched, stars, wholes
from search.models import Examination, Group, GroupMember, Pair

GROUPS_LOCK = 7345
"""Who changes groups holds it until the commit. Rows of images are locked before it, never after."""


CHANGED = "This group has changed since the page was shown. Look at it again before you decide."
_later: ContextVar[set[int] | None] = ContextVar("later", default=None)
"""Images around which ``regrouped_once`` regroups when it ends; None outside it."""


class GroupChanged(ValueError):
    """It is not what somebody has seen: a sentence for the reader."""


def stamps(groups: Iterable[int]) -> dict[int, str]:
    """{group: which images are in it, short enough for a page to post back}. One query."""
    members: dict[int, list[int]] = defaultdict(list)
    rows = GroupMember.objects.filter(group__in=set(groups)).order_by("group", "image").values_list("group", "image")
    for group, image in rows:
        members[group].append(image)
    return {group: stamp(images) for group, images in members.items()}


def stamp(images: Iterable[int]) -> str:
    return hashlib.sha256(",".join(map(str, sorted(images))).encode()).hexdigest()[:16]


def lock_images(images: Iterable[int]) -> dict[int, Image]:
    """{id: image} of those that are in the gallery and not in the trash; nobody can change that until the commit."""
    rows = Image.objects.filter(pk__in=set(images), trashed_at__isnull=True)
    return {image.pk: image for image in rows.order_by("pk").select_for_update(no_key=True)}


def lock_groups() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [GROUPS_LOCK])


def regroup(images: Iterable[int]) -> None:
    """Bring the groups around these images up to date with the pairs, and no others."""
    touched = set(images)
    with transaction.atomic():
        lock_groups()
        around = _regroup_same(touched)
        _regroup_contains(touched)
        _regroup_alike(touched | around)


def _regroup_same(touched: set[int]) -> set[int]:
    """Returns the images of all groups that it looked at: what is the same picture need not look alike as well."""
    near = touched | _ends(_active(Grade.SAME).touching(touched))
    old = _clusters(Group.objects.filter(grade=Grade.SAME, members__image__in=near))
    around = near.union(*(cluster.members for cluster in old.values()))
    _write(Grade.SAME, old, components(_edges(_active(Grade.SAME).among(around))))
    return around


def _regroup_contains(touched: set[int]) -> None:
    pairs = _active(Grade.CONTAINS)
    groups = Group.objects.filter(grade=Grade.CONTAINS)
    centres = touched | {whole for whole in pairs.touching(touched).values_list("whole", flat=True) if whole}
    centres |= set(groups.filter(members__image__in=touched, centre__isnull=False).values_list("centre", flat=True))
    old = _clusters(groups.filter(Q(centre__in=centres) | Q(centre__isnull=True, members__image__in=touched)))
    overlaps = pairs.touching(touched).filter(whole__isnull=True)
    rows = [*pairs.filter(whole__in=centres).values_list("low", "high", "whole")]
    rows += overlaps.values_list("low", "high", "whole")
    _write(Grade.CONTAINS, old, wholes(rows))


def _regroup_alike(touched: set[int]) -> None:
    """Each pair has to be in some group; those that were in one that is looked at are shared out again."""
    pairs = _active(Grade.LOOKS_LIKE)
    incident = set(_edges(pairs.touching(touched)))
    near = touched.union(*incident)
    groups = Group.objects.filter(grade=Grade.LOOKS_LIKE)
    old = _clusters(groups.filter(Q(members__image__in=touched) | Q(centre__in=near)))
    around = near.union(*(cluster.members for cluster in old.values()))
    edges = [
        edge
        for edge in _edges(pairs.among(around))
        if edge in incident or any(cluster.members.issuperset(edge) for cluster in old.values())
    ]
    centres = [cluster.centre for cluster in old.values() if cluster.centre is not None]
    _write(Grade.LOOKS_LIKE, old, stars(_without_same(edges), centres))


def _without_same(edges: list[Edge]) -> list[Edge]:
    """Images that are shown as the same picture already, through a third one, are not shown as alike as well."""
    images = set().union(*edges)
    rows = GroupMember.objects.filter(group__grade=Grade.SAME, image__in=images)
    same = dict(rows.values_list("image", "group"))
    return [(one, other) for one, other in edges if same.get(one, -1) != same.get(other, -2)]


def _active(grade: Grade) -> Any:
    return Pair.objects.active().filter(grade=grade)


def _edges(pairs: Any) -> list[Edge]:
    return list(pairs.values_list("low", "high"))


def _ends(pairs: Any) -> set[int]:
    return set().union(*_edges(pairs))


def _clusters(groups: Any) -> dict[int, Cluster]:
    """{id: the group as it is now}"""
    centres = dict(groups.values_list("pk", "centre"))
    members: dict[int, set[int]] = defaultdict(set)
    for group, image in GroupMember.objects.filter(group__in=centres).values_list("group", "image"):
        members[group].add(image)
    return {pk: Cluster(centre, frozenset(members[pk])) for pk, centre in centres.items()}


def _write(grade: Grade, old: dict[int, Cluster], new: list[Cluster]) -> None:
    """Make the rows of these groups say what the clusters say, changing only what differs."""
    continued = matched(old, new)
    sizes = dict(Group.objects.filter(pk__in=old).values_list("pk", "size")) if old else {}
    Group.objects.filter(pk__in=set(old) - {key for key, _ in continued}).delete()
    fresh = [cluster for key, cluster in continued if key is None]
    made = Group.objects.bulk_create(Group(grade=grade, centre_id=one.centre, size=len(one.members)) for one in fresh)
    added = [
        GroupMember(group=group, image_id=pk) for group, one in zip(made, fresh, strict=True) for pk in one.members
    ]
    for key, cluster in continued:
        if key is None:
            continue
        was = old[key]
        if was != cluster or sizes[key] != len(cluster.members):  # a member that was purged left without a word
            Group.objects.filter(pk=key).update(centre=cluster.centre, size=len(cluster.members))
            GroupMember.objects.filter(group=key, image__in=was.members - cluster.members).delete()
        added += [GroupMember(group_id=key, image_id=pk) for pk in cluster.members - was.members]
    GroupMember.objects.bulk_create(added)


# --- what happens to images
@contextmanager
def regrouped_once() -> Iterator[None]:
    """Many images go to the trash, or come back: in one transaction, and with one look at the groups at its end."""
    touched: set[int] = set()
    with transaction.atomic():
        before = _later.set(touched)
        try:
            yield
        finally:
            _later.reset(before)
        _regroup_paired(touched)


def regroup_trashed(image: Image) -> None:
    """Inside the transaction of the trash. An image in no pair costs one query."""
    Examination.objects.filter(image=image).delete()  # its features go too: it is looked at again when it comes back
    regroup_restored(image)


def regroup_restored(image: Image) -> None:
    later = _later.get()
    if later is None:
        _regroup_paired({image.pk})
    else:
        later.add(image.pk)


def _regroup_paired(images: set[int]) -> None:
    """Images in no pair cost one query, and no lock."""
    if images and Pair.objects.touching(images).exists():
        regroup(images)


def regroup_deleted(image: Image) -> None:
    """Before its row is deleted. The lock is only taken after the commit: a purge holds the row of the image."""
    mine = GroupMember.objects.filter(image=image).values("group")
    near = set(GroupMember.objects.filter(group__in=mine).exclude(image=image).values_list("image", flat=True))
    if near:
        transaction.on_commit(lambda: regroup(near), robust=True)


def mend_groups() -> int:
    """Groups that lost a member without having been told, by a crash right after a purge. Returns how many."""
    wrong = Group.objects.annotate(there=Count("members")).exclude(there=F("size"))
    found = list(wrong.values_list("pk", flat=True))
    if found:
        near = set(GroupMember.objects.filter(group__in=found).values_list("image", flat=True))
        regroup(near)
        Group.objects.filter(pk__in=found, members__isnull=True).delete()
    return len(found)
