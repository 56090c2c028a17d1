"""Others' private pictures: no page, count, word or answer tells of them, and their owners find them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from gallery import opinions
from gallery.models import Image, OcrText, Tag, User
from gallery.pictures import Picture, decode
from ingestion.pipeline import Origin, complete, import_blocks, likenesses
from search import hidden
from search.complete import forget_vocabulary
from search.models import Collection, CollectionItem
from search.ocr_words import index_images
from search.query import Query
from search.retrieval import retrieve
from tests.pictures import encode, photo

TAG, CAPTION, OCR, NAME = "zanzibarish", "quokkatown", "flibbertig", "hushhush.jpg"
NONSENSE = "xylographer"
PK = 987_654_321
ASKED = [
    "/?sort=oldest",
    "/search/?q=harbour",
    "/search/?q=untagged",
    "/search/?q=is:tagged",
    "/search/?q=has:caption&sort=oldest",
    "/search/complete/?q=zanz",
    "/search/complete/?q=zanz&for=tags",
    "/search/complete/?q=tag:zan&at=7",
    "/search/feed.json?q=is:tagged",
    "/tags/?q=zanz",
    "/tags/?sort=name",
    "/api/images?limit=100",
    "/api/tags?limit=100",
    "/api/tags/complete?q=zanz",
    "/api/search?text=harbour",
]
_LEFT_OUT = ("admin/<", "^static", "logout", "welcome", "account/", "jsi18n", "autocomplete")
_DIFFERS = re.compile(r'"[A-Za-z0-9]{64}"|[\d.]+ seconds?')
"""Of two answers to the same question: the token of the form, and how long it took."""


def bring(seed: int, name: str, by: User | None = None, private: bool = False) -> Image:
    picture = encode(photo(seed, 160, 120))
    image = import_blocks([picture], name, Origin("upload", name, by=by, private=private)).image
    assert image
    assert complete(image) == []
    return Image.objects.get(pk=image.pk)


@pytest.fixture
def numbered(transactional_db: None) -> Iterator[None]:
    """The private picture has a number that stands nowhere by chance."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('gallery_image', 'id'))")
        (now,) = cursor.fetchone()
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('gallery_image', 'id'), %s)", [now])


def next_number(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('gallery_image', 'id'), %s, false)", [number])


@pytest.fixture
def people(transactional_db: None) -> dict[str, Any]:
    forget_vocabulary()
    made = {"alice": User.objects.create_user("alice"), "bob": User.objects.create_user("bob")}
    return made | {"mo": User.objects.create_user("mo", is_staff=True), "visitor": AnonymousUser()}


@pytest.fixture
def picture(numbered: None, people: dict[str, Any]) -> Image:
    """alice's, beside one of all that shows the same in another size, and has another tag."""
    alice = people["alice"]
    public = bring(1, "harbour.jpg")
    opinions.add_tag(public, "harbour", alice)
    next_number(PK)
    image = import_blocks(
        [encode(photo(1, 160, 120).resize((128, 96)))], NAME, Origin("upload", NAME, by=alice, private=True)
    ).image
    assert image
    assert image.pk == PK
    assert complete(image) == []
    opinions.add_tag(image, TAG, alice)
    opinions.write_caption(image, f"{CAPTION} at dusk", opinions.mark(opinions.NO_WORD), by=alice)
    OcrText.objects.create(image=image, text=f"the {OCR} sign", state="accepted")
    index_images([image.pk])
    return Image.objects.get(pk=PK)


def reader(user: Any) -> Client:
    client = Client(raise_request_exception=False)
    if user.is_authenticated:
        client.force_login(user)
    return client


def addresses(patterns: Any, before: str = "") -> Iterator[str]:
    """Every address of the site that names nothing: tests/test_roles.py asks for the picture by its own."""
    for each in patterns:
        part = before + str(each.pattern)
        if any(word in part for word in _LEFT_OUT) or getattr(each, "app_name", "") == "admin":
            continue
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, part)
        elif isinstance(each, URLPattern) and not re.search("[<(]", part):
            yield f"/{part}"


def beside(public: Image) -> list[str]:
    """Addresses of a picture that all see, whose answers could tell of the other one."""
    match = f"/search/like/{public.pk}/match/{PK}/"
    pages = [f"/image/{public.pk}/", f"/image/{public.pk}/history/", f"/search/strips/{public.pk}/", match]
    pages += [f"/search/like/{public.pk}/", f"/search/like/{public.pk}/tags/", f"{match}warped.webp"]
    return [*pages, f"/api/images/{public.pk}", f"/api/images/{public.pk}/similar", f"/search/like/{PK}/tags/"]


def shared_by(owner: User, *images: Image) -> list[str]:
    """Addresses of a collection in which both lie, found by a word of the private one."""
    kept = Collection.objects.create(owner=owner, name="mine", is_shared=True)
    for image in images:
        CollectionItem.objects.create(collection=kept, image=image, via=f"tag:{TAG}")
    return ["/collections/", f"/collections/{kept.token}/", f"/api/collections/{kept.token}/images"]


def test_nobody_else_learns_of_it(picture: Image, people: dict[str, Any]):
    public, tag = Image.objects.exclude(pk=PK).get(), Tag.objects.get(name=TAG)
    secrets = [str(PK), TAG, CAPTION, OCR, NAME, picture.sha256, picture.sha256[:12]]
    asked = [*ASKED, *beside(public), *shared_by(people["alice"], public, picture), picture.thumbnail.url]
    every = list(
        dict.fromkeys([*asked, f"/tags/{tag.pk}/", f"/api/tags/{tag.pk}", *addresses(get_resolver().url_patterns)])
    )
    assert len(every) > 60
    assert "/search/duplicates/" in every
    shown = "".join(reader(people["alice"]).get(address).content.decode() for address in ("/", f"/image/{PK}/"))
    assert not [secret for secret in secrets if secret not in shown]
    closed = set()
    for name, some in (("bob", every), ("mo", every), ("visitor", asked)):
        client = reader(people[name])
        for address in some:
            if name == "mo" and address not in closed and address not in asked:
                continue  # as bob sees it
            response = client.get(address)
            assert response.status_code < 500, (name, address)
            closed |= {address} if response.status_code == 403 else set()
            body = b"".join(response) if response.streaming else response.content
            text = body.decode(errors="ignore").replace(address, "")
            assert not [secret for secret in secrets if secret in text.replace(f"/{PK}/", "/")], (name, address)
    assert len(closed) > 10


def test_its_place_in_a_shared_collection_is_empty(picture: Image, people: dict[str, Any]):
    public = Image.objects.exclude(pk=PK).get()
    _, page, listed = shared_by(people["alice"], public, picture)
    for name, count, via in (("alice", 2, f"tag:{TAG}"), ("bob", 1, ""), ("visitor", 1, "")):
        client = reader(people[name])
        items = client.get(listed).json()["items"]
        assert (len(items), items[0]["via"]) == (count, via)
        assert client.get(listed.removesuffix("/images")).json()["count"] == count
        assert (TAG in client.get(page).content.decode()) == (name == "alice")


@pytest.mark.parametrize("name", ["visitor", "bob"])
def test_asking_for_its_words_is_asking_for_nothing(picture: Image, people: dict[str, Any], name: str):
    """The same answer to the letter as for words that stand nowhere."""
    client = reader(people[name])

    def said(question: str, word: str) -> str:
        page = client.get("/search/", {"q": question.format(word)})
        return _DIFFERS.sub("", page.content.decode()).replace(word, "WORD")

    for question in ("{}", "tag:{}", "harbour, tag:{}"):
        expected = said(question, NONSENSE)
        for word in (TAG, CAPTION, OCR):
            assert said(question, word) == expected, (question, word)


def test_its_owner_finds_it(picture: Image, people: dict[str, Any]):
    client = reader(people["alice"])
    link = picture.get_absolute_url()
    for question in (TAG, CAPTION, OCR, f"tag:{TAG}", "flibertig"):
        assert link in client.get("/search/", {"q": question}).content.decode(), question
    assert TAG in client.get("/search/complete/?q=zanz").content.decode()
    query = Query(picture=decode_bytes(encode(photo(1, 160, 120))))
    assert PK in [found.image.pk for found in retrieve(query, people["alice"]).found]
    assert PK not in [found.image.pk for found in retrieve(query, people["bob"]).found]
    assert PK not in [one.image for one in likenesses(query.picture, people["bob"])[0]]


@pytest.mark.parametrize("most", [hidden.MOST, 1])
def test_they_crowd_nobody_out(people: dict[str, Any], monkeypatch, most: int):
    """Five private copies are nearer than the public one; few are asked past, many are left out of the search."""
    monkeypatch.setattr(hidden, "MOST", most)
    monkeypatch.setattr("search.engines.local_features._CANDIDATES", 2)
    photograph = photo(1, 160, 120)
    for quality in range(90, 95):
        origin = Origin("upload", f"{quality}.jpg", by=people["alice"], private=True)
        image = import_blocks([encode(photograph, quality=quality)], "a.jpg", origin).image
        assert image
        assert complete(image) == []
    public = bring_small(photograph)
    asked = Query(picture=decode_bytes(encode(photograph, quality=88)))
    for engines in (["phash", "local_features"], ["phash"], ["local_features"]):
        answer = retrieve(asked, people["bob"], limit=1, engines=engines)
        assert [found.image.pk for found in answer.found] == [public.pk], engines
        assert not answer.weak


def bring_small(photograph: Any) -> Image:
    image = import_blocks([encode(photograph.resize((120, 90)))], "b.jpg", Origin("upload", "b.jpg")).image
    assert image
    assert complete(image) == []
    return image


def decode_bytes(data: bytes) -> Picture:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        Path(file.name).write_bytes(data)
        return decode(Path(file.name))
