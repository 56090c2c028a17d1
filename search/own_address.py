"""An address of this very gallery, where the address of a picture is expected: then nothing has to be fetched."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.request import validate_host
from django.urls import Resolver404, ResolverMatch, resolve, reverse

from gallery.models import Image
from search.models import QueryPicture

OF_IMAGES = {"image", "like", "image_history", "original"}
"""Pages of one picture; its number is ``pk``."""
BIGINT = 2**63 - 1


def image_at(url: str, request: HttpRequest) -> int | None:
    """The id of the picture that an address of this gallery shows: its page, its original, a rendition of it.

    None if it is another place, or nothing that this reader may see.
    """
    match = _match(url, request)
    if match is None:
        return None
    visible = Image.objects.visible_to(request.user)
    if "path" in match.kwargs:  # of a rendition: ab/cd/<sha256>-720.webp
        sha256 = match.kwargs["path"].rpartition("/")[2][:64]
        return visible.filter(sha256=sha256).values_list("pk", flat=True).first()
    pk = match.kwargs.get("pk", match.kwargs.get("image_id", 0)) if _is_of_image(match) else 0
    return pk if pk and pk <= BIGINT and visible.filter(pk=pk).exists() else None


def query_at(url: str, request: HttpRequest) -> QueryPicture | None:
    """The query whose answer or picture lies at an address of this gallery."""
    match = _match(url, request)
    if match is None or match.url_name not in ("query", "query_picture"):
        return None
    return QueryPicture.objects.alive().filter(token=match.kwargs["token"]).first()


def answer_at(url: str, request: HttpRequest) -> str:
    """Where the answer to a picture of this gallery is; "" if it is another place."""
    if image := image_at(url, request):
        return reverse("like", args=[image])
    query = query_at(url, request)
    return query.get_absolute_url() if query else ""


def _is_of_image(match: ResolverMatch) -> bool:
    return match.url_name in OF_IMAGES


def _match(url: str, request: HttpRequest) -> ResolverMatch | None:
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or "@" in parts.netloc or "\x00" in url:
        return None
    if parts.netloc.lower() != request.get_host().lower() and not _is_named(host, port, request):
        return None
    try:
        return resolve(parts.path)
    except Resolver404:
        return None


def _is_named(host: str, port: int | None, request: HttpRequest) -> bool:
    """One of the other names of this gallery, at the port that it is asked at, or behind a proxy at none."""
    bracketed = f"[{host}]" if ":" in host else host
    names = [name for name in settings.ALLOWED_HOSTS if name != "*"]
    return validate_host(bracketed, names) and str(port or "") in ("", request.get_port())
