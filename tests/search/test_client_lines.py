"""Lines that break, servers that are busy, and answers that are none, against a real server that is told what to do."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from search.client import AsyncGallery, Gallery, GalleryError, Invalid, NotFound, TooMany, Unavailable, Unreachable
from search.client import retries as retrying

ME = {"id": 1, "name": "ada", "role": "member", "may_upload": True}
STORED = {"state": "stored", "image": None, "job": None}


class Told(BaseHTTPRequestHandler):
    """Answers as the server's list says: (status, headers, body), or None: the line breaks."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        told = self.server.told
        answer = told.pop(0) if len(told) > 1 else told[0]
        if answer is None:
            self.close_connection = True
            return
        status, headers, said = answer
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PATCH = do_DELETE = do_GET

    def log_message(self, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Told)
        self.asked: list[Any] = []
        self.told: list[Any] = [(200, {}, ME)]
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture(scope="module")
def one_server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server(one_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(retrying, "FIRST", 0.01)
    one_server.asked, one_server.told = [], [(200, {}, ME)]
    return one_server


@pytest.fixture
def gallery(server: Server) -> Iterator[Gallery]:
    with Gallery(server.url, "lka_secret", retries=2) as gallery:
        yield gallery


def busy(status: int = 503, **headers: str) -> tuple[int, dict[str, str], dict[str, str]]:
    return status, headers, {"detail": "Come back in a moment.", "code": "busy"}


def test_it_works(gallery, server):
    assert gallery.me().name == "ada"
    (method, path, headers, _) = server.asked[0]
    assert (method, path, headers["Authorization"]) == ("GET", "/api/me", "Bearer lka_secret")


@pytest.mark.parametrize("trouble", [busy(502), busy(503), busy(504), busy(429), None])
def test_asks_again(gallery, server, trouble):
    server.told = [trouble, trouble, (200, {}, ME)]
    assert gallery.me().name == "ada"
    assert len(server.asked) == 3


def test_asks_again_asynchronously(server):
    async def ask() -> str:
        async with AsyncGallery(server.url, retries=2) as gallery:
            return (await gallery.me()).name

    server.told = [busy(), None, (200, {}, ME)]
    assert asyncio.run(ask()) == "ada"


def test_waits_as_long_as_it_is_told(gallery, server):
    server.told = [busy(429, **{"Retry-After": "1"}), (200, {}, ME)]
    began = time.monotonic()
    gallery.me()
    assert time.monotonic() - began >= 1


def test_does_not_wait_for_an_hour(gallery, server):
    server.told = [busy(429, **{"Retry-After": "3600"})]
    with pytest.raises(TooMany, match=r"Come back in a moment\.") as refused:
        gallery.me()
    assert (refused.value.retry_after, refused.value.code, len(server.asked)) == (3600, "busy", 1)


def test_gives_up_in_the_end(gallery, server):
    server.told = [busy()]
    with pytest.raises(Unavailable):
        gallery.me()
    assert len(server.asked) == 3


def test_an_upload_is_sent_again_whole(gallery, server, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"pixels" * 50_000)
    server.told = [None, busy(502), (201, {}, STORED)]
    assert gallery.upload(tmp_path / "a.jpg").state == "stored"
    assert [b"pixels" * 50_000 in body for *_, body in server.asked] == [True] * 3


def test_a_slow_picture_does_not_hold_the_event_loop(server):
    turned = threading.Event()

    class Slow:
        mode = "RGB"

        def save(self, file: Any, format: str | None = None) -> None:
            turned.wait(10)
            file.write(b"pixels" * 300_000)

    async def ask() -> int:
        async with AsyncGallery(server.url) as gallery:
            upload, turns = asyncio.ensure_future(gallery.upload(Slow())), 0
            while not upload.done():
                await asyncio.sleep(0.01)
                turns += 1
                if turns > 5:
                    turned.set()
            assert (await upload).state == "stored"
        return turns

    server.told = [(201, {}, STORED)]
    assert asyncio.run(ask()) > 5
    assert b"pixels" * 300_000 in server.asked[0][3]


@pytest.mark.parametrize("trouble", [None, busy(502), busy(503)])
def test_what_makes_something_is_never_sent_twice(gallery, server, trouble):
    server.told = [trouble, (201, {}, {})]
    with pytest.raises((Unreachable, Unavailable)):
        gallery.create_collection("police cars")
    assert len(server.asked) == 1


def test_what_was_refused_before_it_was_done_is_sent_again(gallery, server):
    server.told = [busy(429), (201, {}, {"token": "t", "name": "police cars"})]
    assert gallery.create_collection("police cars").token == "t"


def test_nobody_there():
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        Gallery("http://127.0.0.1:9", retries=0).me()


def test_no_answer_in_time(server):
    slow = threading.Event()
    server.told = [busy()]
    original, Told.do_GET = Told.do_GET, lambda self: slow.wait(120) and None
    try:
        with pytest.raises(Unreachable, match="in time"), Gallery(server.url, timeout=0.05, retries=0) as gallery:
            gallery.me()
    finally:
        slow.set()
        Told.do_GET = original


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"role": 5}', b'{"role": "member", "id": "x"}'])
def test_another_site_is_not_taken_for_a_gallery(gallery, server, body):
    server.told = [(200, {}, body)]
    with pytest.raises(GalleryError, match="not the answer of a gallery"):
        gallery.me()


def test_what_is_new_is_passed_over_and_what_is_null_has_its_default(gallery, server):
    server.told = [(200, {}, ME | {"name": None, "shoes": 43})]
    assert gallery.me().name == ""


@pytest.mark.parametrize("body", [b"<h1>Bad Gateway</h1>", b"[]", b'{"detail": 5}', b""])
def test_a_proxy_says_no_in_its_own_way(gallery, server, body):
    server.told = [(404, {}, body)]
    with pytest.raises(NotFound, match=r"answered 404 and did not say why\."):
        gallery.me()


def test_the_token_goes_to_nobody_else(server, tmp_path):
    """Not where an answer points to, and not where the gallery redirects to."""
    image = {"id": 7, "name": "a.jpg", "width": 9, "height": 9, "format": "JPEG", "bytes": 1, "sha256": "0" * 64}
    elsewhere = server.url.replace("127.0.0.1", "localhost") + "/a-360.webp"
    image |= {"added_at": "2026-01-01T00:00:00Z", "renditions": [{"url": elsewhere, "width": 9, "height": 9}]}
    server.told = [(200, {}, {"items": [image], "next": None}), (200, {}, b"RIFF")]
    with Gallery(server.url, "lka_secret") as gallery:
        gallery.export("", tmp_path, size=360)
        server.told = [(302, {"Location": elsewhere}, b"")]
        with pytest.raises(GalleryError, match="use the address it has now"):
            gallery.me()
    assert [(path, "Authorization" in headers) for _, path, headers, _ in server.asked] == [
        ("/api/images?limit=200", True),
        ("/a-360.webp", False),
        ("/api/me", True),
    ]


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "", "http://[::1", "file:///etc/passwd"])
def test_rejects_what_is_no_address(url):
    with pytest.raises(Invalid, match="address"):
        Gallery(url)


@pytest.mark.parametrize("token", ["a b", "ä", "x\r\nX-Evil: 1"])
def test_rejects_what_is_no_token(token):
    with pytest.raises(Invalid, match="token"):
        Gallery("http://localhost", token)


def test_a_broken_file_is_not_kept(gallery, server, tmp_path):
    server.told = [(200, {"Content-Length": "100", "Connection": "close"}, b"half"), (200, {}, b"whole")]
    assert gallery.download(7, tmp_path / "a.jpg").read_bytes() == b"whole"
    server.told = [(200, {"Content-Length": "100", "Connection": "close"}, b"half")]
    with pytest.raises(Unreachable, match="broke"):
        gallery.download(7, tmp_path / "a.jpg")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.jpg", b"whole")]


def test_one_that_fails_ends_the_others(server, tmp_path):
    """What waits for its next attempt does not sleep on."""
    for name in "abcd":
        (tmp_path / f"{name}.jpg").write_bytes(b"x")
    server.told = [busy(429, **{"Retry-After": "90"}), (401, {}, {"detail": "Unknown token.", "code": "unauthorized"})]
    began = time.monotonic()
    with pytest.raises(GalleryError), Gallery(server.url) as gallery:
        gallery.upload_folder(tmp_path, jobs=2)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7.0), (" 7 ", 7.0), ("", None), ("soon", None), ("-1", None), ("²", None)]
)
def test_reads_retry_after(said, seconds):
    assert retrying.seconds_of(said) == seconds


def test_reads_a_date_in_retry_after():
    assert retrying.seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retrying.seconds_of("Wed, 21 Oct 2099 07:28:00 GMT") > 10**9


def test_waits_longer_each_time():
    attempts = retrying.Attempts(6, True)
    waits = [attempts.after_answer(503, None) for _ in range(7)]
    assert waits[-1] is None
    assert all(0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(waits[:-1]))
