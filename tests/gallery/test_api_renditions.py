"""Sized copies through the API: for whoever may see the picture, also with a token."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client
from PIL import Image as Pillow

from gallery import renditions
from gallery.models import ApiToken, Image, User
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


def bearer(user: User) -> dict[str, str]:
    _, secret = ApiToken.issue(user, "test", ["read"])
    return {"authorization": f"Bearer {secret}"}


@pytest.fixture
def image() -> Image:
    """One of 101 x 100 pixels, with its copy."""
    image = Image.objects.get(pk=rows(1)[0])
    put(image)
    return image


def put(image: Image) -> None:
    path = image.thumbnail.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(renditions.webp(Pillow.new("RGB", (image.width, image.height), "teal")))


def opened(response: Any) -> tuple[str, tuple[int, int]]:
    with Pillow.open(io.BytesIO(b"".join(response.streaming_content))) as picture:
        return picture.format, picture.size


def test_it_works(client: Client, image: Image) -> None:
    response = client.get(f"/api/images/{image.pk}/renditions/360")
    assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
    assert opened(response) == ("WEBP", (101, 100))
    assert {"private", "max-age=86400"} <= set(response["Cache-Control"].split(", "))


@pytest.mark.parametrize("longest", ["720", "1", "361"])
def test_what_is_not_there_is_not_found(client: Client, image: Image, longest: str) -> None:
    response = client.get(f"/api/images/{image.pk}/renditions/{longest}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_what_is_not_made_yet_is_not_found(client: Client, image: Image) -> None:
    image.thumbnail.path.unlink()
    assert client.get(f"/api/images/{image.pk}/renditions/360").status_code == 404


@pytest.mark.parametrize("longest", ["0", "-1", "x", "9" * 30])
def test_rejects_what_is_no_size(client: Client, image: Image, longest: str) -> None:
    response = client.get(f"/api/images/{image.pk}/renditions/{longest}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


def test_a_closed_gallery_names_it_and_asks_for_a_token(
    client: Client, image: Image, member: User, settings: Any
) -> None:
    assert "/api/" not in client.get(f"/api/images/{image.pk}").json()["thumbnail"]  # the public mount is faster
    settings.ACCESS = "members"
    headers = bearer(member)
    said = client.get(f"/api/images/{image.pk}", headers=headers).json()
    assert said["thumbnail"] == said["renditions"][0]["url"]
    path = said["thumbnail"].removeprefix("http://testserver")
    assert opened(client.get(path, headers=headers)) == ("WEBP", (101, 100))
    assert client.get(path).status_code == 401


def test_a_private_one_is_for_its_owner_only(
    client: Client, image: Image, member: User, admin: User, django_user_model: Any
) -> None:
    image.owners.add(member)
    Image.objects.filter(pk=image.pk).update(private=True)
    image = Image.objects.get(pk=image.pk)
    put(image)
    path = f"/api/images/{image.pk}/renditions/360"
    said = client.get(f"/api/images/{image.pk}", headers=bearer(member)).json()
    assert said["thumbnail"] == f"http://testserver{path}"
    response = client.get(path, headers=bearer(member))
    assert opened(response) == ("WEBP", (101, 100))
    assert "max-age=300" in response["Cache-Control"]
    other = django_user_model.objects.create(username="eve")
    assert client.get(path).status_code == client.get(path, headers=bearer(other)).status_code == 404


def test_a_lost_original_is_gone(client: Client, image: Image) -> None:
    response = client.get(f"/api/images/{image.pk}/original")
    assert (response.status_code, response.json()["code"]) == (410, "missing")
