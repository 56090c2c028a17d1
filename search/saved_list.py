"""The list of saved searches: one's own, those that others share, those that can be brought back; each in pages."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from search.by_name import PageAsked, Part, parts
from search.models import SavedSearch
from search.models.saved import SavedSearchQuerySet

PAGE = 50
Person = AbstractBaseUser | AnonymousUser


def saved_of(user: Person, asked: PageAsked) -> dict[str, Part]:
    """{"mine": ..., "others": ..., "deleted": ...}. CursorError."""
    return parts(_lists(user), asked, PAGE)


def _lists(user: Person) -> dict[str, SavedSearchQuerySet]:
    searches, own = SavedSearch.objects.select_related("owner"), {"owner": user.pk or 0}
    return {
        "mine": searches.alive().filter(**own),
        "others": searches.visible_to(user).exclude(**own),
        "deleted": searches.kept().filter(**own, deleted_at__isnull=False),
    }
