"""More than can be carried is refused at once, and the rest is answered: slow readers and floods hold up nobody."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from django.http import HttpResponse, StreamingHttpResponse

from gallery import admission
from gallery.admission import Admission, Full, Lane, threads_needed
from tests.bench.web_clients import ask, closed, open_, request
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


class Asked:
    """A request in a thread of its own, as the web server has it."""

    def __init__(self, site: Admission, path: str = "/", body: Any = None, **environ: str) -> None:
        self.status, self.headers, self.parts = "", {}, None
        self.environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.input": body or io.BytesIO(), **environ}
        self.thread = threading.Thread(target=self._go, args=[site], daemon=True)
        self.thread.start()

    def _go(self, site: Admission) -> None:
        self.parts = site(self.environ, self._start)

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, dict(headers)

    def answer(self) -> bytes:
        self.thread.join(120)
        assert not self.thread.is_alive(), "no answer"
        return b"".join(self.parts)


class Gate:
    """A site whose pages are answered when the gate opens."""

    def __init__(self) -> None:
        self.opened, self.inside = threading.Event(), threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        path = environ["PATH_INFO"]
        start("200 OK", [("X-Thread", threading.current_thread().name)])
        if path == "/stream/":
            return StreamingHttpResponse(iter([b"a", b"b"]))
        if path == "/said/":
            return HttpResponse(environ["wsgi.input"].read())
        if path in ("/", "/search/"):
            self.inside.release()
            assert self.opened.wait(120)
        return HttpResponse("ok")


@pytest.fixture
def gate(settings, monkeypatch) -> Iterator[Gate]:
    monkeypatch.setattr(admission, "PATIENCE", 60.0)  # whoever waits is not given up because the machine is busy
    settings.WEB_THREADS = 2
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def site(gate: Gate, monkeypatch, settings) -> Admission:
    monkeypatch.setattr(admission, "WAITING", 6)
    settings.WEB_PROCESSES = 2  # half of them wait here
    return Admission(gate)


def full(site: Admission, gate: Gate, path: str = "/") -> list[Asked]:
    """Two run, three wait."""
    asked = two_running(site, gate, path) + [Asked(site, path) for _ in range(3)]
    lane = site.lanes["search" if path == "/search/" else "page"]
    until(lambda: lane._inside == 5)
    return asked


def two_running(site: Admission, gate: Gate, path: str = "/") -> list[Asked]:
    asked = [Asked(site, path) for _ in range(2)]
    for _ in asked:
        assert gate.inside.acquire(timeout=300)
    return asked


def until(look: Callable[[], Any]) -> None:
    end = time.monotonic() + 120
    while not look():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def test_it_works(site: Admission, gate: Gate):
    asked = full(site, gate)
    refused = Asked(site)
    page = refused.answer().decode()
    assert refused.status == "503 Service Unavailable"
    assert 1 <= int(refused.headers["Retry-After"]) <= 5
    assert "One moment, please" in page
    assert "default-src 'self'" in refused.headers["Content-Security-Policy"]
    assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert refused.headers["Cache-Control"] == "no-store"
    assert int(refused.headers["Content-Length"]) == len(page.encode())
    gate.opened.set()
    assert [each.answer() for each in asked] == [b"ok"] * 5
    assert {each.headers["X-Thread"] for each in asked} == {"page_0", "page_1"}
    assert Asked(site).answer() == b"ok"


def test_programs_get_json(site: Admission, gate: Gate):
    full(site, gate)
    for asked in (Asked(site, HTTP_ACCEPT="application/json"), Asked(site, "/api/images")):
        said = json.loads(asked.answer())
        assert asked.headers["Content-Type"].startswith("application/json")
        assert said["code"] == "busy"
        assert "Try again in some seconds" in said["detail"]


def test_pages_are_served_beside_a_flood_of_searches(site: Admission, gate: Gate):
    full(site, gate, "/search/")
    refused = Asked(site, "/search/")
    refused.answer()
    assert refused.status.startswith("503")
    assert Asked(site, "/tags/").answer() == b"ok"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/static/css/site.css", "/r/ab/cd/x.webp"])
def test_what_costs_nothing_always_gets_through(site: Admission, gate: Gate, path: str):
    full(site, gate)
    full(site, gate, "/search/")
    assert Asked(site, path).answer() == b"ok"


def test_nobody_waits_for_ever(site: Admission, gate: Gate, monkeypatch):
    run = two_running(site, gate)
    monkeypatch.setattr(admission, "PATIENCE", 0.1)
    for waits in [Asked(site) for _ in range(3)]:
        waits.answer()
        assert waits.status.startswith("503")
    monkeypatch.setattr(admission, "PATIENCE", 60.0)
    gate.opened.set()
    assert [each.answer() for each in run] == [b"ok"] * 2  # what has begun is ended
    assert Asked(site).answer() == b"ok"


def test_an_error_gives_its_place_back(settings):
    settings.WEB_THREADS = 1

    def fails(environ: Any, start: Any) -> Any:
        raise TimeoutError("of its own")

    site = Admission(fails)
    for _ in range(200):
        with pytest.raises(TimeoutError, match="of its own"):
            site({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, None)


def test_large_files_are_bounded_and_given_back(site: Admission, monkeypatch):
    streams = []
    for _ in range(admission.STREAMS):
        streams.append(Asked(site, "/stream/"))
        streams[-1].thread.join(120)
    refused = Asked(site, "/stream/")
    refused.answer()
    assert refused.status.startswith("503")
    assert Asked(site, "/tags/").answer() == b"ok"
    assert streams[0].answer() == b"ab"
    streams[0].parts.close()
    streams[0].parts.close()  # once is enough
    streams[1].parts = None  # whoever breaks off gives it back too
    assert [Asked(site, "/stream/").answer() for _ in range(2)] == [b"ab"] * 2


class Slow(io.RawIOBase):
    """A form that comes when it likes."""

    def __init__(self) -> None:
        self.sent = threading.Event()

    def read(self, size: int = -1) -> bytes:
        assert self.sent.wait(120)
        return b"x" * size


def test_who_sends_slowly_holds_no_place(site: Admission, gate: Gate):
    slow = [Slow() for _ in range(8)]
    sending = [Asked(site, "/said/", each, CONTENT_LENGTH="10") for each in slow]
    assert Asked(site, "/tags/").answer() == b"ok"
    for form, asked in zip(slow, sending, strict=True):
        form.sent.set()
        assert asked.answer() == b"x" * 10


def test_one_slow_address_leaves_places_for_others(site: Admission, gate: Gate, monkeypatch):
    monkeypatch.setattr(admission, "OF_ONE", 3)
    slow = [Slow() for _ in range(3)]
    form = {"CONTENT_LENGTH": "10", "REMOTE_ADDR": "192.0.2.1"}
    sending = [Asked(site, "/said/", each, **form) for each in slow]
    until(lambda: site._senders["192.0.2.1"] == 3)
    refused = Asked(site, "/said/", io.BytesIO(b"y" * 10), **form)
    refused.answer()
    assert refused.status.startswith("503")
    assert Asked(site, "/said/", io.BytesIO(b"y" * 10), **form | {"REMOTE_ADDR": "192.0.2.2"}).answer() == b"y" * 10
    for each, asked in zip(slow, sending, strict=True):
        each.sent.set()
        assert asked.answer() == b"x" * 10
    assert not site._senders


@pytest.mark.parametrize(
    ("path", "lane", "headers"),
    [
        ("/", "page", {}),
        ("/image/3/", "page", {}),
        ("/search/", "search", {}),
        ("/search/like/3/", "search", {}),
        ("/search/syntax/", "page", {}),
        ("/search/complete/", "page", {}),
        ("/api/search", "search", {}),
        ("/api/images/3/similar", "search", {}),
        ("/api/images/3", "page", {}),
        ("/search/", "form", {"CONTENT_LENGTH": "1000000"}),
        ("/import/", "form", {"HTTP_TRANSFER_ENCODING": "chunked"}),
        ("/import/", "page", {"CONTENT_LENGTH": "nonsense"}),
        ("/health/ready", "health", {}),
    ],
)
def test_the_lane_of(site: Admission, path: str, lane: str, headers: dict[str, str]):
    found = site.lane_of({"PATH_INFO": path, **headers})
    assert found
    assert found.name == lane


def test_who_would_wait_in_vain_is_told_at_once():
    """Three seconds for one, and two at once: 5 seconds are enough for few, though many places are free."""
    lane = Lane("test", 2, waiting=90)
    lane._takes = 3.0
    lane._inside = 2 + 3
    assert lane._has_room()  # some wait whatever it takes: the last one may have been slow by chance
    lane._inside = 2 + 4
    assert not lane._has_room()
    lane._takes = 0.01
    assert lane._has_room()
    lane._inside = 2 + 90
    assert not lane._has_room()


def test_one_slow_request_turns_nobody_away(monkeypatch):
    lane, clock = Lane("test", 1, waiting=90), [0.0]
    monkeypatch.setattr(admission, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def takes(seconds: float) -> list[bytes]:
        clock[0] += seconds
        return []

    for seconds in [0.001] * 20 + [0.5] + [0.001] * 3:
        lane.run(lambda seconds=seconds: takes(seconds))
    lane._inside = 1 + 64
    assert lane._has_room()


def test_the_log_is_not_flooded(site: Admission, gate: Gate, caplog):
    caplog.set_level("WARNING", "gallery.admission")
    full(site, gate)
    for _ in range(50):
        Asked(site).answer()
    assert len([record for record in caplog.records if "were refused" in record.message]) == 1


def test_many_threads_get_each_place_once():
    lane = Lane("test", 2, waiting=6)
    running, most = [], []

    def one(_: int) -> bool:
        def call() -> list[bytes]:
            running.append(1)
            most.append(len(running))
            time.sleep(0.001)
            running.pop()
            return []

        try:
            lane.run(call)
        except Full:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        done = sum(pool.map(one, range(400)))
    assert done >= 8
    assert max(most) <= 2
    assert lane._inside == 0


# --- with the real web server
@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, psutil.Process]]:
    """(its port, its process)"""
    port = free_port()
    command = [sys.executable, "-m", "granian", "tests.gallery.admitted:application", "--interface", "wsgi"]
    command += ["--port", str(port), "--no-ws", "--log-level", "error", "--blocking-threads", str(threads_needed())]
    environment = {**os.environ, "LOOKALIKE_WEB_THREADS": "2", "DJANGO_SETTINGS_MODULE": "gallery.settings"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        until(lambda: send(port, "/health/live")[0] == 200)
        yield port, psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def send(port: int, path: str) -> tuple[int, float, bool]:
    return asyncio.run(ask(port, request({}, path)))


def test_five_times_too_much(server):
    """50 pages a second can be carried: of 250 a second some are served, and the rest is told when to come back."""
    port, process = server
    asyncio.run(open_({"port": port, "paths": ["/"], "rate": 250, "seconds": 1}))
    (worker,) = process.children()
    before = worker.memory_info().rss
    outcomes = asyncio.run(open_({"port": port, "paths": ["/"], "rate": 250, "seconds": 3}))
    assert {status for status, _, _ in outcomes} == {200, 503}
    assert len(outcomes) == 750
    assert all(retry for status, _, retry in outcomes if status == 503)
    assert worker.memory_info().rss - before < 20 * 2**20
    assert send(port, "/")[0] == 200


def test_readers_of_large_files_hold_up_nobody(server):
    port, _ = server
    readers = []
    for _ in range(admission.STREAMS):
        reader = socket.create_connection(("127.0.0.1", port))
        reader.sendall(request({}, "/large/"))
        assert reader.recv(12) == b"HTTP/1.1 200"  # and reads no further
        readers.append(reader)
    assert send(port, "/large/")[0] == 503
    outcomes = asyncio.run(closed({"port": port, "paths": ["/", "/search/"], "clients": 4, "seconds": 0.5}))
    assert {status for status, _, _ in outcomes} == {200}
    for reader in readers:
        reader.close()
    until(lambda: send(port, "/large/")[0] == 200)


def test_who_asks_is_an_address(server):
    """What the limits of visitors go by."""
    port, _ = server
    with socket.create_connection(("127.0.0.1", port)) as connection:
        headers = ["Connection: close", "X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 198.51.100.2"]
        connection.sendall(request({"body": b"12345".hex(), "headers": headers}, "/said/"))
        said = b"".join(iter(lambda: connection.recv(4096), b""))
    assert said.split(b"\r\n\r\n", 1)[1].startswith(b"5 127.0.0.1 198.51.100.1,198.51.100.2")
    assert re.search(rb"\r\nserver: [^\r]*[0-9]", said, re.IGNORECASE) is None  # no version
