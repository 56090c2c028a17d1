from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion import mining_admin  # noqa: F401 - registers what mining knows
from ingestion.forms import WatchedFolderForm
from ingestion.models import HeldUpload, Job, KnownFile, Label, Template, WatchedFolder
from ingestion.tasks import look_through, ring


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    list_display = ("id", "kind", "picture", "state", "attempts", "reason", "created_at", "finished_at")
    list_filter = ("state", "kind")
    list_select_related = ("image",)
    search_fields = ("image__name", "error")
    show_full_result_count = False
    actions = ("retry",)

    @admin.display(description="picture")
    def picture(self, job: Job) -> SafeString:
        return format_html('<a href="{}">{}</a>', job.image.get_absolute_url(), job.image.name)

    @admin.display(description="error")
    def reason(self, job: Job) -> str:
        return job.error[:200]

    @admin.action(description="Try again")
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        count = Job.objects.filter(pk__in=jobs.values("pk")).retry()
        ring()
        messages.success(request, f"{count} jobs are tried again.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False


@admin.register(WatchedFolder)
class WatchedFolderAdmin(admin.ModelAdmin):
    form = WatchedFolderForm
    list_display = ("path", "active", "edits", "last_scan", "result")
    readonly_fields = ("last_scan", "result")
    fields = ("path", "active", "edits", "last_scan", "result")
    actions = ("look_now",)

    @admin.action(description="Look through now")
    def look_now(self, request: HttpRequest, folders: QuerySet[WatchedFolder]) -> None:
        for folder in folders:
            look_through(folder.pk)
        messages.success(request, "The worker is looking through them.")


@admin.register(KnownFile)
class KnownFileAdmin(admin.ModelAdmin):
    list_display = ("path", "result", "reason", "seen_at")
    list_filter = ("result",)
    search_fields = ("path",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: KnownFile | None = None) -> bool:
        return False


@admin.register(HeldUpload)
class HeldUploadAdmin(admin.ModelAdmin):
    """To look at. Decisions are made on the Import page, where both pictures are seen."""

    list_display = ("name", "by", "state", "width", "height", "bytes", "error", "created_at", "decided_by")
    list_filter = ("state",)
    search_fields = ("name",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: HeldUpload | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: HeldUpload | None = None) -> bool:
        return False


@admin.register(Label)
class LabelAdmin(admin.ModelAdmin):
    """An edit makes the labels of all pictures anew, beside those that are shown; no network looks at any picture."""

    list_display = ("name", "category", "enabled", "prompts")
    list_editable = ("enabled",)
    list_filter = ("enabled", "category")
    search_fields = ("name", "prompts")
    list_per_page = 100


@admin.register(Template)
class TemplateAdmin(admin.ModelAdmin):
    list_display = ("text",)
