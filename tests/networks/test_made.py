"""Networks of the tests are made once, and again when what was kept is damaged."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.networks import made as making
from tests.networks.made import made, seconds

MODULE = "trifle"
PROGRAM = "import sys, time, pathlib; pathlib.Path(sys.argv[1], 'weights').write_text(str(time.time()))"


@pytest.fixture(autouse=True)
def trifle(monkeypatch, tmp_path) -> Path:
    """A cache of one's own, and a maker that is quick. Returns its code."""
    package = tmp_path / "tests" / "networks"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "scenes.py").touch()
    (package / f"{MODULE}.py").write_text(PROGRAM)
    monkeypatch.setattr(making, "ROOT", tmp_path)
    monkeypatch.setattr(making, "_HERE", package)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return package / f"{MODULE}.py"


def weights() -> str:
    return (made(MODULE) / "weights").read_text()


def test_it_works():
    first = weights()
    assert first == weights()
    assert 0 <= seconds(made(MODULE)) < 60


def test_runs_at_once_make_one():
    with ThreadPoolExecutor(3) as threads:
        assert len(set(threads.map(lambda _: weights(), range(3)))) == 1


def test_what_is_damaged_is_made_again():
    first = weights()
    (made(MODULE) / "weights").write_text("cut")
    assert weights() not in ("cut", first)
    (made(MODULE) / "made.json").unlink()
    assert weights()


def test_other_code_makes_another(trifle):
    first = weights()
    trifle.write_text(PROGRAM + "\n")
    assert weights() != first


def test_what_fails_leaves_nothing(trifle, tmp_path):
    trifle.write_text("raise SystemExit(3)")
    with pytest.raises(Exception, match="exit status 3"):
        made(MODULE)
    assert not [folder for folder in (tmp_path / "cache" / "lookalike-tests").iterdir() if folder.is_dir()]
    shutil.rmtree(tmp_path / "cache")
