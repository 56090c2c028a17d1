"""The lines that the README shows of the API do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.gallery.made import rows
from tests.pictures import encode, photo

README = Path(__file__).resolve().parents[1] / "README.md"


def lines() -> list[str]:
    section = README.read_text(encoding="utf-8").partition("\n## API\n")[2].partition("\n## ")[0]
    return re.findall("^curl .*$", section, re.MULTILINE)


def sent(line: str, token: str, id: int) -> Any:
    """What curl would send."""
    assert not re.search(r"[<>^|`{}\\]", shlex.split(line)[-1].replace("$GALLERY", "")), "web servers refuse that: 400"
    words = shlex.split(line.replace("$TOKEN", token).replace("$GALLERY", "").replace("/images/1", f"/images/{id}"))
    headers: dict[str, str] = {}
    method, body, options = "", None, iter(words[1:-1])
    for option, value in zip(options, options, strict=True):
        if option == "-H":
            name, _, said = value.partition(": ")
            headers[name] = said
        elif option == "-X":
            method = value
        elif option == "-d":
            body = value
        elif option == "-F":
            name, _, _ = value.partition("=@")
            body = {name: SimpleUploadedFile("photo.jpg", encode(photo(1)))}
    kind = {"content_type": headers.pop("Content-Type")} if "Content-Type" in headers else {}
    address = urlsplit(words[-1])
    path = f"{address.path}?{address.query}" if address.query else address.path
    ask = getattr(Client(), (method or ("POST" if body else "GET")).lower())
    return ask(path, body, headers=headers, **kind) if body else ask(path, headers=headers)


@pytest.mark.django_db
def test_it_works(admin: Any) -> None:
    from gallery.models import ApiToken, Image

    _, token = ApiToken.issue(admin, "readme", ["read", "write"])
    (pk,) = rows(1)
    assert len(lines()) >= 5
    for line in lines():
        response = sent(line, token, pk)
        assert response.status_code in (200, 204), (line, response.content)
    image = Image.objects.get(pk=pk)
    assert image.caption == "A boat"
    assert image.trashed_at is not None
