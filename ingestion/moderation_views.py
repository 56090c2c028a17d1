"""Moderation: what the sources have brought waits here for a person. Works as plain forms, and in place with htmx."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from gallery.pages import refuse, render_page
from gallery.staff import staff_only
from ingestion import moderation
from ingestion.filters import all_scores
from ingestion.models import Candidate, Decision, Source
from ingestion.moderation import ModerationError
from ingestion.moderation_cards import REASONS, cards
from ingestion.moderation_forms import AGAIN, DONE, NOTHING, Choice
from ingestion.moderation_queue import ADVICE, PAGE, PLAIN, WAYS, Counts, Sieve, beside, page_of, tabs

ONLY_STAFF = "Only the staff of this gallery decide what comes in."
PREVIEW = 12
guarded = staff_only(ONLY_STAFF)


# --- looking
@require_safe
@guarded
def moderation_page(request: HttpRequest) -> HttpResponse:
    """The queue, page after page; htmx gets the next cards."""
    sieve, after = Sieve.read(request.GET), request.GET.get("after", "")
    rows, onward = page_of(sieve, after)
    context = bar(request, sieve) | {
        "cards": cards(rows),
        "after": after,
        "onward": onward,
        "until": Candidate.objects.order_by("-pk").values_list("pk", flat=True).first() or 0,
        "total": sieve.candidates().count(),
        "sources": Source.objects.order_by("name").values_list("name", flat=True),
        "advices": ADVICE,
        "plain_sorts": PLAIN,
        "score_sorts": _score_sorts(),
    }
    return render_page(request, "ingestion/moderation.html", "ingestion/_moderation_cards.html", context)


def bar(request: HttpRequest, sieve: Sieve) -> dict[str, Any]:
    """Counts, and what can be undone; and what every card needs to know."""
    counts = Counts.of(sieve)
    last = moderation.last_undoable(request.user)  # type: ignore[arg-type] # guarded
    return {
        "sieve": sieve,
        "counts": counts,
        "tabs": tabs(sieve, counts),
        "reasons": REASONS,
        "last": last,
        "last_words": _words(last.action, last.steps.count()) if last else "",
    }


def _score_sorts() -> list[tuple[str, list[tuple[str, str]]]]:
    """[(score, [(order, words)])]"""
    return [
        (score.label, [(f"{name}-{way}", words) for way, words in WAYS.items()]) for name, score in all_scores().items()
    ]


# --- deciding
@require_POST
@guarded
def decide(request: HttpRequest) -> HttpResponse:
    """On one candidate at once; on many after a question that says how many."""
    sieve = Sieve.read(request.GET)
    choice = Choice.read(request.POST, sieve)
    if not choice.is_known:
        return refuse(request, "There is nothing of this name to do.")
    if not choice.marks and choice.sieve is None:
        return refuse(request, NOTHING)
    try:
        if not choice.count:
            raise choice.changed()
        if choice.is_many and not choice.confirmed:
            return _ask(request, choice, sieve)
        behind = _behind(request, choice, sieve)
        made = choice.carry_out(request.user)  # type: ignore[arg-type] # guarded
    except ModerationError as error:
        return _refused(request, error, choice)
    return _decided(request, choice, made, sieve, behind)


def _ask(request: HttpRequest, choice: Choice, sieve: Sieve) -> HttpResponse:
    context = {
        "choice": choice,
        "count": choice.count,
        "candidate": ",".join(choice.marks),
        "cards": cards(choice.candidates.select_related("source").order_by("pk")[:PREVIEW]),
        "sieve": sieve,
        "after": request.GET.get("after", ""),
        "verb": {"accept": "Accept", "reject": "Reject", "skip": "Put off", AGAIN: "Try again:"}[choice.action],
    }
    page, partial = "ingestion/moderation_confirm.html", "ingestion/_moderation_confirm.html"
    return render_page(request, page, partial, context)


def _decided(
    request: HttpRequest, choice: Choice, made: Decision | int, sieve: Sieve, behind: Candidate | None
) -> HttpResponse:
    steps = made if isinstance(made, int) else made.steps.count()
    sentence = _words(choice.action, steps).capitalize()
    if isinstance(made, Decision) and made.reason:
        sentence += f": {made.reason}"
    lost = len(choice.marks) - steps if choice.sieve is None else 0
    sentence += "." + (f" {lost} {'was' if lost == 1 else 'were'} decided by somebody else meanwhile." if lost else "")
    if request.headers.get("HX-Request") == "true" and choice.sieve is None:
        return said(request, sentence, sieve, gone=choice)
    back = f"{reverse('moderation')}?{sieve.query}"
    if request.GET.get("from") == "page":
        back = _page_of(behind, sieve) if behind else back
    elif request.GET.get("after"):
        back = f"{back}&after={request.GET['after'][:60]}"
    undo = f"{reverse('undo_decision', args=[made.pk])}?{sieve.query}" if isinstance(made, Decision) else ""
    messages.success(request, sentence, extra_tags=undo)
    return _anew(request) or HttpResponseRedirect(back)


def _anew(request: HttpRequest) -> HttpResponse | None:
    """For htmx: so much has changed that the whole page is asked for again."""
    if request.headers.get("HX-Request") != "true":
        return None
    response = HttpResponse()
    response["HX-Refresh"] = "true"
    return response


def _behind(request: HttpRequest, choice: Choice, sieve: Sieve) -> Candidate | None:
    """Where a moderator who decides on the page of one candidate goes on."""
    here = choice.candidates.first() if request.GET.get("from") == "page" else None
    return beside(sieve, here)[1] if here else None


def _page_of(candidate: Candidate, sieve: Sieve) -> str:
    return f"{reverse('candidate', args=[candidate.token])}?{sieve.query}"


def _words(action: str, count: int) -> str:
    """ "rejected 12 pictures"."""
    return f"{DONE[action]} {count:,} picture{'' if count == 1 else 's'}"


def said(
    request: HttpRequest,
    sentence: str,
    sieve: Sieve,
    gone: Choice | None = None,
    back: list[Candidate] | None = None,
    status: int = 200,
) -> HttpResponse:
    """For htmx: a sentence, the counts anew, which cards go and which come back."""
    context = bar(request, sieve) | {
        "sentence": sentence,
        "bad": status != 200,
        "gone": ",".join(mark.partition(".")[0] for mark in gone.marks) if gone else "",
        "back": cards(back or []),
    }
    return render(request, "ingestion/_moderation_said.html", context, status=status)


def _refused(request: HttpRequest, error: ModerationError, choice: Choice) -> HttpResponse:
    if request.headers.get("HX-Request") == "true":
        gone = None if error.code == "lost" else choice
        return said(request, str(error), Sieve.read(request.GET), gone=gone, status=error.status)
    return refuse(request, str(error), error.status)


# --- taking back
@require_POST
@guarded
def undo_last(request: HttpRequest) -> HttpResponse:
    """The newest of the last fifty of one's own."""
    last = moderation.last_undoable(request.user)  # type: ignore[arg-type] # guarded
    if last is None:
        sentence = f"There is nothing to undo: of your last {moderation.UNDOABLE} decisions none stands."
        return _not_undone(request, ModerationError("undone", sentence))
    return _undo(request, last)


@require_POST
@guarded
def undo_decision(request: HttpRequest, pk: int) -> HttpResponse:
    found = Decision.objects.filter(pk=min(pk, 2**63 - 1)).first()
    if found is None:
        return _not_undone(request, ModerationError("gone", "This decision is not on record any more.", 410))
    return _undo(request, found)


def _undo(request: HttpRequest, decision: Decision) -> HttpResponse:
    sieve = Sieve.read(request.GET)
    try:
        sentences = moderation.undo(decision, request.user)  # type: ignore[arg-type] # guarded
    except ModerationError as error:
        return _not_undone(request, error)
    count = decision.steps.count()
    words = " ".join([f"Undone: {_words(decision.action, count)}.", *sentences])
    if request.headers.get("HX-Request") != "true":
        messages.success(request, words)
        is_of_log = request.GET.get("from") == "log"
        return redirect("decision_log") if is_of_log else redirect(f"{reverse('moderation')}?{sieve.query}")
    if count > PAGE:
        messages.success(request, words)
        return _anew(request) or redirect("moderation")
    decided = decision.steps.values("candidate")
    return said(request, words, sieve, back=list(sieve.ordered().filter(pk__in=decided)))


def _not_undone(request: HttpRequest, error: ModerationError) -> HttpResponse:
    if request.headers.get("HX-Request") == "true":
        return said(request, str(error), Sieve.read(request.GET), status=error.status)
    return refuse(request, str(error), error.status)
