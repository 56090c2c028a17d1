"""The back office: plain Django admin, which keeps to the strict content policy and needs no other package."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Tag, TagAlias, User
from gallery.tags import hold_rules
from gallery.words import WordError, tag_name

admin.site.site_header = "Lookalike"
admin.site.site_title = "Lookalike"
admin.site.index_title = "Back office"


@admin.register(User)
class PersonAdmin(UserAdmin):
    """To look at, and to mend names. Who may what is said on the page Accounts: that one leaves the gallery an admin,
    and knows what becomes of the pictures of those who go."""

    list_filter = ("is_staff", "is_superuser", "is_active")
    readonly_fields = ("is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "email")}),
        ("Role", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


class OnceFormSet(BaseInlineFormSet):
    """The generation is not in the form, so that Django leaves it to the database to find the same word twice."""

    what: ClassVar[tuple[str, ...]] = ("origin",)

    def clean(self) -> None:
        super().clean()
        filled = [form for form in self.forms if getattr(form, "cleaned_data", None)]
        kept = [form for form in filled if not form.cleaned_data.get("DELETE")]
        others = self.model._default_manager.filter(image=self.instance).exclude(pk__in=[f.instance.pk for f in filled])
        seen = {tuple(getattr(word, name) for name in (*self.what, "generation")) for word in others}
        for form in kept:
            key = (*(form.cleaned_data.get(name) for name in self.what), form.instance.generation)
            if key in seen:
                name = self.model._meta.verbose_name
                raise ValidationError(f"“{form.instance}” is here already: there is one {name} of each origin.")
            seen.add(key)


class TagFormSet(OnceFormSet):
    what = ("tag", "origin")


class SourceInline(admin.TabularInline):
    model = ImageSource
    extra = 0
    readonly_fields = ("kind", "address", "first_seen", "by")


class TagInline(admin.TabularInline):
    model = ImageTag
    formset = TagFormSet
    extra = 0
    autocomplete_fields = ("tag",)


class CaptionInline(admin.TabularInline):
    model = Caption
    formset = OnceFormSet
    extra = 0


class OcrInline(admin.TabularInline):
    model = OcrText
    formset = OnceFormSet
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Image]:
        return super().get_queryset(request).exclude(pk__in=Image.objects.hidden_from(request.user).values("pk"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # pictures come in through the import, which decodes and keeps them

    def has_delete_permission(self, request: HttpRequest, obj: Image | None = None) -> bool:
        return False  # the trash is the only way out: it can be undone


class TagForm(forms.ModelForm):
    def clean_name(self) -> str:
        try:
            name = tag_name(self.cleaned_data["name"])
        except WordError as error:
            raise ValidationError(str(error)) from error
        hold_rules()  # the admin saves in the same transaction
        if alias := TagAlias.objects.filter(name=name).select_related("tag").first():
            raise ValidationError(f"“{name}” is another name of “{alias.tag}”: take it away there first.")
        return name


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):
    form = TagForm
    list_display = ("name", "category", "rules")
    list_filter = ("category",)
    search_fields = ("name",)
    readonly_fields = ("rules",)

    @admin.display(description="other names, implications")
    def rules(self, tag: Tag) -> SafeString | str:
        return format_html('<a href="{}">Rename, merge, imply…</a>', reverse("tag", args=[tag.pk])) if tag.pk else ""

    def get_readonly_fields(self, request: HttpRequest, obj: Tag | None = None) -> tuple[str, ...]:
        # A new name must leave the old one as another name: its page does that.
        return ("rules", "name") if obj else ("rules",)

    def has_delete_permission(self, request: HttpRequest, obj: Tag | None = None) -> bool:
        return False  # pictures, implications and merges hold on to it: merging is the way out, and can be undone
