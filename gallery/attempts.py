"""Guessing: wrong passwords are counted for the account that is meant and for the address that asks."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest

from gallery.limits import LEFT, Limit, TooMany, client_of, take
from gallery.models import Allowance
from gallery.models.accounts import digest_of

WRONG, WITHIN = 10, 15 * 60
OF_ACCOUNT = Limit("wrong-name", WRONG, WITHIN)
OF_ADDRESS = Limit("wrong-from", WRONG, WITHIN)
INVITATION = Limit("invitation", WRONG, WITHIN)
"""Addresses of invitations, and of new passwords, that nobody has sent."""
SIGN_UP = Limit("sign-up", 10, 3600)
RESET = Limit("reset", 5, 3600)
"""Of one address, and for one account: a mailbox must not be flooded either."""


def look(limit: Limit, who: str) -> None:
    """TooMany if nothing could be taken now. Takes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(LEFT, [_key(limit, who)])
        row = cursor.fetchone()
    over = float(row[0]) + limit.seconds / limit.most - limit.seconds if row else 0.0
    if over > 0:
        raise TooMany(over)


def _key(limit: Limit, who: str) -> str:
    return f"{limit.name}:{who}"[:150]


def account_key(name: str) -> str:
    """Whether there is such an account or not; a digest, for people type their passwords into the wrong field."""
    return digest_of(name.strip().casefold())[:32]


class Attempt:
    """One try of a password. Several at the same moment may all pass ``__init__``; each is counted when it is wrong."""

    def __init__(self, request: HttpRequest, name: str) -> None:
        """TooMany if this account or this address has had too many wrong ones."""
        self.account, self.address = account_key(name), client_of(request)
        look(OF_ACCOUNT, self.account)
        look(OF_ADDRESS, self.address)

    def was_wrong(self) -> None:
        """Count it. TooMany where another one has come first."""
        take(OF_ADDRESS, self.address)
        take(OF_ACCOUNT, self.account)

    def was_right(self) -> None:
        """Free the account. Not the address: whoever owns one account would guess at others for ever."""
        Allowance.objects.filter(key=_key(OF_ACCOUNT, self.account)).delete()
