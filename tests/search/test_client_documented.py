"""What the pages about the client show, works: their examples are run against a gallery, in their order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import search.client
from search.client.commands import main
from tests.pictures import encode, photo
from tests.search.collecting import a_worker

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["search/client/README.md", "README.md"]


def examples(page: str) -> list[str]:
    """Blocks of Python; of the README of the gallery only those under “Python client”."""
    text = (ROOT / page).read_text()
    if page == "README.md":
        text = text.partition("\n## Python client\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_it_works(page, live_server, add, admin, tmp_path, monkeypatch, capsys):
    from gallery.models import ApiToken, Scope

    _, secret = ApiToken.issue(admin, "test", [scope.value for scope in Scope])
    add(1, "beach.jpg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(encode(photo(1)))
    (tmp_path / "holidays").mkdir()
    (tmp_path / "holidays" / "a.jpg").write_bytes(encode(photo(2)))
    blocks = examples(page)
    assert blocks
    names: dict[str, Any] = {}
    with a_worker():
        for block in blocks:
            here = block.replace("http://localhost:8000", live_server.url).replace("lka_...", secret)
            exec(compile(here, page, "exec"), names)
    assert "beach.jpg" in capsys.readouterr().out
    names["gallery"].close()


def test_shows_commands_that_there_are(monkeypatch):
    """Each line is read as the command line reads it, and not carried out."""
    from search.client import commands

    lines = re.findall(r"^    python -m search\.client (.*)$", (ROOT / PAGES[0]).read_text(), re.MULTILINE)
    monkeypatch.setattr(commands, "Gallery", lambda url, token: pytest.fail("asked"))
    shown = set()
    for line in lines:
        words = shlex.split(line, comments=True)
        assert callable(commands.parser().parse_args(commands.printing.with_signs(words)).run)
        shown.add(words[0])
    assert shown == {"similar", "text", "search", "upload", "export", "get", "tag", "me"}
    assert main.__module__ == "search.client.commands"


def test_lists_all_that_it_has():
    assert all(hasattr(search.client, name) for name in search.client.__all__)
