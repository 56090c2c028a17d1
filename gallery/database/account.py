"""As whom PostgreSQL runs: as ourselves, but never as root, which it refuses."""

from __future__ import annotations

import os
import pwd
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from gallery.database.programs import EmbeddedPostgresError

FIRST_CLOSED = 'for folder do cd "$folder" 2>/dev/null || { echo "$folder"; exit 1; }; done'


class Account(NamedTuple):
    uid: int
    gid: int

    def run(self, *command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """In an own session, because Ctrl-C in the terminal is not for the server."""
        if os.geteuid() == 0:
            options.update(user=self.uid, group=self.gid, extra_groups=[])
        # PGDATA, PGHOST and the like are meant for another server; and what is said is said in one language.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.run(  # noqa: S603 - our own programs, and no shell reads the arguments
            command,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            cwd="/",  # this account may not be able to stay in our folder
            env={**environment, "LC_ALL": "C"},
            start_new_session=True,
        )

    def take(self, path: Path | int) -> None:
        """Make it theirs. What root makes would otherwise lock them out."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def may_enter(self, folder: Path) -> bool:
        return os.geteuid() != 0 or not self.run("/bin/sh", "-c", 'cd "$1"', "sh", folder).returncode

    def check_reach(self, *goals: Path) -> None:
        """Other people's folders are not opened for the server; the sentence says which one is closed."""
        for goal in goals:
            tried = self.run("/bin/sh", "-c", FIRST_CLOSED, "sh", *reversed(goal.parents), goal)
            if tried.returncode:
                closed = tried.stdout.removesuffix("\n")
                raise EmbeddedPostgresError(
                    f"PostgreSQL runs as {self} here, who may not enter {closed}: let that user pass "
                    f'(chmod o+x "{closed}"), or move {goal} to a place that is open to it.'
                )

    def __str__(self) -> str:
        with suppress(KeyError):
            return f"user {pwd.getpwuid(self.uid).pw_name}"
        return f"user {self.uid}"


def account_for(data: Path) -> Account:
    """Root serves the data as whoever owns them, or the folder that they are to be in, else as postgres."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    nearest = next(folder for folder in (data, *data.parents) if folder.exists()).stat()
    # initdb wants a user with a name; a folder that is mounted into a container may belong to one without.
    if nearest.st_uid != 0 and (data.exists() or _has_name(nearest.st_uid)):
        return Account(nearest.st_uid, nearest.st_gid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return Account(*pwd.getpwnam(name)[2:4])
    raise EmbeddedPostgresError("PostgreSQL does not run as root; make a user with the name postgres for it.")


def _has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:
        return False
