"""Others' private pictures: the indexes hold them, since their owners search too, and nobody else must notice them.

Were their hits only dropped from the answer, it would be shorter by them, and tell of them. So as many more are asked
for as there are hidden ones; where these are many, only the others may be answered at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from gallery.models import Image
from search.engines._base import Hit
from search.filters import ids_of

MOST = 500
"""More than so many are kept out of the search itself: the ids of all other pictures are read for it, 0.15 s a
million."""


@dataclass(frozen=True)
class Hidden:
    user: AbstractBaseUser | AnonymousUser
    count: int
    """At most MOST + 1."""

    @classmethod
    def of(cls, user: AbstractBaseUser | AnonymousUser) -> Hidden:
        """One look into a small index."""
        return cls(user, len(Image.objects.hidden_from(user).order_by().values_list("pk")[: MOST + 1]))

    @property
    def are_many(self) -> bool:
        return self.count > MOST

    def visible(self) -> np.ndarray:
        """Sorted ids of all that may be answered."""
        return ids_of(Image.objects.visible_to(self.user))

    def among(self, hits: Iterable[Hit]) -> set[int]:
        """Ids of the hits that are hidden."""
        ids = {hit.image_id for hit in hits} if self.count else set()
        return (
            set(Image.objects.hidden_from(self.user).filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
        )

    def without(self, hits: dict[str, list[Hit]]) -> dict[str, list[Hit]]:
        """{engine: hits} as if they were not there: ranks count in the fusion."""
        out = self.among(hit for found in hits.values() for hit in found)
        return (
            {name: [hit for hit in found if hit.image_id not in out] for name, found in hits.items()} if out else hits
        )
