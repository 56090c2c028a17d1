"""Deciding on uploads that are held: each button works as a plain form, and in its place with htmx."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from gallery.context import may_upload
from gallery.models import User
from gallery.originals import Incoming, StorageError
from gallery.pages import refuse, render_page
from gallery.pictures import PictureError
from gallery.renditions import LONGEST, webp
from gallery.staff import member_only
from ingestion import decisions
from ingestion.decisions import DecisionError
from ingestion.models import HeldQuerySet, HeldUpload, blocks_of
from ingestion.pipeline import Outcome, Result
from ingestion.questions import Line, bar, held_page, lines_of, questions
from ingestion.tasks import ring_for_held
from ingestion.views import answer_line
from search.models import QueryPicture
from search.views import wants_json

SIGN_IN = "Sign in to see what waits for a decision."
BIGINT = 2**63 - 1


@require_safe
def held_list(request: HttpRequest) -> HttpResponse:
    """Page after page of what waits, or with ``?decided=1`` of the decisions that can be undone."""
    if not may_upload(request):
        return refuse(request, SIGN_IN, 403)
    decided = bool(request.GET.get("decided"))
    page, after = held_page(request.user, _number(request.GET.get("after", "0")), decided)
    context = {"questions": page, "after": after, "decided": decided} | bar(request.user)
    return render_page(request, "ingestion/held.html", "ingestion/_questions.html", context)


@require_safe
def held_one(request: HttpRequest, token: str) -> HttpResponse:
    """One question, or what became of it: all that a visitor without an account can come back to."""
    held = _find(request, token)
    context = {"questions": questions([held], request.user), "decided": held.state != HeldUpload.State.WAITING}
    return render(request, "ingestion/held.html", context)


@require_safe
def held_bar(request: HttpRequest) -> HttpResponse:
    """How many wait; the page asks again when something has changed."""
    if not may_upload(request):
        return refuse(request, SIGN_IN, 403)
    return render_page(request, "ingestion/held.html", "ingestion/_held_bar.html", bar(request.user))


@require_safe
@cache_control(no_store=True, private=True)
def held_picture(request: HttpRequest, token: str) -> HttpResponse:
    """Small, re-encoded without metadata, for those who may decide."""
    held = _find(request, token)
    try:
        return HttpResponse(webp(held.picture(longest=LONGEST[1]).pil()), content_type="image/webp")
    except (OSError, PictureError) as error:
        raise Http404(decisions.LOST) from error


@require_POST
def held_keep(request: HttpRequest, token: str) -> HttpResponse:
    held = _find(request, token)
    return _decide(request, held, lambda: _stored(request, held, decisions.keep(held, _person(request))))


@require_POST
def held_replace(request: HttpRequest, token: str) -> HttpResponse:
    held, old = _find(request, token), _number(request.POST.get("image", ""))
    return _decide(request, held, lambda: _stored(request, held, decisions.replace(held, old, _person(request)), old))


@require_POST
def held_drop(request: HttpRequest, token: str) -> HttpResponse:
    held = _find(request, token)
    return _decide(request, held, lambda: _dropped(request, held))


@require_POST
def held_undo(request: HttpRequest, token: str) -> HttpResponse:
    """Of a drop: it waits again. Of a replacement: the old image comes back beside the new one."""
    held = _find(request, token)
    undo = _brought_back if held.state == HeldUpload.State.STORED else _taken_back
    return _decide(request, held, lambda: undo(request, held))


@require_POST
def held_compare(request: HttpRequest, token: str) -> HttpResponse:
    """The evidence: the held picture becomes a query, whose page draws what was seen."""
    held, image = _find(request, token), _number(request.POST.get("image", ""))
    try:
        with Incoming(held.name) as incoming:
            query = QueryPicture.accept(incoming.fill(blocks_of(held)))
    except FileNotFoundError:
        return refuse(request, decisions.LOST, 410)
    except OSError as error:
        return refuse(request, str(StorageError(error)), StorageError.status)
    except PictureError as error:
        return refuse(request, str(error), error.status)
    return redirect("query_match", query.token, image)


@require_POST
@member_only(SIGN_IN)
def held_keep_all(request: HttpRequest) -> HttpResponse:
    count = _until(request).keep(request.user)
    if count:
        ring_for_held()
    messages.success(request, f"{count} picture{'s are' if count != 1 else ' is'} being stored.")
    return redirect("import")


@require_POST
@member_only(SIGN_IN)
def held_drop_all(request: HttpRequest) -> HttpResponse:
    count = _until(request).drop(request.user)
    messages.success(request, f"{count} picture{'s were' if count != 1 else ' was'} not stored. Undo it within a day.")
    return redirect("import")


@require_POST
@member_only(SIGN_IN)
def held_undo_all(request: HttpRequest) -> HttpResponse:
    """Of one act of dropping, named by its moment; or of the whole last day."""
    mine = HeldUpload.objects.of(request.user).undoable(request.user)
    if "at" in request.POST:
        moment = _moment(request.POST["at"])
        if moment is None:
            return refuse(request, "The address of this page was changed by hand.")
        mine = mine.filter(decided_at=moment)
    count = mine.take_back()
    messages.success(request, f"{count} picture{'s wait' if count != 1 else ' waits'} for your decision again.")
    return redirect("import")


def _decide(request: HttpRequest, held: HeldUpload, decision: Callable[[], HttpResponse]) -> HttpResponse:
    """Carry it out, or say where the reader is why not, with what can still be decided."""
    try:
        return decision()
    except (DecisionError, PictureError) as error:
        sentence, code, status = str(error), error.code, error.status
    if wants_json(request):
        return JsonResponse({"detail": sentence, "code": code}, status=status)
    if not request.headers.get("HX-Request"):
        messages.error(request, f"{held.name}: {sentence}")
        return _back(held)
    held.refresh_from_db()
    if held.state != HeldUpload.State.WAITING:
        return _decided(request, held, sentence, status)
    (question,) = questions([held], request.user, sentence)
    return render(request, "ingestion/_question.html", {"question": question}, status=status)


def _stored(request: HttpRequest, held: HeldUpload, outcome: Outcome, instead_of: int | None = None) -> HttpResponse:
    if wants_json(request) or request.headers.get("HX-Request"):
        (line,) = lines_of([outcome], request.user)
        return answer_line(request, replace(line, decided=held, instead_of=instead_of), 201)
    if outcome.is_trashed:
        messages.warning(request, f"{outcome.name} was not added: {outcome.reason}")
    elif outcome.result == Result.KNOWN:
        messages.success(request, f"{outcome.name} is already here as #{outcome.image.pk}.")  # type: ignore[union-attr]
    else:
        place = f" in place of #{instead_of}, which is in the trash" if instead_of else ""
        messages.success(request, f"{outcome.name} is stored{place}.")
    return _back(held)


def _dropped(request: HttpRequest, held: HeldUpload) -> HttpResponse:
    decisions.drop(held, request.user)
    held.refresh_from_db()
    if wants_json(request):
        return JsonResponse({"result": "dropped", "undo_until": held.undo_until})
    if request.headers.get("HX-Request"):
        return _decided(request, held)
    messages.success(request, f"{held.name} was not stored. Undo it within a day.")
    return _back(held)


def _taken_back(request: HttpRequest, held: HeldUpload) -> HttpResponse:
    decisions.take_back(held, request.user)
    held.refresh_from_db()
    (question,) = questions([held], request.user)
    if wants_json(request) or request.headers.get("HX-Request"):
        outcome = Outcome(held.name, Result.HELD, likenesses=[b.likeness for b in question.others], held=held)
        return answer_line(request, Line(outcome, question), 200)
    messages.success(request, f"{held.name} waits for your decision again.")
    return _back(held)


def _brought_back(request: HttpRequest, held: HeldUpload) -> HttpResponse:
    sentences = decisions.undo_replace(held, request.user)
    held.refresh_from_db()
    if wants_json(request):
        return JsonResponse({"result": "undone", "detail": " ".join(sentences)})
    sentence = " ".join(sentences) or "The one that was replaced is back; yours stays too."
    if request.headers.get("HX-Request"):
        return _decided(request, held, sentence)
    messages.success(request, sentence)
    return _back(held)


def _decided(request: HttpRequest, held: HeldUpload, sentence: str = "", status: int = 200) -> HttpResponse:
    (question,) = questions([held], request.user, sentence)
    return render(request, "ingestion/_decided.html", {"question": question}, status=status)


def _back(held: HeldUpload) -> HttpResponse:
    """Where the reader goes on. Who has no account has no list."""
    return redirect("import") if held.by_id else redirect("held_one", held.token)


def _find(request: HttpRequest, token: str) -> HeldUpload:
    """404 for all who may not decide: nobody learns what others bring."""
    return get_object_or_404(HeldUpload.objects.open_to(request.user), token=token)


def _person(request: HttpRequest) -> User | None:
    return request.user if request.user.is_authenticated else None


def _until(request: HttpRequest) -> HeldQuerySet:
    """What the reader had before the eyes: what has come since is not decided with it."""
    mine = HeldUpload.objects.of(request.user)
    return mine.filter(pk__lte=_number(request.POST.get("until", "")))


def _number(text: str) -> int:
    """An id; 0, which no row has, for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _moment(text: str) -> Any:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
