"""A whole gallery, started as its users start it, and a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.pictures import encode, photo

ROOT = Path(__file__).resolve().parents[2]
COUNT = 90
"""Pictures in the gallery: more than one page."""
WIDTHS = {"narrow": (390, 844), "wide": (1440, 900)}
PASSWORD = "correct horse 42"


@dataclass
class Site:
    url: str
    welcome: str
    folder: Path
    environment: dict[str, str]

    def manage(self, *arguments: str) -> str:
        run = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def site(chromium: str) -> Iterator[Site]:
    """`manage.py run` in a folder of its own; the account is made through the link that it prints."""
    folder = Path(tempfile.mkdtemp(prefix="lookalike-browser-"))
    folder.chmod(0o755)
    environment = os.environ | {"LOOKALIKE_VAR": str(folder), "LOOKALIKE_PAGE_SIZE": "30"}
    port = free_port()
    log = folder / "printed"
    with log.open("w") as output:
        command = [sys.executable, "manage.py", "run", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output)
    try:
        welcome = read_welcome(log)
        yield Site(f"http://localhost:{port}", welcome, folder, environment)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def read_welcome(log: Path) -> str:
    end = time.monotonic() + 120
    while "Ctrl-C" not in log.read_text():
        assert time.monotonic() < end, f"the gallery did not start: {log.read_text()}"
        time.sleep(0.1)
    (link,) = re.findall(r"http\S+/welcome/\S+", log.read_text())
    return link


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(site: Site, browser: Browser) -> dict:
    """The cookies of the first account, made through the one-time link."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.welcome)
    page.fill("[name=username]", "ada")
    page.fill("[name=password1]", PASSWORD)
    page.fill("[name=password2]", PASSWORD)
    page.press("[name=password2]", "Enter")
    page.wait_for_url("**/import/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="session")
def filled(site: Site, signed_in: dict) -> Site:
    """The site with COUNT pictures that can all be found."""
    folder = site.folder / "inbox"
    folder.mkdir()
    for seed in range(COUNT):
        width, height = [(480, 360), (360, 480), (640, 300), (400, 400)][seed % 4]
        (folder / f"{seed:03}.jpg").write_bytes(encode(photo(seed, width, height)))
    site.environment["LOOKALIKE_WORKERS"] = "1"  # one thread: the pictures come in the order of their names
    site.manage("import", str(folder), "--wait")
    return site


@pytest.fixture(params=WIDTHS, ids=list(WIDTHS))
def viewport(request: pytest.FixtureRequest) -> dict[str, int]:
    width, height = WIDTHS[request.param]
    return {"width": width, "height": height}


@pytest.fixture
def context(browser: Browser, site: Site, viewport: dict, signed_in: dict) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=viewport, storage_state=signed_in, base_url=site.url)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must stay free of errors: nothing thrown, nothing refused by the content policy."""
    page = context.new_page()
    page.set_default_timeout(15_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.errors = errors  # a test that provokes an answer of 4xx clears it
    yield page
    assert errors == []
