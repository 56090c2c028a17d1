"""Of the site itself: who asks, whether it is well, what it can do."""

from __future__ import annotations

import json

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from ninja import Router, Schema
from pydantic import Field

from gallery import views
from gallery.api_access import ROLES, Access
from gallery.api_pages import REFUSALS, Problem, reader_of
from gallery.context import may_upload
from gallery.models import ApiToken, Role, Scope, role_of
from gallery.refusal import Refusal

VERSION = "1"

router = Router(tags=["site"])


class Me(Schema):
    """Who asks."""

    id: int | None = Field(description="null for a visitor without an account.")
    name: str
    role: str = Field(description="visitor, member, moderator or admin.")
    scopes: list[str] = Field(description="What may be done: those of the token, or all that the role allows.")
    may_upload: bool


class Site(Schema):
    title: str
    version: str = Field(description="Of this API.")
    access: str = Field(description="public: anybody may look; members and invite: only who has an account.")
    you: Me
    scopes: dict[str, str] = Field(description="What a token can be made for.")
    documentation: str
    document: str = Field(description="The OpenAPI document.")


class Health(Schema):
    state: str = Field(description="ok")
    engines: dict[str, str] = Field(description="Engines that are off, and why.")


@router.get("/", auth=Access(), response={200: Site, REFUSALS: Problem}, summary="What this gallery is")
def site(request: HttpRequest) -> Site:
    """Its title, who may look at it, and what you may do here."""
    absolute = request.build_absolute_uri
    return Site(
        title=settings.TITLE,
        version=VERSION,
        access=settings.ACCESS,
        you=_me(request),
        scopes={scope.value: str(scope.label) for scope in Scope},
        documentation=absolute(reverse("api:api_docs")),
        document=absolute(reverse("api:openapi-json")),
    )


@router.get("/me", auth=Access(), response={200: Me, REFUSALS: Problem}, summary="Who you are")
def me(request: HttpRequest) -> Me:
    """The account of your token or session; a visitor has none."""
    return _me(request)


def _me(request: HttpRequest) -> Me:
    user = reader_of(request)
    role = Role(role_of(user))
    return Me(
        id=user.pk,
        name=user.get_username(),
        role=str(role.label),
        scopes=_scopes(request, role),
        may_upload=bool(may_upload(request)),
    )


def _scopes(request: HttpRequest, role: Role) -> list[str]:
    allowed = [scope.value for scope, least in ROLES.items() if role >= least]
    _, _, secret = request.headers.get("Authorization", "").partition(" ")
    token = ApiToken.objects.of_secret(secret.strip()) if secret else None
    return [scope for scope in allowed if scope in token.scopes] if token else allowed


@router.get("/health", auth=None, response={200: Health, REFUSALS: Problem}, summary="Whether it is well")
def health(request: HttpRequest) -> Health:
    """The database answers, and the disk takes pictures; engines that are off are named. 503 if it is not well."""
    answer = views.ready(request)
    said = json.loads(answer.content)
    if answer.status_code != 200:
        raise Refusal(answer.status_code, "not_ready", said["status"], {"Retry-After": "5"})
    return Health(state=said["status"], engines=said.get("engines", {}))
