"""Signing in elsewhere, at a provider of OpenID Connect. Only loaded when LOOKALIKE_OIDC_URL is set.

allauth speaks with the provider; who may come in is decided here, and none of its own pages is open.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, NoReturn

from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthError
from allauth.socialaccount.providers.openid_connect.views import callback, login
from django.conf import settings
from django.contrib import admin, auth
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from requests import RequestException

from gallery.limits import Limit, client_of, take
from gallery.models import Role, User, role_of
from gallery.pages import refuse

PROVIDER = "oidc"
BACKEND = "django.contrib.auth.backends.ModelBackend"
WAITS = "Your account waits for an admin of this gallery to approve it. Sign in again when that is done."
CLOSED = "This account is closed. An admin of this gallery can open it again."
INVITED_ONLY = (
    "This gallery is for people who were invited, and no account here has the e-mail address that {} vouches for."
)
SEVERAL = (
    "Several accounts of this gallery have your e-mail address. Sign in with your password, and change the others."
)
FAILED = "Signing in through {} did not work. Try it again; if that does not help, an admin of this gallery can."
AWAY = "{} does not answer just now. Try it again in a minute, or sign in with a password."
TRIES = Limit("sso", 30, 600)
TRIED = 5
"""Names for a new account, before chance is asked for one."""

for table in (EmailAddress, SocialAccount, SocialApp, SocialToken):
    if admin.site.is_registered(table):  # who writes in them could let anybody in as anybody
        admin.site.unregister(table)


# --- pages
@never_cache
@login_not_required
def begin(request: HttpRequest) -> HttpResponse:
    """The way to the provider. A page, for browsers do not follow a form of ours to another server: our policy."""
    if request.method != "POST":
        return redirect("login")
    take(TRIES, client_of(request))
    try:
        there = login(request, PROVIDER)
    except (RequestException, ValueError, KeyError):  # it is away, or what it says is no description of itself
        return refuse(request, AWAY.format(settings.OIDC_NAME), 503)
    if there.status_code != 302:
        return there
    return render(request, "gallery/sign_in_elsewhere.html", {"there": there["Location"], "name": settings.OIDC_NAME})


@never_cache
@require_safe
@login_not_required
def back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """allauth asks for the address of this page with the name of the provider."""
    try:
        return callback(request, PROVIDER)
    except (ValueError, KeyError, IntegrityError):
        return refuse(request, FAILED.format(settings.OIDC_NAME), 403)


urlpatterns: list[URLPattern] = [
    path("", begin, name="sign_in_elsewhere"),
    path("back/", back, {"provider_id": PROVIDER}, name="openid_connect_callback"),
]


# --- who may come in
class Adapter(DefaultSocialAccountAdapter):
    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """The one of the settings; none that somebody has written into the database."""
        app = SocialApp(
            provider="openid_connect",
            provider_id=PROVIDER,
            name=settings.OIDC_NAME,
            client_id=settings.OIDC_ID,
            secret=settings.OIDC_SECRET,
            settings={"server_url": settings.OIDC_URL, "oauth_pkce_enabled": True},
        )
        return [app] if provider in (None, PROVIDER, "openid_connect") and client_id in (None, app.client_id) else []

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Everything ends here: signed in, or refused with a sentence."""
        with transaction.atomic():
            user = sociallogin.user if sociallogin.is_existing else _account_for(request, sociallogin)
        if not user.is_active:
            _refuse(request, WAITS if user in User.objects.waiting() else CLOSED)
        auth.login(request, user, backend=BACKEND)
        raise ImmediateHttpResponse(redirect(sociallogin.get_redirect_url(request) or settings.LOGIN_REDIRECT_URL))

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> NoReturn:
        if error == AuthError.CANCELLED:
            raise ImmediateHttpResponse(redirect("login"))
        _refuse(request, FAILED.format(settings.OIDC_NAME))


def _account_for(request: HttpRequest, sociallogin: SocialLogin) -> User:
    """The account with the e-mail address that the provider vouches for, from now on of this person; or a new one."""
    mail = next((each.email for each in sociallogin.email_addresses if each.verified is True), "")
    found = list(User.objects.select_for_update().filter(email__iexact=mail)[:2]) if mail else []
    if len(found) > 1:
        _refuse(request, SEVERAL)
    if found:
        user = _handed_over(found[0])
    elif settings.ACCESS == "invite":
        _refuse(request, INVITED_ONLY.format(settings.OIDC_NAME))
    else:
        user = _made(sociallogin, mail)
    sociallogin.connect(request, user)
    return user


def _handed_over(user: User) -> User:
    """Anybody may write any address into an account: who did, and knows its password, loses it now.

    Not admins, who could do anything anyway and must come in while the provider is away.
    """
    if role_of(user) < Role.ADMIN:
        user.set_unusable_password()
        user.sign_outs = F("sign_outs") + 1
        user.save(update_fields=["password", "sign_outs"])
        user.refresh_from_db(fields=["sign_outs"])
        user.api_tokens.filter(revoked_at=None).update(revoked_at=Now())
    return user


def _made(sociallogin: SocialLogin, mail: str) -> User:
    user = User(email=mail, is_active=settings.OIDC_APPROVED, asked_at=None if settings.OIDC_APPROVED else Now())
    user.set_unusable_password()
    for name in _names(sociallogin.user.username or mail.partition("@")[0]):
        if not User.objects.filter(username__iexact=name).exists():
            user.username = name
            break
    user.save()
    return user


def _names(wish: str) -> list[str]:
    """ "ada", "ada2", "ada3" ..., and one that nobody has."""
    wish = re.sub(r"[^\w.@+-]", "", wish)[:100] or "member"
    return [wish, *(f"{wish}{number}" for number in range(2, TRIED)), f"{wish}-{secrets.token_hex(4)}"]


def _refuse(request: HttpRequest, sentence: str, status: int = 403) -> NoReturn:
    raise ImmediateHttpResponse(refuse(request, sentence, status))
