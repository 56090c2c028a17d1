from __future__ import annotations

import fcntl
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.pictures import encode, photo

pytest_plugins = ["tests.networks.fixtures"]

# How long an example takes is no matter, here or in CI, where Hypothesis draws the same ones in each run.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")

SHARED = Path(__file__).resolve().parents[2] / "shared"
LONGEST = (
    "test_nothing_is_lost",
    "test_embedded_postgresql",
    "test_run",
    "test_encoder_clip",
    "test_encoder_timm",
    "test_api_schema",
    "test_roles",
    "test_index_keypoints",
    "test_duplicates",
    "test_hostile_files",
    "test_import_command",
    "test_encoder_hardnet",
)
"""Files that take half a minute and more."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first: a file is one worker's, and the other would wait at the end for one that begins late."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


def pytest_collection_finish() -> None:
    """All that is loaded by now stays, and so does most of what comes: to look at it took a sixth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The whole server goes away with its folder; dropping the database first would only wait for our threads."""
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The server of the tests is thrown away: nothing of it has to survive a power cut."""
    from django.conf import settings
    from django.db import connection

    if settings.DATABASES["default"]["ENGINE"] != "gallery.database":
        return  # somebody else's server
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            cursor.execute(f"ALTER SYSTEM SET {setting} = off")
        cursor.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session", autouse=True)
def empty_quickly() -> None:
    """Django truncates all tables after a test and makes all permissions again: 150 ms, for a few rows."""
    from django.test import TransactionTestCase

    TransactionTestCase._fixture_teardown = lambda self: empty_tables()  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def weak_passwords() -> None:
    """What protects a password takes a quarter of a second; most tests sign somebody in."""
    from django.conf import settings

    if settings.configured:  # not under -p no:django
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session", autouse=True)
def patient_engines() -> None:
    """On a busy machine the first search of a process takes longer than visitors would wait."""
    from search.engines._base import Engine

    Engine.seconds = 60.0


PATIENT = {
    "gallery.children": ["WAIT_SECONDS"],
    "gallery.tag_rules": ["WAIT_SECONDS"],
    "gallery.tag_slices": ["AT_ONCE_SECONDS"],
    "gallery.tasks": ["TAG_SECONDS", "LANGUAGE_SECONDS"],
    "gallery.text_language": ["_LOCK_MILLISECONDS"],
    "ingestion.by_url_views": ["QUICK"],
    "ingestion.candidate_files": ["SECONDS_FORGETTING"],
    "ingestion.folders": ["MAX_SECONDS_A_LOOK"],
    "ingestion.mining_tasks": ["SECONDS_A_RING"],
    "ingestion.novelty_tasks": ["SECONDS_A_RING"],
    "ingestion.sources_api": ["LONGEST_TRIAL"],
    "ingestion.tasks": ["MAX_SECONDS_A_RING"],
    "ingestion.word_tasks": ["SECONDS_A_RING"],
    "ingestion.words_views": ["SECONDS"],
    "search.compiler": ["_LOOK_UP_MILLISECONDS"],
    "search.datasets.tasks": ["SECONDS"],
    "search.datasets.works": ["AT_ONCE_SECONDS"],
    "search.engines._embedding": ["PATIENCE"],
    "search.evidence": ["_PATIENCE"],
    "search.lexical": ["SECONDS"],
    "search.listing": ["COUNT_MILLISECONDS", "WALK_MILLISECONDS", "PAGE_MILLISECONDS"],
    "search.reasons": ["MILLISECONDS"],
    "search.retrieval": ["PAGE_MILLISECONDS"],
    "search.tasks": ["EXAMINE_SECONDS", "EXAMINE_SECONDS_BESIDE", "FILL_SECONDS", "OCR_WORDS_SECONDS"],
}
"""{module: limits of time, after which it answers otherwise, or leaves the rest for later}"""


@pytest.fixture(scope="session", autouse=True)
def patient_pages() -> None:
    """On a busy machine a count of three pictures would become "about 3". The tests of a limit set it themselves."""
    from django.conf import settings

    if settings.configured:  # not under -p no:django
        from ingestion import by_url, download

        settings.MAX_DECODE_SECONDS *= 20
        for seconds in (by_url.SECONDS, download.FOR_A_PAGE, download.FOR_A_FILE):
            for name in ("connect", "read", "total"):
                object.__setattr__(seconds, name, getattr(seconds, name) * 20)  # it is the default of functions
        for module, names in PATIENT.items():
            limits = import_module(module)
            for name in names:
                setattr(limits, name, getattr(limits, name) * 20)


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """Pages name static files by their hashes, as in production."""
    from django.conf import settings
    from django.core.management import call_command

    if settings.configured:  # not under -p no:django
        call_command("collectstatic", verbosity=0, interactive=False)


def empty_tables() -> None:
    """Of all that a test has written."""
    from django.db import connection, transaction

    kept = {"django_migrations", "django_content_type", "auth_permission", "gallery_textlanguage"}
    tables = [name for name in connection.introspection.table_names() if name not in kept]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in tables))
        written = [name for (name,) in cursor.fetchall()]
        many = []
        with transaction.atomic():
            cursor.execute("SET LOCAL session_replication_role = replica")  # no trigger, and no order, matters
            for name in written:
                cursor.execute(f"DELETE FROM {name}")
                many += [name] if cursor.rowcount > 1_000 else []
        for name in many:  # what has been large would be read as such, and an empty table be planned for as one
            cursor.execute(f"TRUNCATE {name} CASCADE")


@pytest.fixture(autouse=True)
def own_files(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test has media and indexes of its own, and no index in memory from the test before."""
    if "settings" not in request.fixturenames and not _uses_database(request):
        yield
        return
    from search.live_index import forget_all

    settings = request.getfixturevalue("settings")
    tmp_path = request.getfixturevalue("tmp_path")
    settings.MEDIA_ROOT, settings.INDEX_ROOT = tmp_path / "media", tmp_path / "indexes"
    forget_all()
    yield
    forget_all()


def _uses_database(request: pytest.FixtureRequest) -> bool:
    return bool({"db", "transactional_db"} & set(request.fixturenames)) or bool(
        request.node.get_closest_marker("django_db")
    )


@pytest.fixture
def add(transactional_db: None) -> Callable:
    """add(seed) -> an Image that is stored, prepared and visible. ``add(picture)`` takes a Pillow picture."""
    from gallery.models import Image
    from ingestion.pipeline import Origin, complete, import_blocks

    def add(what: object, name: str = "", **options: object) -> Image:
        picture = photo(what) if isinstance(what, int) else what
        outcome = import_blocks([encode(picture, **options)], name or f"{what}.jpg", Origin("upload", name))
        assert outcome.image, outcome.reason
        assert complete(outcome.image) == []
        outcome.image.jobs.all().delete()
        outcome.image.refresh_from_db()
        return outcome.image

    return add


@pytest.fixture
def member(db: None) -> object:
    from gallery.models import User

    return User.objects.create_user("alice", password="open sesame 12")


@pytest.fixture
def admin(db: None) -> object:
    from gallery.models import User

    return User.objects.create_superuser("bob", password="open sesame 12")


@pytest.fixture
def as_member(member: object) -> Client:
    client = Client()
    client.force_login(member)
    return client


@pytest.fixture
def as_admin(admin: object) -> Client:
    client = Client()
    client.force_login(admin)
    return client


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with photographs and the benchmark beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"There is no folder {SHARED.name} beside the checkout.")
    return SHARED


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """made_once(name, make) -> a folder that ``make(folder)`` has filled: by one of the workers of a run, for all."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent

    def made_once(name: str, make: Callable[[Path], object]) -> Path:
        made, new = place / name, place / f"{name}.new"
        with made.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                make(new)
                new.rename(made)
        return made

    return made_once


@pytest.fixture(scope="session")
def bad_images(shared: Path, made_once: Callable[[str, Callable[[Path], object]], Path]) -> SimpleNamespace:
    """The corpus of awkward and hostile files: ``root`` (a folder) and ``manifest`` (what must become of each).

    It takes five seconds to make; nobody may write into it.
    """
    generator = shared / "bench" / "make_bad_images.py"

    def make(folder: Path) -> None:
        subprocess.run([sys.executable, generator, folder], check=True, stdout=subprocess.DEVNULL)

    root = made_once("bad_images", make)
    return SimpleNamespace(root=root, manifest=json.loads((root / "manifest.json").read_text()))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a real browser. CI must have one; elsewhere its tests are skipped."""
    for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"):
        if os.access(path, os.X_OK):
            return path
    message = "Chromium is missing: install the package chromium to run the browser tests."
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A web site on loopback that may be fetched from: see tests/sites/site.py."""
    from tests.sites.site import a_site

    settings = request.getfixturevalue("settings")
    with a_site() as site:
        settings.FETCH_HOSTS = [site.host]
        yield site
