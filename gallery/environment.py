"""Environment variables with strict values: a typing mistake stops the start, it never becomes a default."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured


def env_text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def env_list(name: str, default: str = "") -> list[str]:
    """Comma separated, blanks dropped."""
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_bool(name: str, default: bool) -> bool:
    value = env_text(name, str(default))
    if value not in ("True", "False"):
        raise ImproperlyConfigured(f"{name}={value!r} is not understood: write True or False.")
    return value == "True"


def env_int(name: str, default: int, at_least: int = 1) -> int:
    value = env_text(name, str(default))
    if not re.fullmatch("[0-9]{1,18}", value) or int(value) < at_least:
        raise ImproperlyConfigured(f"{name}={value!r} is not understood: write a whole number from {at_least}.")
    return int(value)


def env_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    value = env_text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name}={value!r} is not understood: write one of {', '.join(choices)}.")
    return value


def env_folders(name: str) -> list[str]:
    """Comma separated whole paths."""
    folders = env_list(name)
    for folder in folders:
        if not Path(folder).is_absolute():
            raise ImproperlyConfigured(f"{name}: write the whole path of {folder!r}, from the root.")
    return folders


def postgresql_at(url: str) -> dict[str, Any]:
    """The settings of a database from its address."""
    try:
        database = dj_database_url.parse(url, conn_max_age=600)
    except (ValueError, KeyError) as error:
        raise ImproperlyConfigured(f"DATABASE_URL is not understood: {error}") from error
    if database.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL: postgres://user:password@host/name")
    return dict(database)


def secret_from(path: Path) -> str:
    """The secret kept in a file; made on the first call. Processes that start at once all get the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        secret = file.read()
        if not secret:
            secret = secrets.token_urlsafe(50)
            file.write(secret)
    if len(secret) < 50:
        raise ImproperlyConfigured(f"{path} holds only a part of a key: delete the file, and a new one is made.")
    return secret
