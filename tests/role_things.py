"""One of everything that an address can name, most of it of one owner, for tests/test_roles.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.tokens import default_token_generator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.timezone import now

from gallery import opinions
from gallery.models import ApiToken, Batch, Image, ImageSource, Invitation, OcrText, Role, TagWork, User
from gallery.originals import path_of
from ingestion.filters import all_scores
from ingestion.models import Decision, HeldUpload, WatchedFolder
from search.models import Collection, CollectionItem, CollectionWork, QueryPicture, SavedSearch
from tests.gallery.made import rows, tag_called
from tests.ingestion.waiting import a_source, drawn, person, wait

NOT_MADE = re.compile("search/duplicates/.*<|search/.*/match/|import/words/line/<|admin/(models|novelty)/.|api/<path")
"""Addresses of what takes many rows to make: whoever may ask is told that it is not there."""
PLACE = re.compile(r"<(?:\w+:)?(\w+)>|\{(\w+)\}|\(\?P<(\w+)>.*\)(?=\\Z)")


@dataclass(frozen=True)
class Things:
    """``named``: [(how an address begins, {argument: value})], the first that fits is the one that is meant."""

    named: list[tuple[str, dict[str, Any]]]

    def at(self, place: str) -> str:
        """The address, with what it names."""
        known = next((values for begin, values in self.named if re.match(begin, place)), {})
        filled = PLACE.sub(lambda found: str(known[found[1] or found[2] or found[3]]), place)
        return "/" + re.sub(r"^\^|\\Z|\$$", "", filled)


def everybody() -> dict[str, User]:
    """{reader: account}"""
    people = {name: person(name) for name in ("member", "owner")}
    return people | {"moderator": person("moderator", is_staff=True), "admin": staff("admin")}


def staff(name: str) -> User:
    return person(name, is_staff=True, is_superuser=True)


def a_picture(owner: User, private: bool = False) -> Image:
    image = Image.objects.get(pk=rows(1)[0])
    Image.objects.filter(pk=image.pk).update(private=private)
    image.refresh_from_db()
    image.owners.add(owner)
    ImageSource.objects.create(image=image, kind="upload", address="mine.jpg", by=owner)
    for file in (path_of(image.sha256, image.format), image.thumbnail.path):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(drawn(1)[1])
    return image


def things(people: dict[str, User], private: bool = False) -> Things:
    """``private``: the picture is for its owner only."""
    owner, image = people["owner"], a_picture(people["owner"], private)
    other, hidden = a_picture(owner, private), a_picture(owner, private=True)
    opinions.add_tag(image, "sea", owner)
    opinions.write_caption(image, "the sea", opinions.mark(opinions.NO_WORD), by=owner)
    text = OcrText.objects.create(image=image, text="no swimming", state="accepted")
    tag = tag_called("sea")
    words = {"tag": tag.pk, "caption": image.captions.get().pk, "text": text.pk, "edit": image.edits.first().pk}
    of_image = {"pk": image.pk, "id": image.pk, "image": image.pk, "other": other.pk, "longest": 360, **words}
    batch = Batch.objects.create(by=owner, sentence="added sea to 1 picture")
    image.edits.update(batch=batch)
    return Things(
        [
            ("image/|search/(like|strips)/|api/images/|api/uploads/jobs/of/", of_image),
            ("changes/", {"batch": batch.pk}),
            ("tags/changes/", {"pk": TagWork.objects.create(kind="rename", tag=tag, name="sea", state="undone").pk}),
            ("tags/|api/tags/", {"pk": tag.pk, "id": tag.pk}),
            ("search/q/", {"token": _query().token, "pk": image.pk}),
            ("(search/saved|(api/)?(saved|collections))/.*/restore", {"token": _deleted(owner)}),
            ("search/saved/|api/saved/", {"token": _saved(owner, is_shared=True).token}),
            ("(api/)?collections/", _collected(owner, image)),
            *_brought(owner, image),
            *_of_accounts(people),
            *_mined(people["moderator"]),
            (r"\^r/", {"path": image.thumbnail.url.split("/", 2)[2]}),
            (r"\^private/", {"path": hidden.thumbnail.url.split("/", 2)[2]}),
        ]
    )


def _query() -> QueryPicture:
    query = QueryPicture(name="a.jpg", format="JPEG", width=64, height=48, expires_at=now() + timedelta(hours=1))
    query.path.parent.mkdir(parents=True, exist_ok=True)
    query.path.write_bytes(drawn(1)[1])
    query.save()
    return query


def _saved(owner: User, **facts: Any) -> SavedSearch:
    return SavedSearch.objects.create(owner=owner, name="sea", address="/search/?q=tag:sea", **facts)


def _deleted(owner: User) -> str:
    """The token of a saved search, and of a collection, that can be brought back."""
    token = _saved(owner, deleted_at=now()).token
    Collection.objects.create(owner=owner, name="gone", deleted_at=now(), token=token)
    return token


def _collected(owner: User, image: Image) -> dict[str, str]:
    """Shared: everybody may look at it."""
    collection = Collection.objects.create(owner=owner, name="sea", is_shared=True)
    CollectionItem.objects.create(collection=collection, image=image)
    work = CollectionWork.objects.create(collection=collection, kind="add", state="done", by=owner)
    return {"token": collection.token, "work": work.token}


def _brought(owner: User, image: Image) -> list[tuple[str, dict[str, Any]]]:
    facts = {"sha256": "ab" * 32, "format": "JPEG", "width": 320, "height": 240, "bytes": len(drawn(1)[0])}
    held = HeldUpload.objects.create(name="edit.jpg", by=owner, origin={"kind": "upload", "address": "a"}, **facts)
    held.path.parent.mkdir(parents=True, exist_ok=True)
    held.path.write_bytes(drawn(1)[0])
    return [
        ("import/held/", {"token": held.token}),
        ("api/uploads/", {"token": held.token, "job": held.token}),
        ("import/folder/", {"pk": WatchedFolder.objects.create(path="/nowhere").pk}),
        ("import/words/line/", {"pk": 1}),
    ]


def _of_accounts(people: dict[str, User]) -> list[tuple[str, dict[str, Any]]]:
    token, _ = ApiToken.issue(people["owner"], "script", ["read"])
    invitation, secret = Invitation.issue(people["admin"], "", Role.MEMBER, timedelta(days=1))
    waiting = person("waiting", is_active=False, asked_at=now())
    link = default_token_generator.make_token(people["member"])
    reset = {"uidb64": urlsafe_base64_encode(force_bytes(people["member"].pk)), "token": link}
    return [
        ("api/<path", {"rest": "nothing"}),
        ("account/tokens/", {"pk": token.pk}),
        ("account/invitation/", {"secret": secret}),
        ("account/reset/", reset),
        ("welcome/", {"token": "x"}),
        ("admin/accounts/invitations/", {"pk": invitation.pk}),
        ("admin/accounts/.*/(approve|refuse)/", {"pk": waiting.pk}),
        ("admin/accounts/", {"pk": person("somebody").pk}),
    ]


def _mined(moderator: User) -> list[tuple[str, dict[str, Any]]]:
    source, candidate = a_source(), wait(1)
    decision, score = Decision.objects.create(action="skip", by=moderator), next(iter(all_scores()))
    return [
        ("admin/models/|admin/novelty/|search/duplicates/", {"pk": 1, "batch": NOBODY, "run": NOBODY}),
        ("admin/sources/add/", {"kind": "page"}),
        ("admin/sources/|api/sources/", {"name": source.name}),
        ("admin/moderation/log/|api/candidates/decisions/", {"pk": decision.pk, "id": decision.pk}),
        ("admin/scores/|api/candidates/scores/", {"name": score}),
        ("admin/moderation/|api/candidates/", {"token": candidate.token}),
    ]


NOBODY = "00000000-0000-4000-8000-000000000000"
