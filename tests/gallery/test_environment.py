"""Settings from the environment: a typing mistake stops the start, it never becomes a default."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from gallery.environment import (
    env_bool,
    env_choice,
    env_folders,
    env_hosts,
    env_int,
    env_list,
    env_text,
    postgresql_at,
    secret_from,
)

ROOT = Path(__file__).resolve().parents[2]
STRONG = "Zk3-" * 5 + "q8Xw_" * 8 + "abcdefghij0123456789"


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch):
    return lambda value: monkeypatch.setenv("LOOKALIKE_TESTED", value)


def manage(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_works(say):
    assert env_text("LOOKALIKE_TESTED", "default") == "default"
    say(" text ")
    assert env_text("LOOKALIKE_TESTED", "default") == "text"
    say("a, b ,,c,")
    assert env_list("LOOKALIKE_TESTED") == ["a", "b", "c"]
    say("True")
    assert env_bool("LOOKALIKE_TESTED", False) is True
    say("False")
    assert env_bool("LOOKALIKE_TESTED", True) is False
    say("12")
    assert env_int("LOOKALIKE_TESTED", 1) == 12
    say("b")
    assert env_choice("LOOKALIKE_TESTED", "a", ("a", "b")) == "b"


def test_handles_what_is_not_set():
    assert env_bool("LOOKALIKE_TESTED", True) is True
    assert env_int("LOOKALIKE_TESTED", 7) == 7
    assert env_list("LOOKALIKE_TESTED", "x,y") == ["x", "y"]
    assert env_choice("LOOKALIKE_TESTED", "a", ("a", "b")) == "a"


@pytest.mark.parametrize("value", ["true", "false", "1", "0", "yes", "on", "TRUE", "", "Flase"])
def test_rejects_what_is_neither_true_nor_false(say, value: str):
    say(value)
    with pytest.raises(ImproperlyConfigured, match=r"LOOKALIKE_TESTED.*write True or False"):
        env_bool("LOOKALIKE_TESTED", False)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "1e3", "ten", "", "1_000", "50MB", "²", "9" * 5000])
def test_rejects_what_is_no_number_of_that_size(say, value: str):
    say(value)
    with pytest.raises(ImproperlyConfigured, match=r"LOOKALIKE_TESTED.*whole number from 1"):
        env_int("LOOKALIKE_TESTED", 5)


@pytest.mark.parametrize("value", ["everyone", "Members", "", "members,anyone"])
def test_rejects_what_is_no_choice_and_names_them(say, value: str):
    say(value)
    with pytest.raises(ImproperlyConfigured, match=r"LOOKALIKE_TESTED.*one of members, anyone"):
        env_choice("LOOKALIKE_TESTED", "members", ("members", "anyone"))


def test_the_secret_is_made_once_and_kept_from_others(tmp_path: Path):
    path = tmp_path / "var" / "secret_key"
    secret = secret_from(path)
    assert len(secret) >= 50
    assert secret_from(path) == secret == path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret_from(tmp_path / "another") != secret


def test_the_secret_is_the_same_for_all_that_start_at_once(tmp_path: Path):
    for attempt in range(20):
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(secret_from, [tmp_path / str(attempt)] * 8))) == 1


def test_a_secret_that_was_cut_is_made_again_or_refused(tmp_path: Path):
    path = tmp_path / "secret_key"
    path.touch()  # the disk was full, or the power failed
    assert len(secret_from(path)) >= 50
    path.write_text("short")
    with pytest.raises(ImproperlyConfigured, match="delete the file"):
        secret_from(path)


def test_the_start_stops_with_the_sentence():
    done = manage("check", LOOKALIKE_HTTPS="yes")
    assert done.returncode != 0
    assert "LOOKALIKE_HTTPS='yes' is not understood: write True or False." in done.stderr


def test_is_ready_to_be_deployed():
    done = manage("check", "--deploy", "--fail-level", "WARNING", LOOKALIKE_HTTPS="True", LOOKALIKE_SECRET_KEY=STRONG)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_commands_that_need_no_database_start_none(tmp_path: Path):
    manage("check", LOOKALIKE_VAR=str(tmp_path))
    manage("help", "run", LOOKALIKE_VAR=str(tmp_path))
    assert not (tmp_path / "postgresql").exists()


def test_a_folder_to_watch_is_a_whole_path(monkeypatch):
    monkeypatch.setenv("LOOKALIKE_TEST", "/srv/pictures, /home/me/Pictures")
    assert env_folders("LOOKALIKE_TEST") == ["/srv/pictures", "/home/me/Pictures"]
    monkeypatch.setenv("LOOKALIKE_TEST", "/srv/pictures,Pictures")
    with pytest.raises(ImproperlyConfigured, match="whole path of 'Pictures'"):
        env_folders("LOOKALIKE_TEST")


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:///x", "nonsense", "postgres://host:port/name"])
def test_only_a_postgresql_is_taken(url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        postgresql_at(url)


def test_a_postgresql_is_taken_as_it_is_written():
    settings = postgresql_at("postgres://me:secret@db.example/pictures")
    assert (settings["HOST"], settings["NAME"], settings["USER"]) == ("db.example", "pictures", "me")


def test_mails_link_to_hosts_that_are_named(say):
    say("gallery.example.org")
    assert env_hosts("LOOKALIKE_TESTED", "", mails=True) == ["gallery.example.org"]
    say("*")
    assert env_hosts("LOOKALIKE_TESTED", "", mails=False) == ["*"]
    with pytest.raises(ImproperlyConfigured, match="name the hosts that mails may link to"):
        env_hosts("LOOKALIKE_TESTED", "", mails=True)
