"""Who is here, and what may be done in whose name."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AbstractUser, AnonymousUser, UserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

USED_EVERY = timedelta(minutes=1)
"""The last use of a token is written down so often: each request would be a write otherwise."""


class Role(models.IntegerChoices):
    """What somebody may do; each may all that the ones before may. The README has the table."""

    ANONYMOUS = 0, "visitor"
    MEMBER = 1, "member"
    MODERATOR = 2, "moderator"
    ADMIN = 3, "admin"


class UserQuerySet(models.QuerySet["User"]):
    def waiting(self) -> UserQuerySet:
        """Who has signed up and is neither approved nor refused."""
        return self.filter(asked_at__isnull=False, refused_at=None, is_active=False)

    def approved(self) -> UserQuerySet:
        """All who are or were let in, also those who are deactivated."""
        return self.filter(asked_at=None)

    def admins(self) -> UserQuerySet:
        return self.filter(is_superuser=True, is_active=True)


class People(UserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Django's, with our questions."""

    use_in_migrations = False


class User(AbstractUser):
    """Our own from the first migration on: changing the user model later is not possible.

    Django's flags are the role: a superuser is an admin, other staff are moderators.
    """

    asked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Signed up then, and waits for an admin to approve."
    )
    refused_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="An admin said no; the name is free again a day later."
    )
    seen_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="Was here, to the hour.")
    sign_outs = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="So often all sessions were ended at once."
    )

    objects: ClassVar[People] = People()

    class Meta(AbstractUser.Meta):  # type: ignore[name-defined] # made at run time
        indexes: ClassVar = [
            models.Index(fields=["asked_at"], name="user_waiting", condition=Q(asked_at__isnull=False)),
        ]

    @property
    def role(self) -> Role:
        if not self.is_active:
            return Role.ANONYMOUS
        return Role.ADMIN if self.is_superuser else Role.MODERATOR if self.is_staff else Role.MEMBER

    def get_session_auth_hash(self) -> str:
        """Sessions hold it, and end when it changes: with the password, and when all of them are ended."""
        return f"{super().get_session_auth_hash()}.{self.sign_outs}"

    def take_role(self, role: Role) -> None:
        """In memory only: save is_staff and is_superuser."""
        self.is_staff, self.is_superuser = role >= Role.MODERATOR, role == Role.ADMIN


def role_of(user: AbstractBaseUser | AnonymousUser | None) -> Role:
    return user.role if isinstance(user, User) else Role.ANONYMOUS


class Scope(models.TextChoices):
    """What a token may be used for, as far as its owner's role goes."""

    READ = "read", "look and search"
    WRITE = "write", "add, edit and collect pictures"
    MODERATE = "moderate", "moderate"
    ADMIN = "admin", "run the gallery"


def digest_of(secret: str) -> str:
    """Secrets of 256 random bits need no slow hash: there is nothing to guess."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def alive(self) -> ApiTokenQuerySet:
        lasts = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
        return self.filter(lasts, revoked_at__isnull=True, user__is_active=True)

    def of_secret(self, secret: str) -> ApiToken | None:
        return self.alive().select_related("user").filter(digest=digest_of(secret)).first()


class ApiToken(models.Model):
    """A key that a program shows in place of a password. Only its digest is kept: it is shown once."""

    PREFIX = "lka_"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False, help_text="Its first letters, to know it again.")
    scopes = ArrayField(models.CharField(max_length=8, choices=Scope.choices))
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[ApiTokenQuerySet] = ApiTokenQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @classmethod
    def issue(
        cls, user: User, name: str, scopes: list[str], expires_at: datetime | None = None
    ) -> tuple[ApiToken, str]:
        """(the row, its secret, which nobody can ask for again)."""
        secret = cls.PREFIX + secrets.token_urlsafe(32)
        row = cls.objects.create(
            user=user, name=name, scopes=scopes, expires_at=expires_at, digest=digest_of(secret), hint=secret[:8]
        )
        return row, secret

    def used(self) -> None:
        """Note the time, at most every USED_EVERY."""
        old = Q(last_used_at__isnull=True) | Q(last_used_at__lt=Now() - USED_EVERY)
        ApiToken.objects.filter(old, pk=self.pk).update(last_used_at=Now())


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def of_secret(self, secret: str) -> InvitationQuerySet:
        return self.open().filter(digest=digest_of(secret))

    def open(self) -> InvitationQuerySet:
        """Good as long as whoever made it is an admin: nobody comes back with a link that was put aside."""
        still = {"by__is_superuser": True, "by__is_active": True}
        return self.filter(used_at__isnull=True, revoked_at__isnull=True, expires_at__gt=Now(), **still)


class Invitation(models.Model):
    """A link that makes one account, without an approval."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    note = models.CharField(max_length=100, blank=True, help_text="For whom it is.")
    role = models.PositiveSmallIntegerField(choices=Role.choices[1:], default=Role.MEMBER)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="invitations")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.OneToOneField(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="invitation")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[InvitationQuerySet] = InvitationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.note or f"invitation {self.pk}"

    @classmethod
    def issue(cls, by: User, note: str, role: Role, lasts: timedelta) -> tuple[Invitation, str]:
        """(the row, the secret of its link, which nobody can ask for again)."""
        secret = secrets.token_urlsafe(32)
        row = cls.objects.create(by=by, note=note, role=role, expires_at=Now() + lasts, digest=digest_of(secret))
        row.refresh_from_db(fields=["expires_at"])
        return row, secret


class Allowance(models.Model):
    """How much of something somebody has left, as one moment; see gallery/limits.py. Not written to the log of the
    database (UNLOGGED): after a crash everybody may begin anew."""

    key = models.CharField(max_length=150, primary_key=True, help_text="What, and who: search:203.0.113.4")
    free_at = models.DateTimeField(help_text="When all of it will be there again.")

    def __str__(self) -> str:
        return self.key
