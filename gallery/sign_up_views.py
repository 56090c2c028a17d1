"""New accounts: by signing up, which an admin approves, or through an invitation."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import login
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from gallery import accounts
from gallery.account_forms import SignUpForm
from gallery.attempts import INVITATION, SIGN_UP, look
from gallery.limits import client_of, take
from gallery.models import Invitation, Role, User
from gallery.pages import refuse

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
TAKEN = "Somebody has just taken this name. Choose another one."
OVER = "This invitation is not good any more: it was used or taken back, or its time is over. Ask for another one."


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("account")
    if settings.ACCESS == "invite":
        return refuse(request, "This gallery is for people who were invited: ask one of its admins for a link.", 403)
    if request.method == "POST":
        take(SIGN_UP, client_of(request))
        accounts.forget_refused()
    if User.objects.waiting().count() >= accounts.MOST_WAITING:
        return refuse(request, "Too many people wait for an account just now. Try again in some days.", 503)
    form = SignUpForm(request.POST or None)
    if form.is_valid() and _ask(form):
        return redirect("signed_up")
    context = {
        "form": form,
        "title": "Sign up",
        "lead": "An admin of this gallery looks at it. Once it is approved you can sign in.",
        "button": "Ask for an account",
    }
    return render(request, "gallery/account_form.html", context, status=400 if form.errors else 200)


def _ask(form: SignUpForm) -> bool:
    person = form.save(commit=False)
    person.is_active, person.asked_at = False, Now()
    return _is_saved(form, person)


def _is_saved(form: SignUpForm, person: User) -> bool:
    try:
        with transaction.atomic():
            person.save()
    except IntegrityError:
        form.add_error("username", TAKEN)
        return False
    return True


@require_safe
def signed_up(request: HttpRequest) -> HttpResponse:
    return render(request, "gallery/account_signed_up.html")


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    look(INVITATION, client_of(request))
    if not Invitation.objects.of_secret(secret).exists():
        take(INVITATION, client_of(request))
        return refuse(request, OVER, 410)
    if request.user.is_authenticated:
        sentence = "You have an account already. To make one for somebody else with this link, sign out first."
        return refuse(request, sentence, 409)
    form = SignUpForm(request.POST or None)
    if form.is_valid():
        person = _accept(form, secret)
        if person:
            login(request, person, backend=MODEL_BACKEND)
            return redirect("browse")
        if not form.errors:
            return refuse(request, OVER, 410)
    invited = Invitation.objects.of_secret(secret).first()
    role = Role(invited.role).label if invited else ""
    context = {
        "form": form,
        "title": "You are invited",
        "lead": f"Make your account: {'an' if role == 'admin' else 'a'} {role} of this gallery. This link works once.",
        "button": "Make the account",
    }
    return render(request, "gallery/account_form.html", context, status=400 if form.errors else 200)


@transaction.atomic
def _accept(form: SignUpForm, secret: str) -> User | None:
    """None if somebody else was faster, with the invitation or with the name."""
    invited = Invitation.objects.of_secret(secret).select_for_update(of=("self",)).first()
    if invited is None:
        return None
    person = form.save(commit=False)
    person.take_role(Role(invited.role))
    if not _is_saved(form, person):
        return None
    Invitation.objects.filter(pk=invited.pk).update(used_at=Now(), used_by=person)
    return person
