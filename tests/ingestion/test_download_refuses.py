"""Addresses that are not public get no packet at all: not by any spelling, name, redirect or trick."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import httpcore2
import pytest

from ingestion import download, pinned
from ingestion.download import DownloadError, Web

SPELLINGS = """
    127.0.0.1 2130706433 0x7f000001 0177.0.0.1 0x7f.1 127.1 0 0.0.0.0 [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1]
    [::127.0.0.1] 169.254.169.254 [fe80::1] [fd00:ec2::254] [fec0::1] 100.64.0.1 [64:ff9b::7f00:1] [2002:7f00:1::]
    192.0.0.1 198.18.0.1 224.0.0.1 [ff02::1] 255.255.255.255 240.0.0.1 localhost localhost. ①②⑦.⓪.⓪.① 127。0。0。1
    10.0.0.1 172.16.0.1 192.168.1.1 [2001:0:4136:e378::] [2001:db8::1] 203.0.113.9 192.0.2.1 100.100.100.200 0x7f.0.0.1
    017700000001
"""


@pytest.fixture(autouse=True)
def nothing_is_ours(settings) -> None:
    settings.FETCH_HOSTS, settings.ALLOWED_HOSTS = [], []


@pytest.fixture
def trap(monkeypatch) -> Iterator[SimpleNamespace]:
    """Listens on every address of this machine, at a port that may be asked. ``met()``: who has come."""
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        listening.setblocking(False)
        port = listening.getsockname()[1]
        monkeypatch.setattr(download, "PORTS", download.PORTS | {port})

        def met() -> int:
            number = 0
            with suppress(BlockingIOError):
                while True:
                    listening.accept()[0].close()
                    number += 1
            return number

        yield SimpleNamespace(port=port, met=met)


@pytest.fixture
def connected(monkeypatch) -> list[tuple[str, int]]:
    """Every connection that was begun."""
    begun: list[tuple[str, int]] = []
    truly = httpcore2.SyncBackend.connect_tcp

    def connect(self, host, port, *rest):
        begun.append((host, port))
        return truly(self, host, port, *rest)

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect)
    return begun


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(remember=False) as web:
        yield web


@pytest.fixture
def names(monkeypatch) -> Callable:
    """names(host, *answers): what the resolver says for it, one answer after the other, the last one for ever."""
    told: dict[str, list[list[str]]] = {}
    truly = socket.getaddrinfo

    def resolve(host, port, *rest, **options):
        if host not in told:
            return truly(host, port, *rest, **options)
        answers = told[host]
        now = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in now]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    def name(host: str, *answers: list[str]) -> None:
        told[host] = list(answers)

    return name


def code(web: Web, url: str) -> str:
    with pytest.raises(DownloadError) as error:
        web.page(url)
    return error.value.code


def test_it_works(web, trap, connected, settings):
    """The trap would see them."""
    settings.FETCH_HOSTS = [f"127.0.0.1:{trap.port}", f"[::1]:{trap.port}"]
    hurried = download.Seconds(connect=30, read=0.2, total=60)
    for host in ("127.0.0.1", "[::1]"):
        with pytest.raises(DownloadError):
            web.page(f"http://{host}:{trap.port}/", seconds=hurried)
    assert trap.met() == len(connected) == 2


@pytest.mark.parametrize("host", SPELLINGS.split())
def test_it_refuses(web, trap, connected, host):
    assert code(web, f"http://{host}:{trap.port}/a.jpg") in ("forbidden_address", "unreachable")
    assert trap.met() == 0
    assert connected == []


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "localhost", "①②⑦.⓪.⓪.①", "[::1]", "[::ffff:7f00:1]"])
def test_it_says_so(web, trap, host):
    assert code(web, f"http://{host}:{trap.port}/") == "forbidden_address"


def test_a_name_with_one_address_that_is_not_public(web, trap, names, connected):
    names("mixed.example", ["93.184.215.14", "127.0.0.1"])
    assert code(web, f"http://mixed.example:{trap.port}/") == "forbidden_address"
    assert connected == []


def test_a_name_that_changes_its_mind(web, site, names, monkeypatch):
    """Public when it is looked at, loopback a moment later: it is looked at once, and connected to that."""
    names("rebinding.example", ["93.184.215.14"], ["127.0.0.1"])
    truly, begun = httpcore2.SyncBackend.connect_tcp, []

    def connect(self, host, port, *rest):
        begun.append(host)
        return truly(self, "127.0.0.1", site.port, *rest)  # where 93.184.215.14 is, here

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect)
    site.put("/a", "from there", headers={"Connection": "close"})
    assert web.page("http://rebinding.example:8080/a").text == "from there"
    assert begun == ["93.184.215.14"]
    assert site.asked[0].headers["host"] == "rebinding.example:8080"
    monkeypatch.setattr(download, "PAUSE", 0.0)
    with Web(remember=False) as again:
        assert code(again, "http://rebinding.example:8080/a") == "forbidden_address"
    assert begun == ["93.184.215.14"]


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://127.0.0.1:{trap}/", "forbidden_address"),
        ("//localhost:{trap}/", "forbidden_address"),
        ("http://0x7f.1:{trap}/", "forbidden_address"),
        ("http://10.0.0.1/", "forbidden_address"),
        ("http://127.0.0.1:22/", "bad_url"),
        ("file:///etc/passwd", "bad_url"),
        ("gopher://127.0.0.1:{trap}/", "bad_url"),
        ("http://u@127.0.0.1:{trap}/", "bad_url"),
        ("", "redirects"),
    ],
)
def test_redirects_into_the_forbidden(web, site, trap, location, why):
    site.put("/a", status=302, headers={"Location": location.format(trap=trap.port)})
    assert code(web, f"{site.url}/a") == why
    assert trap.met() == 0
    assert len(site.asked) == 1


def test_ports_of_other_services(web, connected):
    for port in (21, 22, 25, 5432, 6379, 11211):
        assert code(web, f"http://example.org:{port}/") == "bad_url"
    assert connected == []


def test_the_gallery_itself(web, settings, names, connected):
    settings.ALLOWED_HOSTS = ["gallery.example", ".sub.example", "[2606:4700:4700::1111]", "*"]
    assert code(web, "https://[2606:4700:4700:0::1111]/media/a.jpg") == "forbidden_address"
    for host in ("gallery.example", "GALLERY.example.", "sub.example", "a.sub.example"):
        names(host.lower().removesuffix("."), ["93.184.215.14"])
        assert code(web, f"https://{host}/media/a.jpg") == "forbidden_address"
    assert connected == []


def test_an_own_host_is_named_exactly(web, site, settings):
    site.put("/a", "here")
    for named in (site.host, "127.0.0.1", f" {site.host.upper()} "):
        settings.FETCH_HOSTS = [named]
        assert web.page(f"{site.url}/a").text == "here"
    for other in ("27.0.0.1", "127.0.0.1:80", "127.0.0", f"localhost:{site.port}", f"x{site.host}"):
        settings.FETCH_HOSTS = [other]
        assert code(web, f"{site.url}/a") in ("bad_url", "forbidden_address")


def test_a_resolver_that_says_nothing(web, monkeypatch):
    never = threading.Event()

    def ask(*args: object, **options: object) -> list[object]:
        never.wait(120)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    with pytest.raises(DownloadError) as error:
        web.page("http://example.org/", seconds=download.Seconds(0.1, 0.1, 1.0))
    assert error.value.code == "timeout"
    never.set()


class Tls:
    """A server that speaks TLS for one name, and notes which one it was asked for."""

    def __init__(self, folder: Path, name: str) -> None:
        key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        made = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name}"
        subprocess.run(
            [*made.split(), "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", self.certificate],
            check=True,
            capture_output=True,
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.context.sni_callback = lambda connection, name, context: self.names.append(name)
        self.names: list[str | None] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self.socket.accept()
                with suppress(OSError), self.context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(65536)
                    connection.sendall(
                        b"HTTP/1.1 302 Found\r\nLocation: http://pictures.example/b\r\nContent-Length: 0\r\n\r\n"
                    )


def test_tls_keeps_its_name_and_its_lock(web, names, monkeypatch, tmp_path):
    server = Tls(tmp_path, "pictures.example")
    for name in ("pictures.example", "other.example"):
        names(name, ["93.184.215.14"])
    truly = httpcore2.SyncBackend.connect_tcp
    monkeypatch.setattr(
        httpcore2.SyncBackend,
        "connect_tcp",
        lambda self, host, port, *rest: truly(self, "127.0.0.1", server.port, *rest),
    )
    trusted = ssl.create_default_context(cafile=str(server.certificate))
    monkeypatch.setattr(pinned, "certificates", lambda: trusted)
    with Web(remember=False) as web:
        assert code(web, "https://pictures.example/a") == "redirects"  # back to a line that is not encrypted
        assert server.names == ["pictures.example"]
        assert code(web, "https://other.example/a") == "tls"
    server.socket.close()
