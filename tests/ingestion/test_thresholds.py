"""The line between suggestions that are shown and those that are not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.db import transaction
from django.test import Client
from huey.contrib.djhuey import HUEY

from gallery.models import Caption, Image, ImageTag, Tag
from ingestion import thresholds, word_tasks
from ingestion.annotators import all_network_annotators
from ingestion.models import ThresholdChange
from ingestion.thresholds import LineMoved, carry_on, follow, last_change, move, take_back
from ingestion.word_tasks import follow_lines, forget_suggestions
from search.models import Generation
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/import/words/"


@pytest.fixture
def places() -> Generation:
    """A hundred images with a tag each, of 0 to 99 % confidence; the line is at 30 %."""
    generation = Generation.objects.create(role="places", network="net:1", fingerprint="f", state="current")
    suggest(generation, rows(100))
    follow("places", ImageTag)
    return generation


def suggest(generation: Generation, images: list[int], tag: str = "beach") -> None:
    beach, _ = Tag.objects.get_or_create(name=tag)
    ImageTag.objects.bulk_create(
        ImageTag(
            image_id=pk,
            tag=beach,
            origin=generation.network,
            generation=generation.pk,
            confidence=number / 100,
            state="suggested",
            offered=False,
        )
        for number, pk in enumerate(images)
    )


def shown(tag: str = "beach") -> int:
    return ImageTag.objects.filter(shown=True, tag__name=tag).count()


def drawn(value: float | None, seen: float, tag: int | None = None, role: str = "places") -> ThresholdChange:
    change = move(role, tag, value, seen, None)
    assert change
    while carry_on(change, 10):
        pass
    return change


def test_it_works(places: Generation):
    start = thresholds.line_of("places")
    assert shown() == 100 - round(100 * start)
    drawn(0.9, start)
    assert shown() == 10
    drawn(0.29, 0.9)
    assert shown() == 71


def test_undo_goes_back_step_by_step(places: Generation):
    start = thresholds.line_of("places")
    drawn(0.9, start)
    drawn(0.5, 0.9)
    for line in (0.9, start):
        last = last_change("places", None)
        assert last
        carry_on(take_back(last, None), 10)
        assert thresholds.line_of("places") == line
        assert shown() == 100 - round(100 * line)
    assert last_change("places", None) is None


def test_a_tag_has_a_line_of_its_own(places: Generation):
    suggest(places, list(Image.objects.order_by("pk").values_list("pk", flat=True)), "sea")
    sea, start = Tag.objects.get(name="sea"), thresholds.line_of("places")
    drawn(0.8, start, sea.pk)
    assert shown("sea") == 20
    drawn(0.5, start)
    assert (shown("sea"), shown("beach")) == (20, 50)
    drawn(None, 0.8, sea.pk)
    assert shown("sea") == 50


def test_what_people_decided_is_never_touched(places: Generation):
    ImageTag.objects.filter(confidence__lt=0.1).update(state="accepted")
    ImageTag.objects.filter(confidence__gte=0.9).update(state="rejected")
    mine = ImageTag.objects.create(image=Image.objects.earliest("pk"), tag=Tag.objects.create(name="mine"))
    start = thresholds.line_of("places")
    for line, before in ((1.0, start), (0.0, 1.0)):
        drawn(line, before)
        assert ImageTag.objects.filter(confidence__lt=0.1, state="accepted", shown=True).count() == 10
        assert ImageTag.objects.filter(confidence__gte=0.9, state="rejected", shown=False).count() == 10
        mine.refresh_from_db()
        assert mine.state == "accepted"
    assert shown() == 90


def test_two_who_move_it_at_once(places: Generation):
    start = thresholds.line_of("places")
    first = drawn(0.9, start)
    with pytest.raises(LineMoved):
        move("places", None, 0.2, start, None)
    drawn(0.5, 0.9)
    with pytest.raises(LineMoved):
        take_back(first, None)
    assert shown() == 50


def test_it_goes_on_after_a_crash(places: Generation, monkeypatch):
    """Each batch is kept; the worker ends what was begun."""
    monkeypatch.setattr(thresholds, "AT_ONCE", 60)
    change = move("places", None, 1.0, thresholds.line_of("places"), None)
    assert change
    assert carry_on(change, 0)
    assert 0 < shown() < 70
    follow_lines.call_local()
    assert shown() == 0
    assert ThresholdChange.objects.get().finished_at


def test_a_line_of_a_role_that_is_gone_is_in_nobodys_way(places: Generation):
    ThresholdChange.objects.create(role="of another program", before=0.1, after=0.2)
    change = move("places", None, 1.0, thresholds.line_of("places"), None)
    assert change
    for _ in range(3):
        follow_lines.call_local()
    assert shown() == 0


class TestAnotherNetwork:
    """It answers at once; what is shown follows in steps, and nobody waits for it."""

    @pytest.fixture
    def other(self, places: Generation) -> Generation:
        other = Generation.objects.create(role="places", network="net:2", fingerprint="g", state="beside")
        suggest(other, list(Image.objects.order_by("pk").values_list("pk", flat=True)), "sea")
        return other

    @staticmethod
    def switch_to(generation: Generation) -> None:
        with transaction.atomic():
            assert generation.answer()
            all_network_annotators()["places"].switched()

    def test_it_works(self, other: Generation, places: Generation, monkeypatch):
        monkeypatch.setattr(thresholds, "AT_ONCE", 60)
        monkeypatch.setattr(word_tasks, "SECONDS_A_RING", 0)
        assert (shown(), shown("sea")) == (70, 0)
        HUEY.flush()
        self.switch_to(other)
        assert (shown(), shown("sea")) == (70, 0)
        assert HUEY.pending_count() == 1
        follow_lines.call_local()
        assert (shown(), shown("sea")) == (40, 30)
        while ThresholdChange.objects.filter(finished_at__isnull=True).exists():
            follow_lines.call_local()
        assert (shown(), shown("sea")) == (0, 70)

    def test_it_goes_back_before_it_is_through(self, other: Generation, places: Generation, monkeypatch):
        monkeypatch.setattr(thresholds, "AT_ONCE", 60)
        self.switch_to(other)
        carry_on(ThresholdChange.objects.get(), 0)
        places.refresh_from_db()
        self.switch_to(places)
        while ThresholdChange.objects.filter(finished_at__isnull=True).exists():
            follow_lines.call_local()
        assert (shown(), shown("sea")) == (70, 0)

    def test_it_is_nothing_to_undo(self, other: Generation, as_admin: Client):
        start = thresholds.line_of("places")
        moved = drawn(0.9, start)
        self.switch_to(other)
        assert last_change("places", None) == moved
        technical = ThresholdChange.objects.latest("pk")
        with pytest.raises(LineMoved):
            take_back(technical, None)
        page = as_admin.get(f"{PAGE}?role=places").content.decode()
        assert f"{PAGE}line/{moved.pk}/undo/" in page
        assert f"{PAGE}line/{technical.pk}/undo/" not in page
        take_back(moved, None)
        assert thresholds.line_of("places") == start

    def test_the_page_says_so_while_it_is_under_way(self, other: Generation, as_admin: Client):
        says = "A network has taken over, and what is shown follows it."
        assert says not in as_admin.get(f"{PAGE}?role=places").content.decode()
        self.switch_to(other)
        assert says in as_admin.get(f"{PAGE}?role=places").content.decode()
        assert says in as_admin.get(f"{PAGE}line/progress/?role=places").content.decode()
        follow_lines.call_local()
        assert says not in as_admin.get(f"{PAGE}?role=places").content.decode()


def test_captions_follow_too_and_with_them_what_stands_for_a_picture():
    generation = Generation.objects.create(role="caption", network="net:1", fingerprint="f", state="current")
    (pk,) = rows(1)
    Caption.objects.create(
        image_id=pk, text="a beach", origin="net:1", generation=generation.pk, confidence=0.4, state="suggested"
    )
    assert Image.objects.get().caption == "a beach"
    drawn(0.5, thresholds.line_of("caption"), role="caption")
    assert Image.objects.get().caption == ""
    drawn(0.3, 0.5, role="caption")
    assert Image.objects.get().caption == "a beach"


def test_suggestions_of_what_is_gone_are_forgotten(places: Generation):
    ImageTag.objects.filter(confidence__lt=0.1).update(state="accepted")
    Generation.objects.update(state="gone")
    forget_suggestions()
    assert set(ImageTag.objects.values_list("state", flat=True)) == {"accepted"}


class TestPage:
    def test_it_works(self, places: Generation, as_admin: Client):
        now = round(100 * thresholds.line_of("places"))
        answer = as_admin.get(f"{PAGE}?role=places&line=80").content.decode()
        assert f"<strong>{100 - now}</strong> tags on <strong>{100 - now}</strong> pictures" in answer
        assert "<strong>20</strong> tags on <strong>20</strong> pictures" in answer
        assert answer.count('<span class="what">beach</span>') == 12
        assert "80\xa0%" in answer
        assert "79\xa0%" in answer
        response = as_admin.post(f"{PAGE}line/", {"role": "places", "line": "80", "seen": now}, follow=True)
        assert shown() == 20
        assert "The line of" in response.content.decode()
        change = ThresholdChange.objects.get()
        assert change.by
        assert f"{PAGE}line/{change.pk}/undo/" in response.content.decode()
        as_admin.post(f"{PAGE}line/{change.pk}/undo/")
        assert shown() == 100 - now

    def test_htmx_gets_only_what_changes(self, places: Generation, as_admin: Client):
        answer = as_admin.get(f"{PAGE}?role=places&line=80", headers={"HX-Request": "true"}).content.decode()
        assert "<strong>20</strong> tags" in answer
        assert "<html" not in answer

    def test_tags_have_pages_of_their_own(self, places: Generation, as_admin: Client):
        beach = Tag.objects.get()
        now = round(100 * thresholds.line_of("places"))
        assert f"?role=places&amp;tag={beach.pk}" in as_admin.get(f"{PAGE}?role=places").content.decode()
        form = {"role": "places", "tag": beach.pk, "seen": now}
        as_admin.post(f"{PAGE}line/", form | {"line": "95"})
        assert shown() == 5
        assert "As for all others" in as_admin.get(f"{PAGE}?role=places&tag={beach.pk}").content.decode()
        as_admin.post(f"{PAGE}line/", form | {"line": "none", "seen": "95"})
        assert shown() == 100 - now

    def test_is_for_staff(self, places: Generation, client: Client, as_member: Client):
        for who, status in ((client, 302), (as_member, 403)):
            assert who.get(PAGE).status_code == status
            assert who.post(f"{PAGE}line/", {"role": "places", "line": "1", "seen": "30"}).status_code == status
        assert not ThresholdChange.objects.exists()

    def test_says_when_somebody_was_faster(self, places: Generation, as_admin: Client):
        drawn(0.9, thresholds.line_of("places"))
        response = as_admin.post(f"{PAGE}line/", {"role": "places", "line": "10", "seen": "30"}, follow=True)
        assert "Meanwhile somebody has moved this line to 90 %" in response.content.decode()
        assert shown() == 10

    @pytest.mark.parametrize("line", ["-1", "101", "x", "²", "1e1", "9" * 30])
    def test_rejects_lines_that_are_none(self, places: Generation, as_admin: Client, line: str):
        assert as_admin.get(PAGE, {"role": "places", "line": line}).status_code == 400
        assert as_admin.post(f"{PAGE}line/", {"role": "places", "line": line, "seen": "30"}).status_code == 400

    @pytest.mark.parametrize(
        "query", ["role=nothing", "role=places&tag=999", "role=places&tag=x", "role=caption&tag=1"]
    )
    def test_rejects_what_is_not_there(self, as_admin: Client, query: str):
        assert as_admin.get(f"{PAGE}?{query}").status_code == 404

    @pytest.mark.parametrize("role", ["caption", "places", "labels"])
    def test_handles_a_role_that_nobody_fills(self, as_admin: Client, role: str):
        assert "No network writes these yet" in as_admin.get(f"{PAGE}?role={role}").content.decode()


def test_large_collections_are_counted_by_a_sample(monkeypatch):
    from django.db import connection

    from ingestion import confidences

    generation = Generation.objects.create(role="places", network="net:1", fingerprint="f", state="current")
    suggest(generation, rows(3000)[:100])
    ImageTag.objects.update(confidence=0.5)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE gallery_image")
    suggest(generation, list(Image.objects.order_by("pk").values_list("pk", flat=True)[100:]), "sea")
    ImageTag.objects.update(confidence=0.5)
    exact = confidences.spread("places", ImageTag, generation.pk, None)
    assert (exact.over(50), exact.over(51), exact.is_sample) == ((3000, 3000), (0, 0), False)
    monkeypatch.setattr(confidences, "SAMPLE", 1000)
    sampled = confidences.spread("places", ImageTag, generation.pk, None)
    assert sampled.is_sample
    assert 1000 < sampled.over(50)[0] < 6000
    assert sampled.over(51) == (0, 0)


def test_the_worker_knows_what_to_do():
    """In a process that has only started Django, as a worker does."""
    program = "import django; django.setup(); from huey.contrib.djhuey import HUEY; print(*HUEY._registry._registry)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "ingestion.word_tasks.follow_lines" in run.stdout
    assert "ingestion.word_tasks.sweep_words" in run.stdout
