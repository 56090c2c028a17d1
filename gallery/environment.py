"""Environment variables with strict values: a typing mistake stops the start, it never becomes a default."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

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
    if not value.isdecimal() or int(value) < at_least:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not understood: write a whole number from {at_least}."
        )
    return int(value)


def env_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    value = env_text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name}={value!r} is not understood: write one of {', '.join(choices)}.")
    return value


def secret_from(path: Path) -> str:
    """The secret kept in a file; made on the first call. Safe when two processes start at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_secret(path)
    with open(fd, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return _read_secret(path)


def _read_secret(path: Path) -> str:
    secret = path.read_text()
    if len(secret) < 50:  # the other process has opened the file and not written it yet, or it was cut
        raise ImproperlyConfigured(
            f"{path} holds no key. Start again; if that does not help, delete the file."
        )
    return secret
