"""The original: the bytes as they came, in a wrapping that no browser runs."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from django.test import Client

from gallery import originals
from gallery.models import Image
from gallery.pictures import MIME
from ingestion.pipeline import Origin, complete, import_blocks
from tests.pictures import encode, photo


def body(response) -> bytes:
    return b"".join(response.streaming_content)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_it_works(transactional_db, client: Client, format: str):
    data = encode(photo(1), format)
    image = import_blocks([data], "x", Origin("upload", "x")).image
    complete(image)
    response = client.get(f"/image/{image.pk}/original/")
    assert body(response) == data
    assert response["Content-Type"] == MIME[format]
    assert response["Content-Length"] == str(len(data))


def test_wraps_it_so_that_no_browser_runs_it(add, client: Client):
    response = client.get(f"/image/{add(1).pk}/original/")
    response.close()
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    "name",
    [
        "beach.jpg",
        "Strand bei Zürich.jpg",
        "写真🏖.png",
        "a\"b';c=d,e%20f.jpg",
        "x.jpg\r\nSet-Cookie: a=b",
        "../../etc/passwd",
        "C:\\Windows\\x.jpg",
        "gpj.\u202eexe.jpg",
        "\x00.jpg",
        "",
        "a" * 5000 + ".jpg",
        "<script>.svg",
    ],
)
def test_handles_hostile_names(add, client: Client, name: str):
    image = add(1)
    Image.objects.update(name=name.replace("\x00", "")[:255])
    response = client.get(f"/image/{image.pk}/original/")
    assert body(response)
    start, said = response["Content-Disposition"].split("''")
    assert start == "attachment; filename*=UTF-8"
    assert said.isascii()
    assert not set(said) & set("\r\n\"'; ,/\\")
    assert quote(unquote(said), safe="") == said
    assert unquote(said)
    assert "Set-Cookie" not in response


def test_head_has_the_headers_only(add, client: Client):
    response = client.head(f"/image/{add(1).pk}/original/")
    assert (response.status_code, response["Content-Type"]) == (200, "image/jpeg")


def test_says_that_the_file_is_missing(add, client: Client):
    image = add(1)
    originals.remove(image.sha256, image.format)
    response = client.get(f"/image/{image.pk}/original/")
    assert response.status_code == 503
    assert "The file of this picture is missing." in response.content.decode()
    assert str(originals.path_of(image.sha256, image.format)) not in response.content.decode()


def test_says_so_too_when_something_else_lies_there(add, client: Client):
    image = add(1)
    originals.remove(image.sha256, image.format)
    originals.path_of(image.sha256, image.format).mkdir()
    assert client.get(f"/image/{image.pk}/original/").status_code == 503
