"""Pages and files come over HTTP: whole, within bounds, politely."""

from __future__ import annotations

import gzip
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gallery.originals import Incoming
from gallery.pictures import PictureError
from ingestion.download import VERSION, DownloadError, Seconds, Web

HURRIED = Seconds(connect=30, read=0.15, total=0.4)


@pytest.fixture
def web(site) -> Iterator[Web]:
    with Web(remember=False) as web:
        yield web


@pytest.fixture
def incoming(settings, tmp_path) -> Iterator[Incoming]:
    with Incoming("a.jpg") as incoming:
        yield incoming


def refused(ask, *args, **options) -> DownloadError:
    with pytest.raises(DownloadError) as error:
        ask(*args, **options)
    assert "127.0.0.1" in str(error.value) or len(str(error.value)) > 20
    return error.value


def test_it_works(site, web, incoming):
    site.put("/an ä.jpg", b"\xff\xd8" + b"x" * 600_000, "image/jpeg")
    answer = web.file(f"{site.url}/an ä.jpg", incoming, referer=f"{site.url}/ü")
    assert incoming.path.stat().st_size == incoming.bytes == 600_002
    assert answer.content_type == "image/jpeg"
    assert answer.url == f"{site.url}/an%20%C3%A4.jpg"
    [asked] = site.asked
    assert asked.raw == "/an%20%C3%A4.jpg"
    assert asked.headers["referer"] == f"{site.url}/%C3%BC"
    assert asked.headers["host"] == site.host
    assert asked.headers["accept-encoding"] == "identity"


def test_an_escaped_address_is_not_escaped_again(site, web):
    site.put("/100% a%20b.html", "yes")  # decoded: the file is really called so
    assert web.page(f"{site.url}/100%25%20a%2520b.html").text == "yes"
    assert site.asked[0].raw == "/100%25%20a%2520b.html"


def test_it_says_who_we_are_and_nothing_else(site, web, settings):
    settings.CONTACT = "https://gallery.example/about"
    web.page(site.put("/a", "page"), headers={"User-Agent": "Mozilla/5.0", "X-Key": "1"})
    assert site.asked[0].headers["user-agent"] == f"Lookalike/{VERSION} (+https://gallery.example/about)"
    assert site.asked[0].headers["x-key"] == "1"
    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text())["project"]["version"] == VERSION


def test_text_and_json(site, web):
    latin = web.page(site.put("/latin", "grün".encode("latin-1"), "text/html; Charset=ISO-8859-1"))
    assert latin.text == "grün"
    assert web.page(site.put("/none", b"\xef\xbb\xbfgr\xc3\xbcn\xff", "text/plain; charset=klingon")).text == "grün�"
    assert web.page(site.put("/json", json={"a": [1]})).json() == {"a": [1]}
    error = refused(web.page(f"{site.url}/latin?api_key=secret").json)
    assert error.code == "wrong_type"
    assert "secret" not in str(error)


def test_a_page_may_name_its_letters_itself(site, web):
    said = '<html><head><meta http-equiv=Content-Type content="text/html; charset=Shift_JIS"><p>写真'
    assert web.page(site.put("/a", said.encode("shift_jis"), "text/html")).text.endswith("写真")
    assert web.page(site.put("/b", said.encode(), "text/html; charset=utf-8")).text.endswith("写真")


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "hex", "zlib"])
def test_letters_that_nobody_writes_in_are_not_tried(site, web, charset):
    """The first would take the square of the length: hours."""
    answer = web.page(site.put("/a", b"b" * 1_000_000 + b"-" + b"c" * 1_000_000, f"text/html; charset={charset}"))
    assert len(answer.text) == 2_000_001


def test_parameters(site, web):
    site.put("/api", json={})
    web.page(f"{site.url}/api?key=k", params={"q": "ä & b", "page": 2, "none": None})
    assert site.asked[0].query == {"key": "k", "q": "ä & b", "page": "2"}


@pytest.mark.parametrize(
    ("status", "code", "final"),
    [
        (400, "refused", False),
        (401, "forbidden", True),
        (403, "forbidden", True),
        (404, "not_found", True),
        (410, "gone", True),
        (429, "rate_limited", False),
        (451, "forbidden", True),
        (500, "server", False),
        (503, "server", False),
        (206, "refused", False),
        (304, "redirects", False),
        (300, "redirects", False),
    ],
)
def test_it_says_what_a_status_means(site, web, status, code, final):
    error = refused(web.page, site.put("/a", "no", status=status))
    assert (error.code, error.status, error.is_final) == (code, status, final)


def test_it_follows_a_few_redirects(site, web):
    site.put("/a", status=301, headers={"Location": "/b"})
    site.put("/b", status=302, headers={"Location": f"{site.url}/c?x=1"})
    site.put("/c", status=308, headers={"Location": "d ä"})
    site.put("/d ä", "here")
    answer = web.page(f"{site.url}/a", headers={"X-Key": "1"})
    assert (answer.text, answer.url) == ("here", f"{site.url}/d%20%C3%A4")
    assert site.asked[-1].headers["x-key"] == "1"


def test_a_secret_stays_with_the_host_it_is_for(site, web, settings):
    from tests.sites.site import a_site

    with a_site() as other:
        settings.FETCH_HOSTS = [site.host, other.host]
        there = other.put("/a", "x")
        site.put("/go", status=302, headers={"Location": there})
        web.page(f"{site.url}/go", headers={"Authorization": "Client-ID 1", "Accept": "text/html"})
        assert site.asked[0].headers["authorization"] == "Client-ID 1"
        assert "authorization" not in other.asked[0].headers
        assert other.asked[0].headers["accept"] == "text/html"


def test_it_rejects_endless_redirects(site, web):
    site.put("/a", status=302, headers={"Location": "/a"})
    assert refused(web.page, f"{site.url}/a").code == "redirects"
    assert site.times("/a") == 4


def test_a_page_is_cut_off_at_its_limit(site, web):
    assert refused(web.page, site.put("/said", b"x" * 2000), max_bytes=1999).code == "too_large"
    assert refused(web.page, site.put("/unsaid", b"x" * 2000, length=False), max_bytes=1999).code == "too_large"
    assert web.page(f"{site.url}/unsaid", max_bytes=2000).body == b"x" * 2000


@pytest.mark.parametrize("length", [True, False])
def test_a_file_is_cut_off_at_its_limit(site, web, incoming, length):
    incoming.most = 10_000
    url = site.put("/a.jpg", b"x" * 2_000_000, "image/jpeg", length=length)
    with pytest.raises(PictureError) as error:
        web.file(url, incoming)
    assert error.value.code == "too_large"
    assert incoming.path.stat().st_size <= 10_000


def test_a_packed_answer_is_counted_unpacked(site, web, incoming):
    incoming.most = 3_000_000
    packed = gzip.compress(b"\0" * 6_000_000)
    assert len(packed) < 10_000
    url = site.put("/bomb.jpg", packed, "image/jpeg", headers={"Content-Encoding": "gzip"})
    with pytest.raises(PictureError):
        web.file(url, incoming)
    assert incoming.bytes < 3_600_000
    assert refused(web.page, site.put("/bomb", packed, headers={"Content-Encoding": "gzip"})).code == "too_large"


def test_it_unpacks_what_was_packed_unasked(site, web):
    packed = gzip.compress(b"hello" * 1000)
    gzipped = {"Content-Encoding": "gzip"}
    assert web.page(site.put("/a", packed, headers=gzipped)).body == b"hello" * 1000
    assert refused(web.page, site.put("/half", packed[:-12], headers=gzipped)).code == "cut"
    assert refused(web.page, site.put("/none", b"hello", headers=gzipped)).code == "cut"
    assert refused(web.page, site.put("/br", b"x", headers={"Content-Encoding": "br"})).code == "wrong_type"
    endless = site.put("/tail", packed + b"\0" * 6_000_000, headers=gzipped)  # nothing of the tail is kept
    assert web.page(endless, max_bytes=8_000_000).body == b"hello" * 1000


def test_it_notices_a_cut(site, web, incoming):
    url = site.put("/a.jpg", b"x" * 5000, "image/jpeg", cut_after=3000)
    error = refused(web.file, url, incoming)
    assert (error.code, error.is_final) == ("cut", False)
    incoming.restart()
    site.put("/a.jpg", b"whole", "image/jpeg")
    web.file(url, incoming)
    assert incoming.path.read_bytes() == b"whole"


def test_a_length_that_lies(site, web):
    too_long = site.put("/long", b"x" * 10, headers={"Content-Length": "20"}, length=False)
    assert refused(web.page, too_long).code == "cut"
    assert refused(web.page, site.put("/none", b"x", headers={"Content-Length": "-5"}, length=False)).code == "cut"
    assert web.page(site.put("/short", b"x" * 20, headers={"Content-Length": "10"}, length=False)).body == b"x" * 10


def test_it_stops_waiting(site, web):
    assert refused(web.page, site.put("/silent", "x", wait=60), seconds=HURRIED).code == "timeout"


def test_it_stops_a_slow_drip_by_the_whole_time(site, web):
    url = site.put("/drip", b"x" * 100_000, drip=0.05)
    error = refused(web.page, url, seconds=HURRIED)
    assert (error.code, error.is_final) == ("timeout", False)


def test_a_page_is_no_picture(site, web, incoming):
    page = site.put("/a.jpg", "<!DOCTYPE html><p>Log in", "image/jpeg")
    assert refused(web.file, page, incoming).code == "wrong_type"
    assert refused(web.file, site.put("/b.jpg", json={"error": 1}), incoming).code == "wrong_type"
    assert refused(web.file, site.put("/c.jpg", b"x", "video/mp4"), incoming).code == "wrong_type"


def test_a_picture_is_no_page(site, web):
    assert refused(web.page, site.put("/a", b"x", "image/png")).code == "wrong_type"


def test_content_decides_what_a_file_is(site, web, incoming):
    web.file(site.put("/a.jpg", b"\x89PNG", "text/html"), incoming)
    assert incoming.path.read_bytes() == b"\x89PNG"


def test_nobody_is_there(site, web):
    site.close()
    error = refused(web.page, f"{site.url}/a")
    assert (error.code, error.is_final) == ("unreachable", False)


def test_tls_that_is_none(site, web):
    assert refused(web.page, f"https://{site.host}/a").code == "tls"


def test_it_asks_again_for_pages_by_headers_of_its_own(site, web):
    site.put("/a", status=304)
    assert web.page(f"{site.url}/a", headers={"If-None-Match": '"1"'}) is None
    assert site.asked[0].headers["if-none-match"] == '"1"'


def test_a_proxy_of_the_environment_does_not_count(site, web, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Web(remember=False) as web:
        assert web.page(site.put("/a", "x")).text == "x"
