"""Environment variables with strict values: a typing mistake stops the start, it never becomes a default."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from contextlib import suppress
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email


def env_text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def env_list(name: str, default: str = "") -> list[str]:
    """Comma separated, blanks dropped."""
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_hosts(name: str, default: str, mails: bool) -> list[str]:
    """Names of this gallery. ``mails``: links in them begin with the name that was asked for, which must be one of
    ours: whoever asks for a new password in somebody's name could write any into the request."""
    names = env_list(name, default)
    if mails and "*" in names:
        raise ImproperlyConfigured(f"{name}=* does not go with LOOKALIKE_EMAIL: name the hosts that mails may link to.")
    return names


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


def memory_bytes() -> int:
    """Of this machine, or of the container that it is given, if that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for place in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # no such container, or "max"
            limits.append(int(Path("/sys/fs/cgroup", place).read_text()))
    return min(limits)


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


def mail_through(url: str, sender: str) -> dict[str, Any]:
    """Django's settings of a mail server: smtp://name:password@host:587 (which begins plain and must then speak TLS;
    ?tls=off for one on this machine) or smtps://name:password@host:465 (TLS from the first byte)."""
    if not url:
        if sender:
            raise ImproperlyConfigured("LOOKALIKE_FROM says who writes, but LOOKALIKE_EMAIL names no mail server.")
        return {}
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        validate_email(parseaddr(sender)[1])
    except ValidationError as error:
        raise ImproperlyConfigured("LOOKALIKE_FROM must be a mail address when LOOKALIKE_EMAIL is set.") from error
    except ValueError as error:
        raise ImproperlyConfigured(f"LOOKALIKE_EMAIL is not understood: {error}") from error
    odd = parts.path not in ("", "/") or parts.fragment or parts.query not in ("", "tls=off")
    if parts.scheme not in ("smtp", "smtps") or not host or odd or (parts.query and parts.scheme == "smtps"):
        raise ImproperlyConfigured("LOOKALIKE_EMAIL is not understood: write smtp://name:password@host:587 or smtps://")
    if bool(parts.username) != bool(parts.password):
        raise ImproperlyConfigured("LOOKALIKE_EMAIL needs both a name and a password, or neither.")
    if parts.query and parts.password:
        raise ImproperlyConfigured("LOOKALIKE_EMAIL: with tls=off everybody on the way could read the password.")
    return {
        "EMAIL_HOST": host,
        "EMAIL_PORT": port or (465 if parts.scheme == "smtps" else 25 if parts.query else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp" and not parts.query,
        "EMAIL_TIMEOUT": 20,
    }


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


def oidc_at(url: str, client: str, secret: str) -> str:
    """The address of the provider for single sign-on, "" if there is none. Without TLS only on this machine."""
    if not (url or client or secret):
        return ""
    if not (url and client and secret):
        raise ImproperlyConfigured("LOOKALIKE_OIDC_URL, LOOKALIKE_OIDC_ID and LOOKALIKE_OIDC_SECRET go together.")
    if not re.fullmatch(
        r"https://[^/?#@\s]+(/[^?#\s]*)?|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^?#\s]*)?", url
    ):
        raise ImproperlyConfigured(f"LOOKALIKE_OIDC_URL={url!r} is not understood: write the https:// of the provider.")
    return url.rstrip("/")
