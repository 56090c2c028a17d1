"""Scores of somebody's model, written to the pictures of a collection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from gallery.models import User
from search.datasets.file_names import number_in
from search.datasets.scores import Line
from search.models import Collection, CollectionItem


def note_scores(collection: Collection, by: User, lines: Iterable[Line]) -> tuple[int, list[dict[str, Any]]]:
    """Write what a model says to the pictures of the collection. (how many, [{line, picture, why}] of the others)"""
    inside = collection.items_for(by)
    rows = list(inside.values_list("pk", "image", "image__name", "image__sha256"))
    book = _Book(rows)
    scores: dict[int, float] = {}
    unmatched: list[dict[str, Any]] = []
    for line in lines:
        item, why = book.find(line.picture)
        if item in scores:
            item, why = None, "The same picture stands in a line before."
        if item is None:
            unmatched.append({"line": line.number, "picture": line.picture[:200], "why": why})
        else:
            scores[item] = line.score
    changed = [CollectionItem(pk=pk, score=score) for pk, score in scores.items()]
    CollectionItem.objects.bulk_update(changed, ["score"], batch_size=2_000)
    return len(scores), unmatched


class _Book:
    """Pictures of a collection by all that they may be called."""

    def __init__(self, rows: Sequence[tuple[int, int, str, str]]) -> None:
        self.by_id = {image: item for item, image, _, _ in rows}
        self.by_content = {content: item for item, _, _, content in rows}
        self.by_name: dict[str, list[int]] = defaultdict(list)
        for item, _, name, _ in rows:
            self.by_name[name].append(item)

    def find(self, picture: str) -> tuple[int | None, str]:
        """(item, "") or (None, why not)"""
        if picture.isascii() and picture.isdecimal() and len(picture) < 19 and int(picture) in self.by_id:
            return self.by_id[int(picture)], ""
        if picture.lower() in self.by_content:
            return self.by_content[picture.lower()], ""
        name = picture.replace("\\", "/").rpartition("/")[2]
        named = self.by_name.get(picture) or self.by_name.get(name) or []
        if len(named) == 1:
            return named[0], ""
        if len(named) > 1:
            return None, f"{len(named)} pictures of the collection have this name: write their numbers."
        number = number_in(picture)  # as export_collection names files
        if number in self.by_id:
            return self.by_id[number], ""
        return None, "No picture of the collection is called so."
