"""Who sees a picture: only its owners, or everybody. Written down in its history, and undone by doing the other thing.

What was known of a picture while it was public may have been kept by browsers, readers of feeds and search engines:
nobody can take that back, and the pages say so.
"""

from __future__ import annotations

from django.db import transaction

from gallery.history import lock, record
from gallery.models import Edit, Image, User

NOT_YOURS = "Only who has brought a picture alone may say who sees it."
OWNERLESS = "Nobody has brought this picture with an account, so that there is nobody whom it could be for."


class SharingError(ValueError):
    """This cannot be done with this picture: a sentence."""


def share(image: Image, private: bool, by: User) -> bool:
    """``private``: only for its owners. False if it was so already. SharingError; Overtaken if it is gone."""
    if not image.may_change(by):
        raise SharingError(NOT_YOURS)
    with transaction.atomic():
        lock(image)
        if private and not image.owners.exists():
            raise SharingError(OWNERLESS)
        if not image.set_private(private):
            return False
        states = {"private": not private}, {"private": private}
        record(image, Edit.Kind.PRIVATE, ["private"], states, about=image.name, by=by)
    return True
