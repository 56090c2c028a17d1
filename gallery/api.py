"""The one API. Apps above the gallery bring their routers, named by strings only.

Of each subject X there is X_api.py, its operations, and where they are many X_schemas.py, what they take and tell.
api_*.py is what operations of several subjects share.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from ninja import NinjaAPI

from gallery import api_docs
from gallery.api_access import Access
from gallery.api_problems import problem, speak_for, with_problems
from gallery.models import Role
from gallery.refusal import Refusal

ROUTERS = [
    ("", "gallery.site_api.router"),
    ("/images", "gallery.images_api.router"),
    ("/images", "search.images_api.router"),
    ("/tags", "search.complete_api.router"),  # before "/tags/{id}"
    ("/tags", "gallery.tags_api.router"),
    ("/search", "search.search_api.router"),
    ("/saved", "search.saved_api.router"),
    ("/collections", "search.collections_api.router"),
    ("/uploads", "ingestion.uploads_api.router"),
    ("/sources", "ingestion.sources_api.router"),
    ("/candidates", "ingestion.candidates_api.router"),
    ("/filter", "ingestion.filter_api.router"),
]


class Api(NinjaAPI):
    """Also says no as the API does where no operation is asked at all."""

    _document: Any = None

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        routes = super()._get_urls()
        for route in routes:
            if isinstance(route, URLPattern):
                is_document = str(route.name).startswith("openapi")
                view = _for_readers(self, route.callback) if is_document else route.callback
                route.callback = with_problems(self, view)
        docs = path("docs", api_docs.page, {"api": self}, name="api_docs")
        return [docs, *routes, path("<path:rest>", self._unknown, name="unknown")]

    def get_openapi_schema(self, **which: Any) -> Any:
        """Made once, for nothing of it depends on who asks."""
        if self._document is None:
            self._document = _described(super().get_openapi_schema(**which), self)
        return self._document

    def _unknown(self, request: HttpRequest, rest: str) -> HttpResponse:
        sentence = f"There is no /api/{rest[:100]}. What there is stands in /api/openapi.json and /api/docs."
        return problem(self, request, sentence, "not_found", 404)


def _for_readers(api: NinjaAPI, view: Callable[..., Any]) -> Callable[..., Any]:
    """The document of a gallery that is not public is read with a session or a token, as its operations are."""
    access = Access()

    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            access(request)
        except (Refusal, OperationalError, InterfaceError) as error:
            return api.on_exception(request, error)
        return view(request, *args, **kwargs)

    return asked


def _described(document: Any, api: NinjaAPI) -> Any:
    """With what each operation needs: who may look needs no token, where the gallery is public."""
    for router in api._get_bound_routers():
        for view in router.path_operations.values():
            for operation in view.operations:
                _describe(document, operation)
    return document


def _describe(document: Any, operation: Any) -> None:
    asks = [each for each in operation.auth_callbacks if isinstance(each, Access)]
    name = operation.operation_id or operation.api.get_openapi_operation_id(operation)
    for said in (each for methods in document["paths"].values() for each in methods.values()):
        if said["operationId"] == name and asks:
            said["x-needs"] = asks[0].scope.value
            if asks[0].role == Role.ANONYMOUS:
                said["security"] = [{}, *said["security"]]


api = Api(
    title=settings.TITLE,
    version="1",
    description=api_docs.DESCRIPTION,
    docs_url=None,
    urls_namespace="api",
    openapi_extra={"tags": api_docs.TAGS},
)
speak_for(api)
for prefix, router in ROUTERS:
    api.add_router(prefix, router)
