"""What mining knows, to look at. Sources have a page of their own, and decisions are made on that of moderation."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion.models import Ban, Candidate, Decision, KnownUrl, Server
from ingestion.models.candidates import HEAVY


class ReadOnlyAdmin(admin.ModelAdmin):
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Candidate)
class CandidateAdmin(ReadOnlyAdmin):
    list_display = ("id", "picture", "source", "state", "advice", "author", "licence", "attempts", "found_at")
    list_filter = ("state", "advice", "source")
    list_select_related = ("source",)
    search_fields = ("title", "name", "author", "url", "sha256")
    exclude = (*HEAVY, "phash")

    @admin.display(description="picture")
    def picture(self, candidate: Candidate) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("candidate", args=[candidate.token]), str(candidate)[:80])


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("id", "action", "pictures", "reason", "note", "by", "at", "undone_at", "undone_by")
    list_filter = ("action",)
    list_select_related = ("by", "undone_by")
    search_fields = ("reason", "note")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        return super().get_queryset(request).annotate(count=Count("steps"))

    @admin.display(description="pictures")
    def pictures(self, decision: Decision) -> int:
        return decision.count  # type: ignore[attr-defined] # annotated


@admin.register(Ban)
class BanAdmin(ReadOnlyAdmin):
    list_display = ("id", "sha256", "of", "reason", "by", "at")
    list_select_related = ("by",)
    search_fields = ("sha256", "reason")
    exclude = ("phash",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Ban]:
        without = [f"candidate__{name}" for name in HEAVY]
        return super().get_queryset(request).select_related("candidate").defer(*without)

    @admin.display(description="candidate")
    def of(self, ban: Ban) -> SafeString | str:
        if ban.candidate is None:
            return "gone"
        address = reverse("candidate", args=[ban.candidate.token])
        return format_html('<a href="{}">{}</a>', address, str(ban.candidate)[:80])


@admin.register(KnownUrl)
class KnownUrlAdmin(ReadOnlyAdmin):
    list_display = ("id", "url", "status", "outcome", "failures", "asked_at", "again_at")
    list_filter = ("outcome",)
    search_fields = ("url",)


@admin.register(Server)
class ServerAdmin(ReadOnlyAdmin):
    list_display = ("host", "pause", "free_at", "failures", "error")
    search_fields = ("host",)
