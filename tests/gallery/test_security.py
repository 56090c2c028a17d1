"""No door is open: headers of what is answered, forged forms, what pictures tell, and the settings for the public."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, include, path
from PIL import Image as Pillow
from PIL import PngImagePlugin

from gallery import renditions
from gallery.formats import DecoderBusy
from gallery.models import Image, User
from gallery.pictures import decode
from tests.gallery.made import rows
from tests.gallery.test_errors import denies, fails
from tests.pictures import photo

ROOT = Path(__file__).resolve().parents[2]
EVIL = "https://evil.example"
WITH_ARGUMENT = re.compile(r"<(?:(\w+):)?(\w+)>|\(\?P<(\w+)>[^()]*(?:\([^()]*\)[^()]*)*\)")
ARGUMENTS = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000", "path": "1", "str": "x", "slug": "x"}


def is_busy(request: HttpRequest) -> HttpResponse:
    raise DecoderBusy


urlpatterns = [
    path("fails/", fails),
    path("denies/", denies),
    path("busy/", is_busy),
    path("", include("gallery.urls")),
]


def addresses(patterns: Any = None, before: str = "/") -> Iterator[str]:
    """One of each pattern, with something in the place of its arguments."""
    for each in get_resolver("gallery.urls").url_patterns if patterns is None else patterns:
        written = before + re.sub(r"^\^|\\Z|\$$|\\", "", str(each.pattern))
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, written)
        elif isinstance(each, URLPattern):
            yield WITH_ARGUMENT.sub(lambda found: ARGUMENTS.get(found[1] or "str", "x"), written)


ADDRESSES = sorted(set(addresses()))


def is_guarded(response: Any) -> None:
    """Headers that every answer of Django's has."""
    policy = response["Content-Security-Policy"]
    for directive in ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert directive in policy or policy == "default-src 'none'; sandbox"
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)  # all comes from here
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    told = [name for name in response.headers if name.startswith(("Access-Control-", "Server", "X-Powered"))]
    assert told == []


@pytest.mark.django_db
def test_it_works():
    """All addresses are asked in tests/test_roles.py; here is Django's own part, for whom it is."""
    client = signed_in("admin")
    own = [address for address in ADDRESSES if address.startswith("/admin/gallery")]
    assert len(own) > 10
    for address in [*own, "/admin/", "/admin/autocomplete/"]:
        response = client.get(address, headers={"Origin": EVIL})
        assert response.status_code < 500, address
        is_guarded(response)


def signed_in(role: str) -> Client:
    client = Client(raise_request_exception=False)
    if role != "visitor":
        staff = {"is_staff": role != "member", "is_superuser": role == "admin"}
        client.force_login(User.objects.create(username=role, **staff))
    return client


@pytest.mark.django_db
def test_a_form_of_another_site_does_nothing():
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies = signed_in("admin").cookies
    for address in ADDRESSES:
        response = client.post(address, {"a": "b"}, headers={"Origin": EVIL, "Sec-Fetch-Site": "cross-site"})
        assert response.status_code in (401, 403, 404, 405), (address, response.status_code)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "address", "form"),
    [
        (400, "/?sort=x", None),
        (403, "/denies/", None),
        (404, "/nowhere/", None),
        (405, "/logout/", None),
        (413, "/login/", {"picture": SimpleUploadedFile("a.jpg", b"x" * 3_000_000)}),
        (429, "/search/?q=tag:x", None),
        (500, "/fails/", None),
        (503, "/busy/", None),
    ],
)
def test_pages_of_errors_are_guarded_too(settings, status: int, address: str, form: dict | None):
    settings.ROOT_URLCONF, settings.SEARCHES_PER_MINUTE = __name__, 1
    client = Client(raise_request_exception=False)
    for _ in range(2 if status == 429 else 1):
        response = client.post(address, form) if form else client.get(address)
    assert response.status_code == status
    is_guarded(response)


@pytest.mark.django_db
@pytest.mark.parametrize("place", [EVIL, "//evil.example", "/\\evil.example", "https:evil.example", "javascript:a(1)"])
def test_signing_in_leads_nowhere_else(client: Client, place: str):
    User.objects.create_user("ada", password="open sesame 12")
    form = {"username": "ada", "password": "open sesame 12", "next": place}
    assert client.post("/login/", form)["Location"] == "/"
    assert client.get("/login/", {"next": place})["Location"] == "/"  # already signed in
    assert client.post("/logout/", {"next": place})["Location"] == "/"


@pytest.mark.django_db
def test_an_original_is_only_ever_a_file(client: Client, settings, tmp_path: Path):
    from gallery import originals

    settings.MEDIA_ROOT = tmp_path
    (pk,) = rows(1)
    Image.objects.filter(pk=pk).update(name='<script>"x\r\nSet-Cookie: a=b.svg')
    image = Image.objects.get(pk=pk)
    file = originals.path_of(image.sha256, image.format)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"<script>alert(1)</script>")
    response = client.get(f"/image/{pk}/original/")
    assert response["Content-Type"] == "image/jpeg"
    assert response["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Set-Cookie" not in response
    is_guarded(response)


# --- what a picture tells of its owner
TOLD = b"SECRETPLACE"


def telling(format: str) -> bytes:
    """A picture with a place, a serial number and a small copy of itself in all kinds of metadata."""
    picture, exif, out = photo(1, 500, 400), Pillow.Exif(), io.BytesIO()
    exif[0x010E] = exif[0x013B] = exif[0xA431] = TOLD.decode()
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 54.0), 3: "E", 4: (151.0, 12.0, 36.0), 27: TOLD})
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + TOLD + b"</x:xmpmeta>"
    options: dict[str, Any] = {"exif": exif.tobytes()}
    if format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", TOLD.decode())
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options["pnginfo"] = text
    else:
        options["xmp"] = xmp
    if format == "JPEG":
        options["comment"] = TOLD
    picture.save(out, format, **options)
    data = out.getvalue()
    if format == "JPEG":  # IPTC, as newspapers write it
        iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x10\x1c\x02\x5a\0\x0b" + TOLD
        data = data[:2] + b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc + data[2:]
    assert data.count(TOLD) >= 3
    return data


def is_clean(data: bytes) -> None:
    assert TOLD not in data
    for mark in (b"EXIF", b"Exif", b"XMP ", b"xmpmeta", b"8BIM", b"ICCP"):
        assert mark not in data
    picture = Pillow.open(io.BytesIO(data))
    assert not picture.getexif()
    assert not picture.info.keys() & {"exif", "xmp", "comment", "photoshop"}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_no_copy_tells_where_it_was_taken(settings, tmp_path: Path, format: str):
    settings.MEDIA_ROOT = tmp_path
    picture = decode(telling(format), longest=max(renditions.LONGEST))
    renditions.make("ab" * 32, picture)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 2  # 360, and the whole of it
    for file in files:
        is_clean(file.read_bytes())
    assert TOLD.decode() not in str(renditions.placeholder(picture))


def test_no_question_tells_where_it_was_taken(client: Client, settings, db):
    file = SimpleUploadedFile("a.jpg", telling("JPEG"), "image/jpeg")
    address = client.post("/search/", {"picture": file}, headers={"Accept": "application/json"}).json()["address"]
    response = client.get(f"{address}picture/")
    is_clean(response.content)
    assert "no-store" in response["Cache-Control"]
    is_guarded(response)
    for kept in settings.MEDIA_ROOT.rglob("*"):
        assert not kept.is_file() or TOLD not in kept.read_bytes()


# --- as it runs in public
PRODUCTION = """
import django; django.setup()
from django.conf import settings
from django.core.management import call_command
from django.test import Client
call_command("check", deploy=True, fail_level="WARNING")
client = Client(headers={"host": "gallery.example.org"})
plain = client.get("/login/")
print(plain.status_code, plain["Location"])
page = client.get("/justified.css", secure=True)
print(page.status_code, page["Strict-Transport-Security"])
print(settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_HTTPONLY, settings.SESSION_COOKIE_SAMESITE)
print(settings.CSRF_COOKIE_SECURE, settings.CSRF_COOKIE_HTTPONLY, settings.CSRF_COOKIE_SAMESITE)
print(settings.DEBUG, client.get("/justified.css", secure=True, headers={"host": "evil.example"}).status_code)
"""


def test_the_settings_for_the_public_are_without_a_warning():
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "gallery.settings",
        "LOOKALIKE_HTTPS": "True",
        "LOOKALIKE_HOSTS": "gallery.example.org",
        "LOOKALIKE_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    }
    run = [sys.executable, "-c", PRODUCTION]
    done = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "System check identified no issues (0 silenced).",
        "301 https://gallery.example.org/login/",
        "200 max-age=31536000; includeSubDomains; preload",
        "True True Lax",
        "True True Lax",
        "False 400",
    ]
