"""What whoever adds a source is asked: its name and pace, what its kind wants to know, and the rules of its filters."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ingestion.filters import all_filters
from ingestion.filters._base import Filter
from ingestion.models import Source
from ingestion.sources._base import Crawler

UNITS = [(1, "minutes"), (60, "hours"), (1440, "days")]


class SourceForm(forms.ModelForm):
    """``every`` is asked in the unit that reads best."""

    unit = forms.TypedChoiceField(choices=UNITS, coerce=int, required=False)

    class Meta:
        model = Source
        fields = ("name", "every", "budget", "publishes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["name"].disabled = True  # addresses and the command line know it by this name
        every = self.instance.every
        unit = next(minutes for minutes, _ in reversed(UNITS) if every % minutes == 0)
        self.initial.update({"every": every // unit, "unit": unit})
        self.fields["name"].help_text = "Letters, digits and hyphens: earth-photos"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        every = cleaned.get("every")
        if every:
            cleaned["every"] = every * (cleaned.get("unit") or 60)
        return cleaned

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if Source.objects.exclude(pk=self.instance.pk).filter(name=name, removed_at__isnull=False).exists():
            raise ValidationError("A source that was removed has this name. Bring it back, or choose another name.")
        return name


class RulesForm(forms.Form):
    """The options of all filters, each as its default says. What is as usual is not kept."""

    prefix = "rule"

    def __init__(self, data: Any, rules: dict[str, dict[str, Any]]) -> None:
        super().__init__(data)
        for filter_ in all_filters().values():
            for name, usual in filter_.defaults.items():
                now = rules.get(filter_.name, {}).get(name, usual)
                self.fields[f"{filter_.name}.{name}"] = _field(filter_, name, now)

    def rules(self) -> dict[str, dict[str, Any]]:
        """{filter: {option: value}} of those that are not as usual."""
        changed: dict[str, dict[str, Any]] = {}
        for key, value in self.cleaned_data.items():
            name, _, option = key.partition(".")
            usual = all_filters()[name].defaults[option]
            value = usual if value is None else value
            if value != usual:
                changed.setdefault(name, {})[option] = value
        return changed

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """[(filter, its fields)]"""
        found = []
        for filter_ in all_filters().values():
            if filter_.defaults:
                found.append((filter_.label, [self[f"{filter_.name}.{name}"] for name in filter_.defaults]))
        return found


def _field(filter_: Filter, name: str, now: Any) -> forms.Field:
    usual = filter_.defaults[name]
    label, about = filter_.words.get(name, (name.replace("_", " ").capitalize(), ""))
    options: dict[str, Any] = {"label": label, "required": False, "initial": now, "help_text": about}
    if isinstance(usual, bool):
        return forms.BooleanField(**options)
    if usual not in (None, ""):
        options["help_text"] = (
            f"{about} Usually {usual:g}." if isinstance(usual, float) else f"{about} Usually {usual}."
        )
    if isinstance(usual, int):
        return forms.IntegerField(min_value=0, **options)
    if isinstance(usual, float):
        return forms.FloatField(min_value=0, **options)
    return forms.CharField(max_length=1000, **options)


class SourceForms:
    """The three forms as one."""

    def __init__(self, crawler: Crawler, source: Source | None = None, data: Any = None) -> None:
        self.crawler, self.source = crawler, source or Source(kind=crawler.kind)
        self.about = SourceForm(data, instance=self.source)
        self.options = crawler.options(data, prefix="option", initial=self.source.options)
        self.rules = RulesForm(data, rules=self.source.rules)

    def is_valid(self) -> bool:
        return not self.errors and self.about.is_bound

    @property
    def errors(self) -> int:
        return sum(len(form.errors) for form in (self.about, self.options, self.rules))

    def filled(self) -> Source:
        """The source as the forms say, not saved."""
        source: Source = self.about.save(commit=False)
        source.options, source.rules = self.options.cleaned_data, self.rules.rules()
        return source

    def save(self) -> Source:
        """Only what the forms say: a crawl that is going on writes the rest."""
        was = self.source.options
        source = self.filled()
        source.save(update_fields=["every", "budget", "publishes", "rules"])
        if source.options != was:
            source.change(source.options)
        return source
