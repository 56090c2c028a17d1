"""Each host is asked at its pace, over all processes, and left alone when it asks for it."""

from __future__ import annotations

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db.models.functions import Now

from ingestion import download, pace, pinned
from ingestion.answers import retry_after
from ingestion.download import DownloadError, Web
from ingestion.models import Server
from ingestion.pace import DatabaseClock, OwnPace, Pace, SharedPace, backoff
from tests.sites.site import Reply

pytestmark = pytest.mark.django_db
EVER = 10**6
"""Seconds that somebody would wait. Pauses are long here, so that those of a busy machine do not count."""


@pytest.fixture(params=[SharedPace, OwnPace])
def kept(request) -> Pace:
    return request.param()


def left() -> float:
    row = Server.objects.annotate(now=DatabaseClock()).get()
    return (row.free_at - row.now).total_seconds()


def too_fast(again_after: float | None = None, status: int = 429) -> DownloadError:
    return DownloadError("rate_limited", "Slower.", status=status, again_after=again_after)


def test_it_works(site):
    site.put("/a", "x")
    with Web() as web:
        web.page(f"{site.url}/a")
        Server.objects.update(pause=0.2)
        began = time.monotonic()
        web.page(f"{site.url}/a")
        web.page(f"{site.url}/a")
    assert Server.objects.get().host == site.host
    assert site.asked[2].at - began > 0.15


def test_turns_are_handed_out_one_after_the_other(kept):
    waits = [kept._turn("h.org", 500, EVER) for _ in range(4)]
    assert waits == pytest.approx([0, 500, 1000, 1500], abs=200)
    assert kept._turn("other.org", 500) == 0


def test_a_long_wait_is_the_callers(kept):
    kept._turn("h.org", 6000)
    for _ in range(2):  # and takes no turn
        with pytest.raises(DownloadError) as error:
            kept.wait("h.org")
        assert error.value.code == "rate_limited"
        assert error.value.again_after == pytest.approx(6000, abs=200)
        assert not error.value.is_final


def test_a_host_may_want_more_time(kept):
    kept._turn("h.org", 500)
    kept.slow_down("h.org", 3000)
    kept.slow_down("h.org", 2000)
    assert [kept._turn("h.org", 500, EVER) for _ in range(3)] == pytest.approx([500, 3500, 6500], abs=200)
    with pytest.raises(DownloadError):
        kept._turn("h.org", 500)


def test_failures_double_the_silence_and_a_success_ends_it(kept):
    kept._turn("h.org", 0)
    error = DownloadError("server", "Oh.", status=500)
    assert [kept.failed("h.org", error) for _ in range(8)] == [2, 4, 8, 16, 32, 64, 128, 256]
    with pytest.raises(DownloadError, match="Oh"):
        kept.wait("h.org")
    kept.succeeded("h.org")
    assert kept.failed("h.org", error) == 2


def test_how_long_a_host_is_left_alone():
    assert backoff(1, too_fast()) == 16
    assert backoff(1, too_fast(again_after=120)) == 120
    assert backoff(1, too_fast(again_after=1)) == 16
    assert backoff(60, too_fast()) == 3600
    assert backoff(1, too_fast(again_after=10**9)) == 24 * 3600


def test_retry_after_is_a_number_or_a_date():
    assert retry_after("120") == 120
    assert retry_after("Sat, 21 Nov 2026 12:00:30 GMT", now=1_795_262_400) == 30
    assert retry_after("Sat, 21 Nov 2020 12:00:00 GMT") == 0
    for nonsense in ("", "soon", "-5", "1e9", "²", "Sat, 99 Nov 2026"):
        assert retry_after(nonsense) is None


def test_a_host_that_says_when_is_not_asked_before(site):
    site.put("/a", "x")
    site.next("/a", Reply(status=429, headers={"Retry-After": "9000"}))
    with Web() as web:
        for _ in range(2):
            with pytest.raises(DownloadError) as error:
                web.page(f"{site.url}/a")
            assert error.value.again_after == pytest.approx(9000, abs=200)
        assert left() == pytest.approx(9000, abs=200)
        assert len(site.asked) == 1
        Server.objects.update(free_at=Now())
        assert web.page(f"{site.url}/a").text == "x"
    assert (Server.objects.get().failures, Server.objects.get().error) == (0, "")


def test_a_fault_is_told_with_the_time_to_wait(site):
    with Web() as web, pytest.raises(DownloadError) as error:
        web.page(site.put("/a", "x", status=503))
    assert error.value.again_after == 2
    assert Server.objects.get().failures == 1
    assert "503" in Server.objects.get().error


def test_what_is_missing_is_no_fault_of_the_host(site):
    with Web() as web, pytest.raises(DownloadError):
        web.page(f"{site.url}/nothing")
    assert Server.objects.get().failures == 0


def test_waiting_does_not_count_as_slowness(site, monkeypatch):
    site.put("/a", "x")
    slept = []
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=time.monotonic, sleep=slept.append))
    monkeypatch.setattr(pinned, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 1000 * len(slept)))
    with Web() as web:
        web.page(f"{site.url}/a")
        Server.objects.update(free_at=DatabaseClock() + timedelta(seconds=4))
        slept.clear()
        assert web.page(f"{site.url}/a", seconds=download.Seconds(connect=60, read=60, total=120)).text == "x"
    assert len(slept) == 1


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_does_not_hang_us(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection, transaction

    def turn() -> float:
        try:
            return SharedPace()._turn("h.org", 0)
        finally:
            connection.close()

    monkeypatch.setattr(pace, "PATIENCE", 0.2)
    Server.objects.create(host="h.org", pause=0)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Server.objects.select_for_update().get()
            with pytest.raises(DownloadError):  # while the row is still held
                pool.submit(turn).result()
        monkeypatch.setattr(pace, "PATIENCE", 60)
        assert pool.submit(turn).result() == 0
