"""Bringing pictures in through the browser."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.views import redirect_to_login
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery import originals
from gallery.context import may_upload
from gallery.models import ImageSource
from gallery.names import safe_name
from gallery.originals import IncomingFile, StorageError
from gallery.pages import refuse, render_page
from gallery.pictures import PictureError
from ingestion.forms import FolderForm
from ingestion.models import Job, WatchedFolder
from ingestion.pipeline import Origin, Outcome, Result, import_blocks, import_incoming, twin_of


@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: HttpRequest) -> HttpResponse:
    """The drop zone. Without JavaScript the form posts all files at once and gets the same result lines."""
    if not may_upload(request):
        return redirect_to_login(request.get_full_path())
    context = {
        "folder_form": FolderForm(),
        "folders": WatchedFolder.objects.all(),
        "counts": Job.objects.unfinished(),
    }
    status = 200
    if request.method == "POST":
        try:
            files = request.FILES.getlist("files")
        except UnreadablePostError:
            return refuse(request, "The upload was broken off.")
        outcomes = [_import_file(request, file) for file in files]
        context["lines"] = [_line(request, outcome) for outcome in outcomes]
        if not outcomes:
            context["sentence"], status = "No file came. Choose some pictures first.", 400
        elif len(outcomes) == 1 and outcomes[0].error:
            status = outcomes[0].error.status
    return render(request, "ingestion/import.html", context, status=status)


def _import_file(request: HttpRequest, file: UploadedFile) -> Outcome:
    assert isinstance(file, IncomingFile)  # what our upload handler makes
    name = file.name or ""
    if file.error:
        return Outcome(name, Result.REFUSED, error=file.error)
    try:
        return import_incoming(file.incoming, _origin(request, name))
    except OSError as error:
        return Outcome(name, Result.REFUSED, error=StorageError(error))


def _origin(request: HttpRequest, name: str) -> Origin:
    by = request.user if request.user.is_authenticated else None
    return Origin(ImageSource.Kind.UPLOAD, name, by=by, may_restore=request.user.is_staff)


@require_POST
def upload_file(request: HttpRequest) -> HttpResponse:
    """One file as the body of the request, its name percent-encoded in X-File-Name: what the drop zone sends.

    Answers with the result line as HTML, or with JSON to who asks for it.
    """
    if not may_upload(request):
        return JsonResponse({"detail": "Sign in to add pictures.", "code": "forbidden"}, status=403)
    name = safe_name(unquote(request.headers.get("X-File-Name", ""), errors="replace"))
    try:
        outcome = import_blocks(_body(request), name, _origin(request, name))
    except UnreadablePostError:
        return JsonResponse({"detail": "The upload was broken off.", "code": "broken"}, status=400)
    except OSError as error:
        outcome = Outcome(name, Result.REFUSED, error=StorageError(error))
    status = outcome.error.status if outcome.error else 201 if outcome.result == Result.STORED else 200
    line = _line(request, outcome)
    if request.headers.get("Accept") == "application/json":
        return JsonResponse(_json(line), status=status)
    return render(request, "ingestion/_line.html", {"line": line}, status=status)


def _body(request: HttpRequest) -> Iterator[bytes]:
    left = int(request.META.get("CONTENT_LENGTH") or 0)
    while block := request.read(originals.BLOCK):
        left -= len(block)
        yield block
    if left > 0:  # not every server raises; and some formats can be decoded without their end
        raise UnreadablePostError("the body is shorter than announced")


def _line(request: HttpRequest, outcome: Outcome) -> dict:
    """What the one who brought the file is told."""
    return {"outcome": outcome, "image": outcome.image, "twin": twin_of(outcome, request.user)}


def _json(line: dict) -> dict:
    outcome: Outcome = line["outcome"]
    error: PictureError | None = outcome.error
    return {
        "name": outcome.name,
        "result": str(outcome.result),
        "image": outcome.image.pk if outcome.image else None,
        "same_picture_as": line["twin"].pk if line["twin"] else None,
        "detail": outcome.reason,
        "code": error.code if error else "",
    }


@require_safe
def progress(request: HttpRequest) -> HttpResponse:
    """How much is waiting; the page asks again every second or two while there is something."""
    if not may_upload(request):
        # No way to the sign-in: a page that is polling would put that form in place of the figures.
        return refuse(request, "Sign in to see what is being prepared.", 403)
    context = {"counts": Job.objects.unfinished()}
    return render_page(request, "ingestion/progress.html", "ingestion/_progress.html", context)


@require_POST
@staff_member_required(login_url="login")
def add_folder(request: HttpRequest) -> HttpResponse:
    """Watch a folder of the server. Only staff: it makes files of the machine visible."""
    form = FolderForm(request.POST)
    if not form.is_valid():
        context = {
            "folder_form": form,
            "folders": WatchedFolder.objects.all(),
            "counts": Job.objects.unfinished(),
        }
        return render(request, "ingestion/import.html", context, status=400)
    folder = form.watch()
    messages.success(request, f"{folder.path} is being looked through, and will be every minute.")
    return redirect("import")


@require_POST
@staff_member_required(login_url="login")
def remove_folder(request: HttpRequest, pk: int) -> HttpResponse:
    folder = get_object_or_404(WatchedFolder, pk=pk)
    folder.delete()
    messages.success(request, f"{folder.path} is not watched any more. Its pictures stay in the gallery.")
    return redirect("import")
