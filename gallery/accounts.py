"""What admins decide about accounts, and what goes with one that its owner deletes."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from gallery.models import Image, Role, User

REFUSED_FOR = timedelta(days=1)
"""So long a refusal can be undone; then the name is free again."""
MOST_WAITING = 1_000
LAST_ADMIN = "This is the last admin: make somebody else an admin first."


class AccountError(Exception):
    """Why that cannot be done, for who asked."""


# --- who has signed up: see accounts_waiting.py
def forget_refused() -> None:
    User.objects.filter(refused_at__lt=Now() - REFUSED_FOR, is_active=False, asked_at__isnull=False).delete()


# --- who is here
@transaction.atomic
def change_role(pk: int, role: Role) -> User:
    """AccountError."""
    person = _held(pk)
    if role < Role.ADMIN:
        _require_another_admin(person)
    person.take_role(role)
    person.save(update_fields=["is_staff", "is_superuser"])
    return person


@transaction.atomic
def deactivate(pk: int) -> User:
    """Sessions and tokens stop at once, for both ask whether the account is active. AccountError."""
    person = _held(pk)
    _require_another_admin(person)
    person.is_active = False
    person.save(update_fields=["is_active"])
    return person


@transaction.atomic
def reactivate(pk: int) -> User:
    person = _held(pk)
    person.is_active = True
    person.save(update_fields=["is_active"])
    return person


def sign_out_everywhere(pk: int) -> None:
    """End all sessions. Tokens stay: they are revoked one by one."""
    User.objects.filter(pk=pk).update(sign_outs=F("sign_outs") + 1)


def _held(pk: int) -> User:
    """The admins are held too, always in the same order: two that step down at once must not both be the last but one.

    AccountError if nobody has this number.
    """
    list(User.objects.admins().order_by("pk").select_for_update(no_key=True))
    person = User.objects.approved().filter(pk=pk).select_for_update(no_key=True).first()
    if person is None:
        raise AccountError("There is no such account any more.")
    return person


def _require_another_admin(person: User) -> None:
    if person.is_superuser and person.is_active and not User.objects.admins().exclude(pk=person.pk).exists():
        raise AccountError(LAST_ADMIN)


# --- who goes
@transaction.atomic
def delete_account(user: User) -> int:
    """The account, its tokens, saved searches and collections. Returns how many of its pictures went to the trash.

    Private ones nobody else would find again, so they go there; those that others own too, and public ones, stay.
    AccountError for the last admin.
    """
    _require_another_admin(_held(user.pk))
    alone = private_of(user)
    trashed = sum(image.trash() for image in alone)
    User.objects.filter(pk=user.pk).delete()
    return trashed


def private_of(user: User) -> list[Image]:
    """Pictures that only this person sees."""
    others = Image.owners.through.objects.filter(image_id=OuterRef("pk")).exclude(user_id=user.pk)
    return list(user.pictures.filter(~Exists(others), private=True, trashed_at=None))
