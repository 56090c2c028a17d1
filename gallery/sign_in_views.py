"""The way in: signing in, and a new password for who has forgotten the old one."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import LoginView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods, require_safe

from gallery.account_forms import NewPasswordForm, ResetForm, SignInForm
from gallery.attempts import RESET, account_key
from gallery.limits import client_of, take
from gallery.pages import refuse
from gallery.tasks import send_reset

OVER = "This link is not good any more: links for a new password work once, for three days."


class SignIn(LoginView):
    form_class = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(may_sign_up=settings.ACCESS != "invite", **context)

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        return super().render_to_response(context, status=400 if context["form"].errors else 200, **options)


@require_http_methods(["GET", "HEAD", "POST"])
def ask_reset(request: HttpRequest) -> HttpResponse:
    """The same answer, after the same time, whether the gallery knows the mail or not: the worker looks."""
    if not settings.EMAIL:
        return render(request, "gallery/account_reset.html", {"form": None})
    form = ResetForm(request.POST or None)
    if form.is_valid():
        mail = form.cleaned_data["email"]
        take(RESET, client_of(request))
        take(RESET, account_key(mail))
        send_reset(mail, request.get_host(), request.is_secure())
        return redirect("reset_sent")
    return render(request, "gallery/account_reset.html", {"form": form}, status=400 if form.errors else 200)


@require_safe
def reset_sent(request: HttpRequest) -> HttpResponse:
    return render(request, "gallery/account_reset_sent.html")


class NewPassword(PasswordResetConfirmView):
    """Behind a link of a mail, or of an admin: it works once, for three days."""

    form_class = NewPasswordForm
    template_name = "gallery/account_form.html"
    title = "A new password"
    success_url = reverse_lazy("login")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        words = {"lead": "Then sign in with it.", "button": "Save it"}
        return super().get_context_data(**words, **context)

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        if not self.validlink:
            return refuse(self.request, OVER, 410)
        return super().render_to_response(context, status=400 if context["form"].errors else 200, **options)

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password is changed. Sign in with it.")
        return super().form_valid(form)
