"""``manage.py collect "QUERY" --into NAME --owner NAME``: all that a search finds, into a collection."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from gallery.commands import GalleryCommand
from gallery.models import User
from search.datasets import keeping, saying, wishes, works
from search.datasets.answers import MOST, address_of
from search.datasets.errors import CollectionError
from search.models import CollectionWork


class Command(GalleryCommand):
    help = "Put all pictures that a query finds into a collection; it is made if there is none of this name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query", metavar="QUERY", help="In the language of searching, or plain words.")
        parser.add_argument("--into", required=True, metavar="NAME", help="Of the collection.")
        parser.add_argument("--owner", required=True, metavar="NAME", help="Whose it is, and who is asking.")
        parser.add_argument("--limit", type=int, default=10_000, metavar="N", help=f"From 1 to {MOST:,}.")

    def handle(self, *args: Any, query: str, into: str, owner: str, limit: int, **options: Any) -> None:
        person = person_called(owner)
        try:
            found = keeping.named(person, into)
            work = wishes.add(found, person, address=address_of(query), limit=limit)
            while not works.go_on(work):
                pass
        except CollectionError as error:
            raise CommandError(str(error)) from error
        if work.state != CollectionWork.State.DONE:
            raise CommandError(work.problem or f"The work is {work.get_state_display()}.")
        self.stdout.write(f"{saying.sentence(work)} The collection “{found.name}” is {found.token}.")


def person_called(name: str) -> User:
    person = User.objects.filter(username=name, is_active=True).first()
    if person is None:
        raise CommandError(f"There is nobody called “{name[:100]}” here.")
    return person
