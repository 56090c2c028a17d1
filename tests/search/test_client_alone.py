"""The client without the gallery: what it is installed as, and that it starts where nothing else is."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CLIENT = Path(__file__).resolve().parents[2] / "search" / "client"
PROGRAM = """
import sys
sys.path[:0] = [sys.argv[1]]
from lookalike_client import AsyncGallery, Gallery
gallery = Gallery("http://localhost:8000")
assert not {"django", "numpy", "PIL", "search", "gallery"} & set(sys.modules), sys.modules.keys()
from lookalike_client.commands import main
sys.exit(main(["--url", "nonsense", "me"]))
"""


@pytest.fixture(scope="module")
def settings_of() -> dict:
    return tomllib.loads((CLIENT / "pyproject.toml").read_text())


def test_it_works(tmp_path):
    """As a module of another name, in a process that knows nothing of this checkout."""
    (tmp_path / "lookalike_client").symlink_to(CLIENT)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "'nonsense' is no address of a gallery: it begins with http:// or https://.\n"


def test_is_installed_as_lookalike_client(settings_of):
    project, tools = settings_of["project"], settings_of["tool"]["setuptools"]
    assert project["name"] == "lookalike-client"
    assert project["scripts"] == {"lookalike": "lookalike_client.commands:main"}
    assert tools["package-dir"] == {"lookalike_client": "."}
    assert tools["package-data"] == {"lookalike_client": ["py.typed"]}
    assert (CLIENT / "py.typed").exists()
    assert not [each for each in CLIENT.iterdir() if each.is_dir() and (each / "__init__.py").exists()]


def test_requires_what_the_gallery_requires(settings_of):
    """One version of httpx2 for both."""
    (wanted,) = settings_of["project"]["dependencies"]
    assert wanted in (CLIENT.parents[1] / "requirements" / "gallery.in").read_text()


def test_is_of_the_version_of_the_gallery(settings_of):
    whole = tomllib.loads((CLIENT.parents[1] / "pyproject.toml").read_text())["project"]
    same = ("version", "requires-python", "license")
    assert [settings_of["project"][name] for name in same] == [whole[name] for name in same]
