"""The locks install on a machine without an NVIDIA card, and nothing for one."""

import re
from pathlib import Path

import pytest

LOCKS = sorted((Path(__file__).resolve().parents[1] / "requirements").glob("*.txt"))
LOCKS = [lock for lock in LOCKS if lock.read_text().startswith("# Locked")]


def packages(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_it_works(lock):
    assert packages(lock)["torch"] == "2.13.0"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_there_is_nothing_for_graphics_cards(lock):
    assert not [name for name in packages(lock) if re.match("nvidia-|cuda-|triton", name)]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_versions_are_those_of_every_build(lock):
    assert not [version for version in packages(lock).values() if "+" in version]


def test_the_two_locks_agree():
    dev, gallery = (packages(lock) for lock in LOCKS)
    assert dev.items() >= gallery.items()
