from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.test import Client

from tests.pictures import encode, photo

pytest_plugins = ["tests.networks.fixtures"]

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The whole server goes away with its folder; dropping the database first would only wait for our threads."""
    return True


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """Pages name static files by their hashes, as in production."""
    from django.conf import settings
    from django.core.management import call_command

    if settings.configured:  # not under -p no:django
        call_command("collectstatic", verbosity=0, interactive=False)


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
def bad_images(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The corpus of awkward and hostile files: ``root`` (a folder) and ``manifest`` (what must become of each)."""
    root = tmp_path_factory.mktemp("bad_images")
    generator = shared / "bench" / "make_bad_images.py"
    subprocess.run([sys.executable, generator, root], check=True, stdout=subprocess.DEVNULL)
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
