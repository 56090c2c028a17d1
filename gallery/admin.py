"""The back office: plain Django admin, which keeps to the strict content policy and needs no other package."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Tag, User

admin.site.site_header = "Lookalike"
admin.site.site_title = "Lookalike"
admin.site.index_title = "Back office"
admin.site.register(User, UserAdmin)


class SourceInline(admin.TabularInline):
    model = ImageSource
    extra = 0
    readonly_fields = ("kind", "address", "first_seen", "by")


class TagInline(admin.TabularInline):
    model = ImageTag
    extra = 0
    autocomplete_fields = ("tag",)


class CaptionInline(admin.TabularInline):
    model = Caption
    extra = 0


class OcrInline(admin.TabularInline):
    model = OcrText
    extra = 0
    exclude = ("words",)


class TrashFilter(admin.SimpleListFilter):
    title = "trash"
    parameter_name = "trash"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", "In the trash"), ("all", "All")]

    def choices(self, changelist):
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "In the gallery",
        }
        yield from list(super().choices(changelist))[1:]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> QuerySet[Image]:
        if self.value() == "all":
            return queryset
        return queryset.filter(trashed_at__isnull=self.value() != "yes")


@admin.register(Image)
class ImageAdmin(admin.ModelAdmin):
    list_display = ("preview", "name", "size", "format", "bytes", "state", "added_at", "trashed_at")
    list_display_links = ("preview", "name")
    list_filter = (TrashFilter, "state", "format")
    search_fields = ("name", "sha256")
    show_full_result_count = False  # counting millions of rows for a number that nobody reads
    list_per_page = 50
    ordering = ("-id",)
    inlines = (SourceInline, TagInline, CaptionInline, OcrInline)
    fields = ("preview", "name", "size", "format", "bytes", "sha256", "taken_at", "state", "added_at", "trashed_at")
    readonly_fields = ("preview", "size", "format", "bytes", "sha256", "state", "added_at", "trashed_at")
    actions = ("move_to_trash", "take_out_of_trash")

    @admin.display(description="picture")
    def preview(self, image: Image) -> SafeString:
        # The placeholder is in the database, so that it is there for pictures in the trash too.
        source = image.placeholder_uri if image.trashed_at or image.state != "ready" else image.thumbnail.url
        return format_html('<img src="{}" alt="" height="60">', source)

    @admin.display(description="pixels", ordering="pixels")
    def size(self, image: Image) -> str:
        return f"{image.width} × {image.height}"

    @admin.action(description="Move to the trash")
    def move_to_trash(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        count = sum(image.trash() for image in images)
        messages.success(request, f"{count} pictures are in the trash; the filter “In the trash” brings them back.")

    @admin.action(description="Take out of the trash")
    def take_out_of_trash(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        count = sum(image.restore() for image in images)
        messages.success(request, f"{count} pictures are back.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # pictures come in through the import, which decodes and keeps them

    def has_delete_permission(self, request: HttpRequest, obj: Image | None = None) -> bool:
        return False  # the trash is the only way out: it can be undone


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):
    list_display = ("name", "category")
    list_filter = ("category",)
    search_fields = ("name",)
