"""Browsing: the rows, the page of one picture, its original."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.db import connection
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from gallery import justified, originals, renditions
from gallery.forms import WelcomeForm
from gallery.history import Overtaken
from gallery.models import Image, Role, User, role_of
from gallery.names import safe_name
from gallery.opinions import words_of
from gallery.pages import refuse, render_page
from gallery.paging import SORTS, CursorError, Order, order_from
from gallery.pictures import MIME
from gallery.sharing import SharingError, share
from gallery.signals import ready_asked
from gallery.staff import member_only
from gallery.welcome import gallery_is_claimed, token_is_good

SIGN_IN = "Sign in first."
NOT_YOURS = "Only who has brought a picture alone may do that, or a moderator if everybody sees it."
NO_THUMBNAIL = "There is no such thumbnail."


@require_safe
def browse(request: HttpRequest) -> HttpResponse:
    images = Image.objects.visible_to(request.user)
    try:
        order = order_from(request.GET)
        if order.sort == "random" and not request.GET.get("seed"):
            # A seed in the address: the next page continues this shuffle.
            return redirect(f"{request.path}?{order.query}")
        page, after = order.page(images, request.GET.get("after", ""), settings.PAGE_SIZE)
    except CursorError as error:
        return refuse(request, str(error))
    context: dict[str, Any] = {"images": page, "order": order, "after": after, "sorts": SORTS}
    if not page:
        new = Image.objects.filter(state=Image.State.NEW, trashed_at=None)
        context["preparing"] = new.exclude(pk__in=new.hidden_from(request.user)).count()
        context["claimed"] = gallery_is_claimed()
    return render_page(request, "gallery/browse.html", "gallery/_rows.html", context)


@require_safe
def image_page(request: HttpRequest, pk: int) -> HttpResponse:
    image = find_image(request, pk)
    images = Image.objects.visible_to(request.user)
    try:
        order = order_from(request.GET, draw=lambda: 0)
    except CursorError as error:
        return refuse(request, str(error))
    visible = image.trashed_at is None and image.state == Image.State.READY
    previous, following = order.neighbours(images, image) if visible else (None, None)
    may_change = image.may_change(request.user)
    context = {
        "image": image,
        "order": order,
        "previous": previous,
        "next": following,
        "place": place_of(order, previous),
        "trash_days": settings.TRASH_DAYS,
        "may_change": may_change,
        "is_owned": may_change and image.owners.exists(),
        "sources": image.sources.visible_to(request.user),
        "ocr_texts": image.ocr_texts.filter(shown=True),
        **words_of(image),
    }
    response = render(request, "gallery/image.html", context)
    if image.private:
        patch_cache_control(response, private=True, no_store=True)
    return response


def place_of(order: Order, previous: Image | None) -> str:
    """The address of the rows that begin after ``previous``: where the reader was before a picture was opened."""
    after = f"&after={order.cursor(previous)}" if previous else ""
    return f"{reverse('browse')}?{order.query}{after}"


def find_image(request: HttpRequest, pk: int) -> Image:
    """The image, or 404. Owners and staff also see what is in the trash or still being prepared."""
    if pk > 2**63 - 1:
        raise Http404("There is no such picture.")
    return get_object_or_404(Image.objects.reachable_by(request.user), pk=pk)


@require_safe
def original(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The bytes as they came, never as something that a browser would run."""
    image = find_image(request, pk)
    try:
        file = originals.path_of(image.sha256, image.format).open("rb")
    except OSError:
        sentence = "The file of this picture is missing. The owner of the gallery can see why."
        return refuse(request, sentence, 503)
    response = FileResponse(file, content_type=MIME[image.format])
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(safe_name(image.name))}"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    if image.private:
        patch_cache_control(response, private=True, no_store=True)
    return response


@require_POST
@member_only(SIGN_IN)
def trash(request: HttpRequest, pk: int) -> HttpResponse:
    image = find_image(request, pk)
    if not image.may_change(request.user):
        return refuse(request, NOT_YOURS, 403)
    place = _place(request, image)
    if image.trash():
        messages.success(
            request, f"{image.name} is in the trash for {settings.TRASH_DAYS} days.", extra_tags=f"undo-{pk}"
        )
    return redirect(place)


def _place(request: HttpRequest, image: Image) -> str:
    """The rows of the order in the address, beginning at the image."""
    try:
        order = order_from(request.GET, draw=lambda: 0)
    except CursorError:
        order = Order()
    return place_of(order, order.neighbours(Image.objects.visible_to(request.user), image)[0])


@require_POST
@member_only(SIGN_IN)
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    image = find_image(request, pk)
    if not image.may_change(request.user):
        return refuse(request, NOT_YOURS, 403)
    if image.restore():
        messages.success(request, f"{image.name} is back. Its thumbnails are being made again.")
    return redirect(image)


@require_POST
@member_only(SIGN_IN)
def share_image(request: HttpRequest, pk: int) -> HttpResponse:
    """``private``: "1" for its owners only, "0" for everybody."""
    image, private = find_image(request, pk), request.POST.get("private") == "1"
    try:
        done = share(image, private, cast(User, request.user))
    except (SharingError, Overtaken) as error:
        return refuse(request, str(error), 403 if isinstance(error, SharingError) else 409)
    image = Image.objects.get(pk=pk)
    still = Image.objects.reachable_by(request.user).filter(pk=pk).exists()
    if request.htmx and still:  # type: ignore[attr-defined]
        context = {"image": image, "may_change": image.may_change(request.user), "is_owned": True, "shared": done}
        return render(request, "gallery/_sharing.html", context)
    if done:
        messages.success(
            request, f"{image.name} is only for its owners now." if private else f"{image.name} is for everybody now."
        )
    target = image.get_absolute_url() if still else reverse("browse")
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponse(status=204, headers={"HX-Redirect": target})
    return redirect(target)


def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """The first account of a fresh gallery, through the link that `manage.py run` prints."""
    if gallery_is_claimed() or not token_is_good(token):
        return refuse(request, "This link is over. Sign in, or run “manage.py createsuperuser”.", 410)
    form = WelcomeForm(request.POST or None)
    if form.is_valid():
        user = form.claim()
        if user is None:
            return refuse(request, "Somebody was faster: this gallery has its first account already.", 410)
        login(request, user)
        return redirect("import")
    return render(request, "gallery/welcome.html", {"form": form}, status=400 if request.POST else 200)


@require_safe
@cache_control(public=True, max_age=86_400)
def justified_css(request: HttpRequest) -> HttpResponse:
    return HttpResponse(justified.stylesheet(), content_type="text/css; charset=utf-8")


@require_safe
def rendition(request: HttpRequest, path: str) -> FileResponse:
    """In a public gallery the web server has them; where members only may look, each of them is asked for here."""
    if settings.ACCESS == "public":
        return _rendition(renditions.root(), path, public=True, max_age=31_536_000, immutable=True)
    if role_of(request.user) == Role.ANONYMOUS:
        raise Http404(NO_THUMBNAIL)
    return _rendition(renditions.root(), path, private=True, max_age=86_400)


@require_safe
def private_rendition(request: HttpRequest, path: str) -> FileResponse:
    """Of a picture that only its owners see. A browser keeps it for five minutes: it may be gone by then."""
    sha256 = path.rpartition("/")[2].partition("-")[0]
    if not Image.objects.reachable_by(request.user).filter(sha256=sha256, private=True).exists():
        raise Http404(NO_THUMBNAIL)
    return _rendition(renditions.private_root(), path, private=True, max_age=300)


def _rendition(root: Path, path: str, **cache: Any) -> FileResponse:
    try:
        file = (root / path).open("rb")  # the pattern of the address leaves no room for ".."
    except OSError as error:
        raise Http404(NO_THUMBNAIL) from error
    response = FileResponse(file, content_type="image/webp")
    patch_cache_control(response, **cache)
    return response


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it on pages that name no icon, such as those of the admin."""
    return redirect(static("img/mark.svg"))


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """The process can do its work: the database answers and the disk takes files.

    An engine that is off takes nothing else with it: the gallery is ready, and says which one and why.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    try:
        with originals.Incoming("probe") as incoming:
            incoming.write(b"1")
            incoming.finish()
    except OSError as error:
        return JsonResponse({"status": f"Pictures cannot be stored: {error.strerror}."}, status=503)
    off = _off(request)
    return JsonResponse({"status": "ok"} | ({"engines": off} if off else {}))


def _off(request: HttpRequest) -> dict[str, str]:
    """{engine: why it is off}. Only the staff reads where its files should lie."""
    answers = ready_asked.send_robust(None, in_full=request.user.is_staff)
    return {name: why for _, off in answers if isinstance(off, dict) for name, why in off.items()}
