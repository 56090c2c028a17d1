"""The command line of the client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from search.client import printing
from search.client.commands import main
from tests.pictures import encode, photo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ask(live_server: Any, add: Any, member: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """ask("get", "7") -> (exit code, what was printed, what was said beside it)"""
    from gallery.models import ApiToken

    _, secret = ApiToken.issue(member, "test", ["read", "write"])
    monkeypatch.setenv("LOOKALIKE_URL", live_server.url)
    monkeypatch.setenv("LOOKALIKE_TOKEN", secret)

    def ask(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        return code, *capsys.readouterr()

    return ask


def test_it_works(ask, add, tmp_path):
    image = add(1, "beach.jpg")
    (tmp_path / "mine.jpg").write_bytes(encode(photo(1), quality=70))
    assert ask("me") == (0, "You are alice (member) and may upload.\n", "")
    code, printed, _ = ask("similar", tmp_path / "mine.jpg", "--engines", "phash")
    assert code == 0
    number, score, *told = printed.split()[:4]
    assert (number, told) == (str(image.pk), ["same!", "beach.jpg"])
    assert 0.9 < float(score) <= 1
    assert ask("tag", image.pk, "+sea", "+red car", "-rain")[:2] == (0, "red car, sea\n")
    assert ask("tag", image.pk, "-sea")[:2] == (0, "red car\n")
    assert "red car" in ask("get", image.pk)[1]
    assert json.loads(ask("--json", "get", image.pk)[1])["tags"][0]["name"] == "red car"
    assert json.loads(ask("search", 'tag:"red car"', "--json")[1])["matches"][0]["image"]["id"] == image.pk
    assert ask("search", "nosuchword")[1].startswith("Nothing was found.")
    assert ask("export", "", tmp_path / "data")[1] == f"1 pictures are in {tmp_path / 'data'}, 1 of them new.\n"


def test_uploads_files_and_folders(ask, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(encode(photo(1)))
    (folder / "b.jpg").write_bytes(b"no picture")
    (tmp_path / "c.png").write_bytes(encode(photo(2), "PNG"))
    code, printed, _ = ask("upload", folder, tmp_path / "c.png", "--private", "--tags", "sea", "--json")
    said = {Path(one["path"]).name: one for one in json.loads(printed)}
    assert {name: one["state"] for name, one in said.items()} == {
        "a.jpg": "stored",
        "b.jpg": "failed",
        "c.png": "stored",
    }
    assert said["b.jpg"]["notice"]
    assert [tag["name"] for tag in said["c.png"]["image"]["tags"]] == ["sea"]
    assert said["c.png"]["image"]["private"]
    assert code == 1
    code, printed, _ = ask("upload", tmp_path / "c.png")
    assert (code, printed.split()[0]) == (0, "here_already")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["get", "999999999"], 1, "There is no"),
        (["--token", "lka_wrong", "me"], 4, "This token is unknown"),
        (["--url", "http://127.0.0.1:9", "health"], 2, "invalid choice"),
        (["--url", "nonsense", "me"], 2, "is no address"),
        (["similar", "missing.jpg"], 2, "There is no file missing.jpg."),
        (["tag", "7", "sea"], 2, "Write +sea to add a tag"),
        (["search", "(a"], 1, "opened and not closed"),
        ([], 2, "COMMAND"),
    ],
)
def test_says_what_is_wrong_in_a_sentence(ask, capsys, arguments, code, says):
    try:
        ended, printed, said = ask(*arguments)
    except SystemExit as stopped:  # argparse
        ended, (printed, said) = stopped.code, capsys.readouterr()
    assert (ended, printed) == (code, "")
    assert says in said
    assert "Traceback" not in said


def test_requires_an_address(monkeypatch, capsys):
    monkeypatch.delenv("LOOKALIKE_URL", raising=False)
    assert main(["me"]) == 2
    assert "LOOKALIKE_URL" in capsys.readouterr().err


def test_ctrl_c_ends_it_quietly():
    """While it waits for a gallery that never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "search.client", "--url", url, "me"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=-1, stderr=-1, text=True, start_new_session=True)
        silent.accept()  # it has asked, and waits
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        printed, said = process.communicate(timeout=300)
    assert (process.returncode, printed, said) == (130, "", "Stopped.\n")


def test_terminals_obey_no_stranger():
    assert printing.plain("a\x1b[31m\r\nb\u202e\x07") == "a�[31m b��"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["tag", "7", "-rain", "--json"], ["tag", "7", " -rain", "--json"]),
        (["--url", "tag", "tag", "7", "-k"], ["--url", "tag", "tag", "7", " -k"]),
        (["text", "tag", "-k", "5"], ["text", "tag", "-k", "5"]),
        (["tag", "-h"], ["tag", "-h"]),
    ],
)
def test_minus_takes_a_tag_off(written, read):
    assert printing.with_signs(written) == read
