"""Which of the changes on a page were taken back: nothing is left of them to revert."""

from __future__ import annotations

from collections.abc import Iterable

from django import template

from gallery.models import Batch, Edit

register = template.Library()


@register.simple_tag
def taken_back(edits: Iterable[Edit]) -> dict[str, set[int | None]]:
    """{"edits": ids, "batches": ids}. What was taken back and brought again is none of them."""
    edits = list(edits)
    ids, batch_ids = {edit.pk for edit in edits}, {edit.batch_id for edit in edits if edit.batch_id}
    of_edits = Edit.objects.filter(takes_back__in=ids, taken_back_by=None)
    of_batches = Batch.objects.filter(takes_back__in=batch_ids, taken_back_by=None)
    return {
        "edits": set(of_edits.values_list("takes_back", flat=True)),
        "batches": set(of_batches.values_list("takes_back", flat=True)) if batch_ids else set(),
    }
