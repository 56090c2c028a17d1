"""Django's admin, for admins only, entered through the sign-in of the gallery: that one counts wrong passwords."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from gallery.models import Role, role_of
from gallery.pages import refuse


class BackOffice(AdminSite):
    def has_permission(self, request: HttpRequest) -> bool:
        return role_of(request.user) == Role.ADMIN

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.user.is_authenticated and not self.has_permission(request):
            return refuse(request, "Only admins of this gallery enter its back office.", 403)
        return redirect_to_login(request.GET.get("next") or "/admin/")

    def password_change(  # type: ignore[override] # it leads elsewhere
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("password")
