"""Sources: add one, test it, watch what it brings, pause it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.models import User
from gallery.pages import refuse, render_page
from gallery.staff import admin_only
from ingestion import mining_tasks
from ingestion.filters import all_filters
from ingestion.filters._base import Filter
from ingestion.models import Crawl, Source
from ingestion.source_forms import SourceForms
from ingestion.source_yields import yields
from ingestion.sources import all_crawlers
from ingestion.sources._base import Crawler
from ingestion.trial import HOW_MANY, Busy, trial

ONLY_ADMINS = "Only admins of this gallery decide where it looks for pictures."
CRAWLS = 20
UNTITLED = "untitled"
MARK = "<!-- what comes of the trial -->"
guarded = admin_only(ONLY_ADMINS)


# --- looking
@require_safe
@guarded
def sources(request: HttpRequest) -> HttpResponse:
    """All of them, with their yield; while one is crawled, the list asks again."""
    here = list(Source.objects.here())
    return render_page(request, "ingestion/sources.html", "ingestion/_sources.html", _list(here))


def _list(here: list[Source]) -> dict[str, Any]:
    found, crawling = yields(here), {crawl.source_id: crawl for crawl in Crawl.objects.open()}
    ended = Crawl.objects.filter(source=OuterRef("pk")).exclude(finished_at=None).order_by("-id").values("pk")[:1]
    ids = Source.objects.here().annotate(last=Subquery(ended)).values_list("last", flat=True)
    last = {crawl.source_id: crawl for crawl in Crawl.objects.filter(pk__in=[pk for pk in ids if pk])}
    return {
        "lines": [
            {
                "source": source,
                "kind": label_of(source.kind),
                "yield": found[source.pk],
                "crawling": crawling.get(source.pk),
                "last": last.get(source.pk),
            }
            for source in here
        ],
        "is_moving": bool(crawling),
        "kinds": all_crawlers().values(),
        "removed": Source.objects.exclude(removed_at=None).order_by("-removed_at"),
    }


def label_of(kind: str) -> str:
    """A kind whose file is gone keeps its name."""
    crawler = all_crawlers().get(kind)
    return crawler.label if crawler else kind


@require_safe
@guarded
def source_page(request: HttpRequest, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    return render_page(request, "ingestion/source.html", "ingestion/_source_now.html", _one(source))


def _one(source: Source) -> dict[str, Any]:
    crawler = all_crawlers().get(source.kind)
    return {
        "source": source,
        "kind": label_of(source.kind),
        "crawler": crawler,
        "missing": crawler.missing() if crawler else f"There is no source of the kind {source.kind} any more.",
        "asked": _asked(source, crawler) if crawler else [],
        "yield": yields([source])[source.pk],
        "crawling": source.crawls.filter(finished_at=None).first(),
        "crawls": source.crawls.exclude(finished_at=None)[:CRAWLS],
    }


def _asked(source: Source, crawler: Crawler) -> list[tuple[str, Any]]:
    """[(label, value)] of what is set of its options."""
    fields = crawler.options().fields
    said = []
    for name, value in source.options.items():
        label = str(fields[name].label or "") if name in fields else ""
        if value not in ("", None, [], False):
            said.append((label or name.replace("_", " ").capitalize(), "yes" if value is True else value))
    for name, options in source.rules.items():
        filter_ = all_filters().get(name)
        said += [(_rule(filter_, option), value) for option, value in options.items()] if filter_ else []
    return said


def _rule(filter_: Filter, option: str) -> str:
    label, _ = filter_.words.get(option, (option.replace("_", " ").capitalize(), ""))
    return f"{filter_.label}: {label[:1].lower()}{label[1:]}"


# --- adding and changing
@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def add_source(request: HttpRequest, kind: str) -> HttpResponse:
    crawler = all_crawlers().get(kind)
    if crawler is None:
        return refuse(request, f"There is no kind of source called {kind}.", 404)
    forms = SourceForms(crawler, data=request.POST if request.method == "POST" else None)
    if request.method == "POST" and forms.is_valid():
        source = forms.filled()
        source.created_by = request.user if isinstance(request.user, User) else None
        if not _is_added(source):
            return refuse(request, f"Somebody has added a source called {source.name} at this moment.", 409)
        Crawl.objects.begin(source)
        mining_tasks.ring()
        messages.success(request, f"{source.name} is added, and is crawled now.")
        return redirect("source", source.name)
    return _form(request, forms, None)


@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def edit_source(request: HttpRequest, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    crawler = all_crawlers().get(source.kind)
    if crawler is None:
        return refuse(request, f"There is no kind of source called {source.kind} any more.", 404)
    forms = SourceForms(crawler, source, data=request.POST if request.method == "POST" else None)
    if request.method == "POST" and forms.is_valid():
        forms.save()
        messages.success(request, f"{source.name} is changed.")
        return redirect("source", source.name)
    return _form(request, forms, source)


def _is_added(source: Source) -> bool:
    """False: its name was given in between, by a second click perhaps."""
    try:
        with transaction.atomic():
            source.save()
    except IntegrityError:
        return False
    return True


def _form(request: HttpRequest, forms: SourceForms, source: Source | None) -> HttpResponse:
    context = {"forms": forms, "crawler": forms.crawler, "missing": forms.crawler.missing(), "source": source}
    return render(request, "ingestion/source_form.html", context, status=400 if forms.errors else 200)


# --- trying
@require_POST
@guarded
def test_new(request: HttpRequest, kind: str) -> HttpResponseBase:
    """What the form would bring; nothing is stored, not even the source."""
    crawler = all_crawlers().get(kind)
    if crawler is None:
        return refuse(request, f"There is no kind of source called {kind}.", 404)
    data = request.POST.copy()
    data["name"] = data.get("name") or UNTITLED  # who only tries needs no name
    forms = SourceForms(crawler, data=data)
    if not forms.is_valid():
        return _form(request, forms, None)
    return _trial(request, forms.filled())


@require_POST
@guarded
def test_source(request: HttpRequest, name: str) -> HttpResponseBase:
    return _trial(request, get_object_or_404(Source, name=name))


def _trial(request: HttpRequest, source: Source) -> HttpResponseBase:
    """Line by line, as they come: a server may want a second between two pictures."""
    context = {"source": source, "kind": label_of(source.kind), "most": HOW_MANY, "mark": MARK}
    before, after = render_to_string("ingestion/source_test.html", context, request).split(MARK)

    def lines() -> Iterator[str]:
        yield before
        count = 0
        try:
            for count, result in enumerate(trial(source), 1):
                yield render_to_string("ingestion/_source_tested.html", {"result": result, "number": count})
        except Busy as error:
            yield render_to_string("gallery/_refused.html", {"sentence": str(error)})
        else:
            yield render_to_string("ingestion/_source_test_end.html", context | {"count": count}, request)
        yield after

    response = StreamingHttpResponse(lines())
    response["X-Accel-Buffering"] = "no"  # a proxy that waits for the end would show nothing for a minute
    return response


# --- deciding
@require_POST
@guarded
def crawl_now(request: HttpRequest, name: str) -> HttpResponse:
    """Of a source that is paused nothing would be fetched: it goes on first."""
    source = get_object_or_404(Source.objects.here(), name=name)
    if not source.active:
        messages.error(request, f"{source.name} is paused. Let it go on first.")
        return redirect("source", source.name)
    crawl = Crawl.objects.begin(source)
    mining_tasks.ring()
    if crawl.error and crawl.state == Crawl.State.QUEUED:
        messages.warning(request, f"{source.name} was put off: {crawl.error}")
    else:
        messages.success(request, f"{source.name} is being crawled.")
    return redirect("source", source.name)


@require_POST
@guarded
def pause_source(request: HttpRequest, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    source.pause()
    messages.success(request, f"{source.name} is paused. What it has brought stays.")
    return redirect("source", source.name)


@require_POST
@guarded
def resume_source(request: HttpRequest, name: str) -> HttpResponse:
    source = get_object_or_404(Source.objects.here(), name=name)
    source.resume()
    messages.success(request, f"{source.name} goes on within a minute.")
    return redirect("source", source.name)


@require_POST
@guarded
def remove_source(request: HttpRequest, name: str) -> HttpResponse:
    """Nothing it has brought goes with it, so nobody has to be asked first; and it can be brought back."""
    source = get_object_or_404(Source, name=name)
    source.remove()
    messages.success(request, f"{source.name} is removed. What it has brought stays; below, it can be brought back.")
    return redirect("sources")


@require_POST
@guarded
def bring_back_source(request: HttpRequest, name: str) -> HttpResponse:
    source = get_object_or_404(Source, name=name)
    source.bring_back()
    messages.success(request, f"{source.name} is back.")
    return redirect("source", source.name)
