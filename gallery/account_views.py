"""One's own account: name, mail, password, sessions, and its end."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from gallery import accounts
from gallery.account_forms import DetailsForm, OwnPassword, PasswordForm
from gallery.accounts import AccountError
from gallery.models import User
from gallery.pages import refuse
from gallery.staff import member_only

guarded = member_only("Sign in to see your account.")
page = require_http_methods(["GET", "HEAD", "POST"])
secret = sensitive_post_parameters()


def person_of(request: HttpRequest) -> User:
    """Behind ``guarded`` somebody is signed in."""
    return cast(User, request.user)


@secret
@page
@guarded
def account(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    form = DetailsForm(request, person, request.POST or None)
    if form.is_valid():
        form.save()
        messages.success(request, "Your account is changed.")
        return redirect("account")
    mine = person.pictures.filter(trashed_at=None)
    context: dict[str, Any] = {
        "form": form,
        "pictures": mine.count(),
        "private": mine.filter(private=True).count(),
        "tokens": person.api_tokens.alive().count(),
    }
    return render(request, "gallery/account.html", context, status=400 if form.errors else 200)


@secret
@page
@guarded
def password(request: HttpRequest) -> HttpResponse:
    """Another password. Every other session of the account ends, this one goes on."""
    person = person_of(request)
    if not person.has_usable_password():
        return refuse(request, "You sign in through another site: your password is there.", 409)
    form = PasswordForm(request, person, request.POST or None)
    if form.is_valid():
        form.save()
        update_session_auth_hash(request, form.user)
        messages.success(request, "Your password is changed. Everywhere else you are signed out.")
        return redirect("account")
    context = {
        "form": form,
        "title": "Change your password",
        "lead": "Everywhere else you will be signed out.",
        "button": "Change it",
        "back": "account",
    }
    return render(request, "gallery/account_form.html", context, status=400 if form.errors else 200)


@require_POST
@guarded
def sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    accounts.sign_out_everywhere(person_of(request).pk)
    update_session_auth_hash(request, User.objects.get(pk=person_of(request).pk))
    messages.success(
        request, "You are signed out everywhere but here. Tokens go on: revoke those that you do not know."
    )
    return redirect("account")


@secret
@page
@guarded
def delete_account(request: HttpRequest) -> HttpResponse:
    """It says first what becomes of everything, and asks for the password."""
    person = person_of(request)
    form = OwnPassword(request, person, request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            trashed = accounts.delete_account(person)
        except AccountError as error:
            return refuse(request, str(error), 409)
        logout(request)
        gone = f" {trashed} private picture{'s are' if trashed != 1 else ' is'} in the trash." if trashed else ""
        messages.success(request, f"Your account is deleted.{gone}")
        return redirect("login")
    mine = person.pictures.filter(trashed_at=None)
    context = {
        "form": form,
        "alone": len(accounts.private_of(person)),
        "public": mine.filter(private=False).count(),
        "tokens": person.api_tokens.alive().count(),
    }
    return render(request, "gallery/account_delete.html", context, status=400 if form.errors else 200)
