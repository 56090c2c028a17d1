"""Pairs become groups. Pure: images are numbers, pairs are edges between them.

The same picture is an equivalence, so that whoever is connected is one group. Looking alike is none: after a few
steps nothing is alike any more, so such a group is a star, whose members all look like its centre.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

Edge = tuple[int, int]


class Cluster(NamedTuple):
    """Images that belong together."""

    centre: int | None
    members: frozenset[int]


def components(edges: Iterable[Edge]) -> list[Cluster]:
    """Whoever is connected."""
    near = _neighbours(edges)
    found, seen = [], set()
    for start in sorted(near):
        if start not in seen:
            members = _reached(start, near)
            seen |= members
            found.append(Cluster(None, frozenset(members)))
    return found


def stars(edges: Iterable[Edge], centres: Collection[int] = ()) -> list[Cluster]:
    """Groups around centres, such that each edge lies within a group, and few groups are needed.

    The image with the most edges left becomes the next centre; of equals one of ``centres`` (those of before, so that
    groups stay what they were), then the lowest.
    """
    left = _neighbours(edges)
    near = {image: set(others) for image, others in left.items()}
    found = []
    while left:
        centre = min(left, key=lambda image: (-len(left[image]), image not in centres, image))
        members = frozenset({centre, *left[centre]})
        found.append(Cluster(centre, members))
        for image in members:  # edges between two of them are in the group too
            _cut(image, (near[image] & members), left)
    return found


def wholes(parts: Iterable[tuple[int, int, int | None]]) -> list[Cluster]:
    """Of (one, other, whole): each whole with its parts, and each pair that only overlaps for itself."""
    members: dict[int, set[int]] = defaultdict(set)
    overlaps = []
    for one, other, whole in parts:
        if whole is None:
            overlaps.append(Cluster(None, frozenset((one, other))))
        else:
            members[whole] |= {one, other}
    return [Cluster(whole, frozenset(members[whole])) for whole in sorted(members)] + sorted(set(overlaps), key=_order)


def matched(old: dict[int, Cluster], new: Iterable[Cluster]) -> list[tuple[int | None, Cluster]]:
    """Each new cluster with the key of the old one that it continues, or None.

    That is the one with the same centre, else the one with the most members in common; a key is given once. So the
    address of a group stays when it grows, and when it falls into pieces the largest piece keeps it.
    """
    clusters = list(new)
    keys = {_identity(cluster): key for key, cluster in old.items()}
    given = {i: keys[_identity(cluster)] for i, cluster in enumerate(clusters) if _identity(cluster) in keys}
    taken = set(given.values())
    rest = {key: cluster for key, cluster in old.items() if key not in taken}
    for _, key, i in _in_common(rest, {i: cluster for i, cluster in enumerate(clusters) if i not in given}):
        if i not in given and key not in taken:
            given[i] = key
            taken.add(key)
    return [(given.get(i), cluster) for i, cluster in enumerate(clusters)]


def _identity(cluster: Cluster) -> object:
    return cluster.members if cluster.centre is None else cluster.centre


def _in_common(old: dict[int, Cluster], new: dict[int, Cluster]) -> list[tuple[int, int, int]]:
    """(- members in common, old key, new key), most first."""
    holders: dict[int, list[int]] = defaultdict(list)
    for i, cluster in new.items():
        for image in cluster.members:
            holders[image].append(i)
    shared = Counter((key, i) for key, cluster in old.items() for image in cluster.members for i in holders[image])
    return sorted((-n, key, i) for (key, i), n in shared.items())


def _neighbours(edges: Iterable[Edge]) -> dict[int, set[int]]:
    near: dict[int, set[int]] = defaultdict(set)
    for one, other in edges:
        near[one].add(other)
        near[other].add(one)
    return dict(near)


def _reached(start: int, near: dict[int, set[int]]) -> set[int]:
    found, ahead = {start}, [start]
    while ahead:
        new = near[ahead.pop()] - found
        found |= new
        ahead.extend(new)
    return found


def _cut(image: int, others: set[int], left: dict[int, set[int]]) -> None:
    if image in left:
        left[image] -= others
        if not left[image]:
            del left[image]


def _order(cluster: Cluster) -> list[int]:
    return sorted(cluster.members)
