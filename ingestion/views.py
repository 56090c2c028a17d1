"""Bringing pictures in through the browser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery import originals
from gallery.context import may_upload
from gallery.limits import TooMany, take_as_visitor, take_what_is_sent, upload_limit
from gallery.models import ImageSource
from gallery.names import safe_name
from gallery.originals import IncomingFile, StorageError
from gallery.pages import refuse, render_page
from gallery.staff import admin_only
from ingestion.forms import FolderForm
from ingestion.models import Edits, Job, WatchedFolder
from ingestion.pipeline import Origin, Outcome, Result, import_blocks, import_incoming
from ingestion.questions import Line, lines_of, overview
from search.views import wants_json

NO_SUCH_CHOICE = f"What to do with pictures that are here in another form: {', '.join(Edits.values)}."

WHOSE = "Sign in to keep pictures to yourself: nobody would know whose they are."

for_admins = admin_only("Only admins of this gallery name folders of its server.")


@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: HttpRequest) -> HttpResponse:
    """The drop zone. Without JavaScript the form posts all files at once and gets the same result lines."""
    if not may_upload(request):
        return redirect_to_login(request.get_full_path())
    try:
        edits, files = request.POST.get("edits", Edits.HOLD), request.FILES.getlist("files")
    except UnreadablePostError:
        return refuse(request, "The upload was broken off.")
    if edits not in Edits.values:
        return refuse(request, NO_SUCH_CHOICE)
    private = bool(request.POST.get("private"))
    if private and not request.user.is_authenticated:
        return refuse(request, WHOSE, 403)
    take_as_visitor(request, upload_limit(), len(files))  # their bytes were counted before they were read
    outcomes = [_import_file(request, file, edits, private) for file in files]
    context, status = _context(request, outcomes) | {"edits": edits, "private": private}, 200
    if request.method == "POST" and not outcomes:
        context["sentence"], status = "No file came. Choose some pictures first.", 400
    elif len(outcomes) == 1 and outcomes[0].error:
        status = outcomes[0].error.status
    return render(request, "ingestion/import.html", context, status=status)


def _context(request: HttpRequest, outcomes: Sequence[Outcome] = ()) -> dict[str, Any]:
    """What is held is shown once: what has just come in its line, the rest below."""
    return {
        "folder_form": FolderForm(),
        "folders": WatchedFolder.objects.all(),
        "counts": Job.objects.unfinished(),
        "lines": lines_of(outcomes, request.user),
        **overview(request.user, without=[outcome.held.pk for outcome in outcomes if outcome.held]),
    }


def _import_file(request: HttpRequest, file: UploadedFile, edits: str, private: bool) -> Outcome:
    assert isinstance(file, IncomingFile)  # what our upload handler makes
    name = file.name or ""
    if file.error:
        return Outcome(name, Result.REFUSED, error=file.error)
    try:
        return import_incoming(file.incoming, _origin(request, name, edits, private))
    except OSError as error:
        return Outcome(name, Result.REFUSED, error=StorageError(error))


def _origin(request: HttpRequest, name: str, edits: str, private: bool) -> Origin:
    by = request.user if request.user.is_authenticated else None
    may_restore = request.user.is_staff
    return Origin(ImageSource.Kind.UPLOAD, name, by=by, may_restore=may_restore, edits=edits, private=private)


@require_POST
def upload_file(request: HttpRequest) -> HttpResponse:
    """One file as the body of the request, its name percent-encoded in X-File-Name: what the drop zone sends.

    Answers with the result line as HTML, or with JSON to who accepts ``application/json``.
    X-Edits says what to do with a picture that is proven to be here already in another form (a crop, another size, a
    mirrored copy, a collage of it): ``hold`` (the default), ``keep`` or ``skip``. X-Private: 1 keeps it for its owner.

    ``result`` is one of
      stored   201: it is in the gallery as ``image``. With X-Edits: keep, ``matches`` names what it is like.
      known    200: the same bytes are here as ``image``; ``detail`` says if that lies in the trash.
      held     202: it is safe, but not in the gallery yet. ``matches``: [{image, address, name, width, height, bytes,
               grade (same, contains), relation (same, part, whole, overlap: of yours to the image), points, mirrored,
               covers, covered, place, evidence}], the best first. ``decisions``: addresses to POST to: keep; replace
               (with the form field image=ID of a match); drop; undo (for a day after drop); and picture, to GET.
               ``advice``: {action, reason}, for people. It waits until somebody decides.
      skipped  200: not stored, because X-Edits: skip; ``matches`` says why.
      refused  4xx, 507: ``detail`` says why, ``code`` in one word. 429: after Retry-After seconds it is worth a try.
    """
    if not may_upload(request):
        return JsonResponse({"detail": "Sign in to add pictures.", "code": "forbidden"}, status=403)
    name = safe_name(unquote(request.headers.get("X-File-Name", ""), errors="replace"))
    edits = request.headers.get("X-Edits", Edits.HOLD)
    if edits not in Edits.values:
        return JsonResponse({"detail": NO_SUCH_CHOICE, "code": "edits"}, status=400)
    private = request.headers.get("X-Private", "") == "1"
    if private and not request.user.is_authenticated:
        return JsonResponse({"detail": WHOSE, "code": "private"}, status=403)
    try:
        take_as_visitor(request, upload_limit())
        take_what_is_sent(request)
        outcome = import_blocks(_body(request), name, _origin(request, name, edits, private))
    except TooMany as error:
        said = {"detail": str(error), "code": "too_many"}
        return JsonResponse(said, status=429, headers={"Retry-After": str(error.seconds)})
    except UnreadablePostError:
        return JsonResponse({"detail": "The upload was broken off.", "code": "broken"}, status=400)
    except OSError as error:
        outcome = Outcome(name, Result.REFUSED, error=StorageError(error))
    (line,) = lines_of([outcome], request.user)
    return answer_line(request, line, _status(outcome))


def answer_line(request: HttpRequest, line: Line, status: int = 200) -> HttpResponse:
    """What the one who brought a file, or decided on it, is told."""
    if wants_json(request):
        return JsonResponse(line.as_json(), status=status)
    return render(request, "ingestion/_line.html", {"line": line}, status=status)


def _status(outcome: Outcome) -> int:
    if outcome.error:
        return outcome.error.status
    return {Result.STORED: 201, Result.HELD: 202}.get(outcome.result, 200)


def _body(request: HttpRequest) -> Iterator[bytes]:
    left = int(request.META.get("CONTENT_LENGTH") or 0)
    while block := request.read(originals.BLOCK):
        left -= len(block)
        yield block
    if left > 0:  # not every server raises; and some formats can be decoded without their end
        raise UnreadablePostError("the body is shorter than announced")


@require_safe
def progress(request: HttpRequest) -> HttpResponse:
    """How much is waiting; the page asks again every second or two while there is something."""
    if not may_upload(request):
        # No way to the sign-in: a page that is polling would put that form in place of the figures.
        return refuse(request, "Sign in to see what is being prepared.", 403)
    context = {"counts": Job.objects.unfinished()}
    return render_page(request, "ingestion/progress.html", "ingestion/_progress.html", context)


@require_POST
@for_admins
def add_folder(request: HttpRequest) -> HttpResponse:
    """Watch a folder of the server. Only admins: it makes files of the machine visible."""
    form = FolderForm(request.POST)
    if not form.is_valid():
        return render(request, "ingestion/import.html", _context(request) | {"folder_form": form}, status=400)
    folder = form.watch()
    messages.success(request, f"{folder.path} is being looked through, and will be every minute.")
    return redirect("import")


@require_POST
@for_admins
def remove_folder(request: HttpRequest, pk: int) -> HttpResponse:
    folder = get_object_or_404(WatchedFolder, pk=pk)
    folder.delete()
    messages.success(request, f"{folder.path} is not watched any more. Its pictures stay in the gallery.")
    return redirect("import")
