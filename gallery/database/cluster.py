"""Embedded PostgreSQL: one server for one folder, shared by all processes that use the folder.

Whatever is killed at whatever moment, the next one learns the truth from the locks (flock) of three files,
which the kernel drops together with the processes that held them. No pid is believed.

    start.lock   held alone by the one who initialises, starts or stops; initdb inherits it
    users.lock   shared by every process that uses the server: the last one out stops it
    server.lock  shared by the postgres processes, which inherit it: while it is taken, one of them lives

A process that ends without its exit functions (kill -9, SIGTERM that nobody catches, os._exit) leaves the
users but cannot stop the server. The server then waits for the next user, and the last one out stops it.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from gallery.database.account import Account, account_for
from gallery.database.programs import EmbeddedPostgresError, Programs, copy_of, find_programs
from gallery.disk import flush_folder

logger = logging.getLogger(__name__)

USER = "postgres"
PORT = "5432"  # only a part of the socket's name: nothing listens on the network
SOCKET_BYTES = 100  # Linux takes 107, macOS 103
TEMPORARY = Path("/tmp")  # noqa: S108 - owner is checked; $TMPDIR is long here and there, and not the same in cron

PATIENCE = 60.0  # seconds for a server that gives no answer
RECOVERY = 900.0  # seconds for one that answers "not yet": it repairs itself after a crash
LAUNCHES = 3
LOG_BYTES = 10 * 2**20

ACCEPTS, REJECTS = 0, 1  # what pg_isready says; 2 and 3 are no answer

SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "timezone": "UTC",  # Django exports TZ, and the server would take it
    "log_timezone": "UTC",
    "log_checkpoints": "off",  # a line every five minutes, for ever
    "max_connections": "300",  # those of each web process are at most its threads
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",  # no disk has to turn any more
}

_clusters: dict[Path, Cluster] = {}


def cluster_at(folder: str | Path) -> Cluster:
    """The one Cluster that this process has for the folder."""
    folder = Path(folder).resolve()
    return _clusters.setdefault(folder, Cluster(folder))


class Cluster:
    """The server of one folder. To make the object touches nothing; ``attach()`` does."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        self.data = self.folder / "data"
        self._mutex = threading.Lock()
        self._share: int | None = None
        self._share_of_child: int | None = None
        self._hooked = False

    @property
    def socket(self) -> Path:
        """The folder of the socket, which libpq takes as a host."""
        path = self.data / f".s.PGSQL.{PORT}"
        # libpq cuts a host at commas, the server has quotes in its list of folders, neither knows surrogates.
        odd = not str(path).isprintable() or set(str(path)) & set(',"')
        if not odd and len(os.fsencode(path)) <= SOCKET_BYTES:
            return self.data
        return TEMPORARY / f"lookalike-{hashlib.sha256(os.fsencode(self.data)).hexdigest()[:24]}"

    def program(self, name: str) -> Path:
        """A program of the PostgreSQL that serves, such as psql or pg_dump."""
        return self._programs.folder / name

    def attach(self) -> None:
        """Become a user of the server, and start it when it does not run. Free of cost the second time."""
        if self._share is None:
            self.start()

    def start(self) -> None:
        """Attach, and look whether the server lives even if attached: for the one whose connection broke.

        Raises EmbeddedPostgresError.
        """
        try:
            with self._mutex:
                self._make_folder()
                with self._alone() as lock:
                    self._start(lock)
                    if self._share is None:
                        self._share = self._lock("users.lock", fcntl.LOCK_SH)
                self._hook()
        except OSError as error:
            me = Account(os.geteuid(), os.getegid())
            raise EmbeddedPostgresError(f"{me} cannot use the database in {self.folder}: {error}.") from error

    def detach(self) -> None:
        """Leave the users of the server; the last one out stops it. Runs by itself when the process ends."""
        with self._mutex, suppress(OSError):  # the folder is gone: PostgreSQL notices that within a minute
            share, self._share = self._share, None
            if share is None:
                return
            try:
                with self._alone():
                    if _only_ours(share):
                        self._stop()
            finally:
                os.close(share)

    # --- the users

    def _hook(self) -> None:
        if self._hooked:
            return
        self._hooked = True
        atexit.register(self.detach)
        os.register_at_fork(
            before=self._before_fork,
            after_in_parent=self._after_fork,
            after_in_child=self._after_fork_in_child,
        )

    def _before_fork(self) -> None:
        """An inherited lock is one lock of two owners: the child gets its own before the parent can leave."""
        self._mutex.acquire()  # and no other thread may be half way through a start
        self._share_of_child = None
        if self._share is not None:
            with suppress(OSError):  # without one the child attaches by itself
                self._share_of_child = self._lock("users.lock", fcntl.LOCK_SH)

    def _after_fork(self) -> None:
        if self._share_of_child is not None:
            os.close(self._share_of_child)
        self._mutex.release()

    def _after_fork_in_child(self) -> None:
        if self._share is not None:
            os.close(self._share)
        self._share = self._share_of_child
        self._mutex.release()

    # --- start and stop, all with start.lock held

    def _start(self, lock: int) -> None:
        begun, launches = time.monotonic(), 0
        if self.socket != self.data:
            self._make_socket_folder()
        while (answer := self._answer()) != ACCEPTS:
            if answer != REJECTS and not self._server_lives():
                if launches == LAUNCHES:
                    said = self._last_words()
                    raise EmbeddedPostgresError(f"PostgreSQL does not start in {self.data}. It said: {said}")
                self._prepare(lock)
                self._launch()
                launches += 1
            elif answer != REJECTS and not launches:
                self._end_orphans()
            if time.monotonic() - begun > (RECOVERY if answer == REJECTS else PATIENCE):
                raise EmbeddedPostgresError(
                    f"A PostgreSQL works in {self.data}, but does not accept connections at {self.socket}."
                )
            time.sleep(0.05)

    def _answer(self) -> int:
        # With a user, because the account may have no name, and then nothing would be asked.
        where = ("-h", self.socket, "-p", PORT, "-U", USER)
        return self._account.run(self.program("pg_isready"), "-q", *where).returncode

    def _server_lives(self) -> bool:
        """Also seen from another container that shares the folder, where the server's pid means nothing."""
        lock = self._open("server.lock")
        try:
            return not _only_ours(lock)
        finally:
            os.close(lock)

    def _prepare(self, lock: int) -> None:
        self._account.check_reach(self.folder, self._programs.folder)
        if not self.data.exists() or not any(self.data.iterdir()):
            self._initialise(lock)
        if not self._processes():
            # They name a dead process, a zombie or a stranger, and PostgreSQL would respect the last two.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            (self.socket / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _initialise(self, lock: int) -> None:
        """In another folder, renamed when complete: half a database is never taken for one."""
        new = self.folder / "data.new"
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        self._account.take(new)
        how = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        if self._programs.major >= 17:
            how += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # initdb inherits the lock: if we are killed, the next one waits until initdb has left data.new alone.
        made = self._account.run(self.program("initdb"), "-D", new, "-U", USER, *how, pass_fds=[lock])
        if made.returncode:
            raise EmbeddedPostgresError(f"No database could be made in {new}. {made.stdout.strip()}")
        new.rename(self.data)
        for folder in (self.folder, self.folder.parent):
            flush_folder(folder)

    def _launch(self) -> None:
        logger.info("Starting PostgreSQL %s in %s", self._programs.major, self.data)
        self._turn_log()
        settings = {**SETTINGS, "unix_socket_directories": f'"{self.socket}"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = self._open("server.log", os.O_APPEND)
        lock = self._lock("server.lock", fcntl.LOCK_SH)
        try:
            # By a shell that leaves at once: our own child would stay a zombie when it dies. Not by pg_ctl,
            # which pastes the path of the data into a shell command.
            command = (str(self.program("postgres")), "-D", str(self.data), *options)
            self._account.run("/bin/sh", "-c", '"$@" &', "sh", *command, stdout=log, pass_fds=[lock])
        finally:
            os.close(log)
            os.close(lock)

    def _stop(self) -> None:
        # Only if seen at work here: a pid from another container or from long ago is somebody else's.
        if self._postmaster() in self._processes():
            patience = ["-m", "fast", "-w", "-t", str(int(PATIENCE))]
            stopped = self._account.run(self.program("pg_ctl"), "stop", "-D", self.data, *patience)
            if stopped.returncode:
                logger.warning("PostgreSQL in %s does not stop. %s", self.data, stopped.stdout.strip())

    def _end_orphans(self) -> None:
        """Children of a killed postmaster finish their query first, and keep everybody out until then."""
        orphans = self._processes()
        if self._postmaster() not in orphans:
            for pid in orphans:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)  # as the postmaster does after a crash: nothing is lost

    def _postmaster(self) -> int:
        try:
            # Bytes, because the path of the data follows, which may be of any encoding.
            return int((self.data / "postmaster.pid").read_bytes().partition(b"\n")[0])
        except (FileNotFoundError, ValueError):
            return 0

    def _processes(self) -> set[int]:
        """The postgres processes that work in our data. A zombie works nowhere, a stranger elsewhere."""
        import psutil

        found = set()
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # ended meanwhile, a zombie, or another user's
                if process.name() == "postgres" and process.cwd() == str(self.data):
                    found.add(process.pid)
        return found

    # --- folders, files and locks

    @cached_property
    def _programs(self) -> Programs:
        programs = find_programs(self.data)
        if self._account.may_enter(programs.folder):
            return programs
        # Root installed them where nobody else may look, as in /root: the server runs from a copy beside the data,
        # which is of no use where that account may not go either.
        self._account.check_reach(next(f for f in (self.folder, *self.folder.parents) if f.exists()))
        return copy_of(programs, self.folder)

    @cached_property
    def _account(self) -> Account:
        return account_for(self.data)

    def _make_folder(self) -> None:
        account = self._account  # before the folder is there, which would be root's
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
            account.take(self.folder)

    def _make_socket_folder(self) -> None:
        """In /tmp anyone could have put it, and would then be the server that we talk to."""
        with suppress(FileExistsError):
            self.socket.mkdir(mode=0o700)
        found = self.socket.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (self._account.uid, os.geteuid()):
            raise EmbeddedPostgresError(f"{self.socket} belongs to somebody else, who has to remove it.")
        self.socket.chmod(0o700)
        self._account.take(self.socket)

    def _turn_log(self) -> None:
        log = self.folder / "server.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(self.folder / "server.log.1")

    def _last_words(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-1500:].strip()

    def _open(self, name: str, flags: int = 0) -> int:
        file = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | flags, 0o600)
        self._account.take(file)
        return file

    def _lock(self, name: str, how: int) -> int:
        file = self._open(name)
        fcntl.flock(file, how)
        return file

    @contextmanager
    def _alone(self) -> Iterator[int]:
        lock = self._lock("start.lock", fcntl.LOCK_EX)
        try:
            yield lock
        finally:
            os.close(lock)


def _only_ours(lock: int) -> bool:
    """Whether nobody else shares the lock; if so, nobody else can have it now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
