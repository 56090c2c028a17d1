"""Accounts: who waits, who is here, who is invited. For admins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.contrib import messages
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from gallery import accounts
from gallery.account_forms import InvitationForm
from gallery.accounts import AccountError
from gallery.accounts_waiting import DECISIONS, Outcome, decide, page_of_waiting, refused
from gallery.models import ApiToken, Image, Invitation, Role, User
from gallery.names import printable
from gallery.pages import refuse
from gallery.paging import BIGINT, CursorError
from gallery.resets import reset_path
from gallery.staff import admin_only

PAGE = 50
FOR_THEM = (
    "Send this link to them, and to nobody else: whoever opens it first chooses the password. It works once, for three "
    "days, and until they sign in with the old one."
)
GONE = "This is not so any more: somebody else has decided meanwhile. Look at the page again."
NOT_TICKED = "Nobody has a tick: put one before each person that you decide about."
NO_DECISION = "There is no such decision: approve or refuse."
PLACES = ("who", "q", "after", "waiting")
"""What an address says of the pages that are looked at."""
SIEVES: dict[str, tuple[str, Q]] = {
    "": ("Everybody", Q()),
    "moderators": ("Moderators", Q(is_staff=True, is_superuser=False)),
    "admins": ("Admins", Q(is_superuser=True)),
    "inactive": ("Deactivated", Q(is_active=False)),
}
guarded = admin_only("Only admins of this gallery decide about its accounts.")


# --- looking
@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def people(request: HttpRequest) -> HttpResponse:
    """Who waits, who is here, who is invited; or decide about those of the first who have a tick."""
    if request.method == "POST":
        return _decide_ticked(request)
    return _page(request)


def _page(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    asked = _place(request)
    part = printable(asked.get("q", "")[:150]).strip()
    sieve = asked.get("who", "") if asked.get("who") in SIEVES else ""
    after = printable(asked.get("after", "")[:150])
    found = User.objects.approved().filter(SIEVES[sieve][1]).order_by("username")
    if part:
        found = found.filter(Q(username__icontains=part) | Q(email__icontains=part))
    rows = list(found.filter(username__gt=after)[: PAGE + 1])
    try:
        waiting, waiting_onward = page_of_waiting(asked.get("waiting", ""), PAGE)
    except CursorError as error:
        return refuse(request, str(error))
    context = {
        "part": part,
        "sieve": sieve,
        "after": after,
        "sieves": [(name, label) for name, (label, _) in SIEVES.items()],
        "people": _lines(rows[:PAGE]),
        "total": found.count(),
        "onward": rows[PAGE - 1].username if len(rows) > PAGE else "",
        "place": asked.urlencode(),
        "waiting": waiting,
        "waiting_after": asked.get("waiting", ""),
        "waiting_onward": waiting_onward,
        "ticked": request.GET.get("tick", ""),
        "refused": list(refused()[:PAGE]),
        "refused_hours": accounts.REFUSED_FOR // timedelta(hours=1),
        "refused_total": refused().count(),
        "invitations": Invitation.objects.open().select_related("by")[:PAGE],
        "invited": Invitation.objects.open().count(),
        "most_shown": PAGE,
        "invitation_form": InvitationForm(),
        "roles": Role.choices[1:],
    }
    return render(request, "gallery/accounts.html", context | more, status=status)


def _place(request: HttpRequest) -> QueryDict:
    """Which page of people, and of those who wait, is looked at: of the address, or of the form that was sent."""
    sent, place = request.POST.get("place"), QueryDict(mutable=True)
    asked = request.GET if sent is None else QueryDict(sent[:4000])
    place.update({key: asked[key] for key in PLACES if asked.get(key)})
    return place


def _lines(rows: list[User]) -> list[dict[str, Any]]:
    ids = [person.pk for person in rows]
    owned = Image.owners.through.objects.filter(user_id__in=ids, image__trashed_at=None)
    pictures = dict(owned.values_list("user_id").annotate(Count("pk")))
    tokens = dict(ApiToken.objects.alive().filter(user__in=ids).order_by().values_list("user_id").annotate(Count("pk")))
    return [
        {"person": each, "pictures": pictures.get(each.pk, 0), "tokens": tokens.get(each.pk, 0), "role": _role(each)}
        for each in rows
    ]


def _role(person: User) -> Role:
    """What it is, or will be again when the account is active."""
    return Role.ADMIN if person.is_superuser else Role.MODERATOR if person.is_staff else Role.MEMBER


# --- who has signed up
@require_POST
@guarded
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    return _decide(request, pk, "approve")


@require_POST
@guarded
def decline(request: HttpRequest, pk: int) -> HttpResponse:
    return _decide(request, pk, "refuse")


@require_POST
@guarded
def wait_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo an approval or a refusal."""
    return _decide(request, pk, "readmit" if _person(pk).refused_at else "disapprove")


def _decide(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    outcome = decide([_person(pk).pk], DECISIONS[name])
    if not outcome.done:
        return refuse(request, outcome.sentence, 409)
    undo = reverse("wait_account", args=[pk]) if outcome.decision.undo else ""
    messages.success(request, outcome.sentence, extra_tags=undo)
    return _back(request)


def _decide_ticked(request: HttpRequest) -> HttpResponse:
    """``person``: numbers of those with a tick, one box each; or, in the address of Undo, with dots between them."""
    written = request.POST.getlist("person") or request.GET.get("people", "").split(".")
    pks = {int(number) for number in written if number.isascii() and number.isdecimal() and len(number) < 19}
    decision = DECISIONS.get(request.POST.get("decision") or request.GET.get("decision", ""))
    if decision is None or not pks:
        return _page(request, 400, sentence=NOT_TICKED if decision else NO_DECISION)
    outcome = decide(pks, decision)
    if not outcome.done:
        return _page(request, 409, sentence=outcome.sentence)
    messages.success(request, outcome.sentence, extra_tags=_undo(request, outcome))
    return _back(request)


def _undo(request: HttpRequest, outcome: Outcome) -> str:
    """Its address, which leads back to the same page; "" if what was done was an undo itself."""
    if not outcome.decision.undo:
        return ""
    asked = _place(request)
    asked.update({"decision": outcome.decision.undo, "people": ".".join(str(each.pk) for each in outcome.done)})
    return f"{reverse('accounts')}?{asked.urlencode()}"


# --- who is here
@require_POST
@guarded
def change_role(request: HttpRequest, pk: int) -> HttpResponse:
    """One's own role goes down only when it is said twice: nobody could take that back alone."""
    person = _person(pk)
    written = request.POST.get("role") or request.GET.get("role", "")
    if written not in {str(number) for number in Role.values[1:]}:
        return refuse(request, "There is no such role.")
    role, before = Role(int(written)), _role(person)
    if person.pk == request.user.pk and role < Role.ADMIN and request.POST.get("sure") != "1":
        return render(request, "gallery/accounts_own_role.html", {"role": role, "person": person}, status=409)
    try:
        accounts.change_role(person.pk, role)
    except AccountError as error:
        return refuse(request, str(error), 409)
    undo = f"{reverse('change_role', args=[pk])}?role={int(before)}"
    messages.success(request, f"{person.get_username()} is {_with_article(role)} now.", extra_tags=undo)
    return redirect("browse") if person.pk == request.user.pk and role < Role.ADMIN else _back(request)


def _with_article(role: Role) -> str:
    return f"{'an' if role == Role.ADMIN else 'a'} {role.label}"


@require_POST
@guarded
def deactivate(request: HttpRequest, pk: int) -> HttpResponse:
    person = _person(pk)
    if person.pk == request.user.pk:
        return refuse(request, "You would lock yourself out. Another admin can do that.", 409)
    try:
        accounts.deactivate(person.pk)
    except AccountError as error:
        return refuse(request, str(error), 409)
    undo = reverse("reactivate_account", args=[pk])
    messages.success(request, f"{person.get_username()} is deactivated, and signed out.", extra_tags=undo)
    return _back(request)


@require_POST
@guarded
def reactivate(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        person = accounts.reactivate(_person(pk).pk)
    except AccountError as error:
        return refuse(request, str(error), 409)
    messages.success(request, f"{person.get_username()} is active again.")
    return _back(request)


@require_POST
@guarded
def sign_out(request: HttpRequest, pk: int) -> HttpResponse:
    person = _person(pk)
    accounts.sign_out_everywhere(person.pk)
    messages.success(request, f"{person.get_username()} is signed out everywhere.")
    return _back(request)


@never_cache
@require_POST
@guarded
def reset_link(request: HttpRequest, pk: int) -> HttpResponse:
    person = _person(pk)
    context = {
        "title": f"A new password for {person.get_username()}",
        "lead": FOR_THEM,
        "address": request.build_absolute_uri(reset_path(person)),
    }
    return render(request, "gallery/accounts_link.html", context, status=201)


# --- who is invited
@never_cache
@require_POST
@guarded
def invite(request: HttpRequest) -> HttpResponse:
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _page(request, 400, invitation_form=form)
    invitation, secret = form.issue(cast(User, request.user))
    role = _with_article(Role(invitation.role))
    context = {
        "title": f"An invitation{f' for {invitation.note}' if invitation.note else ''}",
        "lead": f"Whoever opens this link first makes an account as {role}. It works once, "
        f"until {invitation.expires_at:%-d %B %Y}.",
        "address": request.build_absolute_uri(reverse("invitation", args=[secret])),
    }
    return render(request, "gallery/accounts_link.html", context, status=201)


@require_POST
@guarded
def revoke_invitation(request: HttpRequest, pk: int) -> HttpResponse:
    if not Invitation.objects.open().filter(pk=min(pk, BIGINT)).update(revoked_at=Now()):
        return refuse(request, GONE, 409)
    undo = reverse("bring_back_invitation", args=[pk])
    messages.success(request, "The invitation is taken back: its link does nothing any more.", extra_tags=undo)
    return redirect("accounts")


@require_POST
@guarded
def bring_back_invitation(request: HttpRequest, pk: int) -> HttpResponse:
    if not Invitation.objects.filter(pk=min(pk, BIGINT), used_at=None).update(revoked_at=None):
        return refuse(request, GONE, 409)
    messages.success(request, "The invitation works again.")
    return redirect("accounts")


def _person(pk: int) -> User:
    if pk > BIGINT:
        raise Http404("There is no such account.")
    return get_object_or_404(User, pk=pk)


def _back(request: HttpRequest) -> HttpResponse:
    """To the same page of people."""
    place = _place(request).urlencode()
    return redirect(f"{reverse('accounts')}{'?' if place else ''}{place}")
