"""Who asks the API: a person who is signed in, a program with a token, or a visitor."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from gallery.limits import take_what_is_sent
from gallery.models import ApiToken, Role, Scope, User, role_of
from gallery.refusal import Refusal

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
ROLES = {Scope.READ: Role.ANONYMOUS, Scope.WRITE: Role.MEMBER, Scope.MODERATE: Role.MODERATOR, Scope.ADMIN: Role.ADMIN}
BEARER = {"WWW-Authenticate": "Bearer"}
ROOM = 2**20
"""Bytes of a form beside its files."""


class Access(AuthBase):
    """The ``auth`` of an operation: who may, and how much may be sent in. Asked before anything of a body is read; the
    bytes of visitors are counted then, where files are taken.

    ``scope``: what a token must hold; the role that goes with it (ROLES) is what the person must have, unless ``role``
    says otherwise. ``files``: how many a form may bring, each of at most MAX_BYTES.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, scope: Scope = Scope.READ, role: Role | None = None, files: int = 0) -> None:
        self.scope, self.files = scope, files
        self.role = ROLES[scope] if role is None else role
        super().__init__()

    def __call__(self, request: HttpRequest) -> Any:
        by_token = "Authorization" in request.headers
        user = self._by_token(request) if by_token else request.user
        self._require_role(user)
        request.most_files = self.files  # type: ignore[attr-defined] # read by IncomingUploadHandler
        self._require_size(request)
        if self.files:
            take_what_is_sent(request)
        # Last, for it looks into a form where the header is missing: that reads it, files and all.
        if not by_token and user.is_authenticated and request.method in UNSAFE and check_csrf(request):
            raise Refusal(403, "csrf", "Send the token of this session in the header X-CSRFToken.")
        return user

    def _by_token(self, request: HttpRequest) -> User:
        kind, _, secret = request.headers["Authorization"].partition(" ")
        token = ApiToken.objects.of_secret(secret.strip()) if kind.lower() == "bearer" else None
        if token is None:
            raise Refusal(401, "unauthorized", "This token is unknown, expired or revoked.", BEARER)
        if self.scope not in token.scopes:
            sentence = f"This token may not do that: it lacks the scope “{self.scope}”."
            raise Refusal(403, "scope", sentence)
        token.used()
        request.user = token.user
        return token.user

    def _require_role(self, user: User | AnonymousUser) -> None:
        least = self.role if settings.ACCESS == "public" else max(self.role, Role.MEMBER)
        if role_of(user) >= least:
            return
        if not user.is_authenticated:
            raise Refusal(401, "unauthorized", "Sign in, or send a token of this gallery.", BEARER)
        raise Refusal(403, "forbidden", f"Only a {Role(self.role).label} may do that.")

    def _require_size(self, request: HttpRequest) -> None:
        if request.content_type != "multipart/form-data":
            return
        length = request.META.get("CONTENT_LENGTH") or "0"
        most = max(1, self.files) * settings.MAX_BYTES if self.files else 0
        if length.isdecimal() and int(length) > most + ROOM:
            raise Refusal(413, "too_large", f"At most {(most + ROOM) >> 20} MiB are taken at once.")
