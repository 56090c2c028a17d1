"""How a fresh gallery gets its first account: a link that only the one at the terminal knows."""

from __future__ import annotations

from django.core import signing
from django.urls import reverse

from gallery.models import User

SALT = "gallery.welcome"
SECONDS = 24 * 3600


def gallery_is_claimed() -> bool:
    return User.objects.filter(is_superuser=True).exists()


def welcome_path() -> str:
    """The link's path. Good for a day, and only until there is a first account."""
    return reverse("welcome", args=[signing.dumps("", salt=SALT)])


def token_is_good(token: str) -> bool:
    try:
        signing.loads(token, salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        return False
    return True
