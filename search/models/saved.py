"""Searches that somebody has named, to come back to and to follow as a feed."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from search.models.queries import new_token

KEPT = timedelta(days=1)
"""So long a deleted one can be brought back."""


class SavedSearchQuerySet(models.QuerySet["SavedSearch"]):
    def alive(self) -> SavedSearchQuerySet:
        return self.filter(deleted_at__isnull=True)

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> SavedSearchQuerySet:
        """One's own, and those that others share."""
        own = Q(owner=user.pk) if user.is_authenticated else Q()
        return self.alive().filter(Q(is_shared=True) | own if own else Q(is_shared=True))

    def kept(self) -> SavedSearchQuerySet:
        """Those that are there, and those that can be brought back."""
        return self.exclude(pk__in=self.expired().values("pk"))

    def expired(self) -> SavedSearchQuerySet:
        return self.filter(deleted_at__lt=Now() - KEPT)


class SavedSearch(models.Model):
    """The address of an answer under a name. Whoever knows the token may follow it, shared or not."""

    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    name = models.CharField(max_length=100)
    address = models.CharField(max_length=4000, help_text="Path and query of the page that shows the answer.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_searches")
    is_shared = models.BooleanField(default=False, help_text="Everybody who may look at the gallery sees it.")
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[SavedSearchQuerySet] = SavedSearchQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name_plural = "saved searches"
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"], name="saved_search_once", condition=Q(deleted_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def query(self) -> str:
        """Of its address, without the path."""
        return urlsplit(self.address).query

    @property
    def is_in_words(self) -> bool:
        """Then it can be followed: what is like a picture, or in its colours, has no order of arrival."""
        return urlsplit(self.address).path == reverse("search")
