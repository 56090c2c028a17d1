"""Files of weights: somebody has copied them here from elsewhere, so each is looked at before it is believed."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from search.encoders import _safetensors
from search.encoders.pytorch import torch
from search.errors import WeightsMissing

_OLD_FORMAT = b"\x80\x02"
"""How torch.save began before 2020, a pickle without a checksum: only reading it whole shows damage."""

Shapes = Mapping[str, tuple[int, ...]]
Stamp = tuple[tuple[Path, int, int], ...]
"""(file, time of its last change in ns, bytes) of some files; of one that is not there, 0 and -1."""


def stamp(files: Iterable[Path]) -> Stamp:
    """Other files have another one. Quick."""
    return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> tuple[Path, int, int]:
    try:
        state = file.stat()
    except OSError:
        return file, 0, -1
    return file, state.st_mtime_ns, state.st_size


def look_at(file: Path) -> None:
    """WeightsMissing if the file is not there, or is cut or altered. Quick, and without torch.

    A safetensors file has no checksum: that its length is right is all that can be told so.
    """
    try:
        state = file.stat()
        damage = _damage(file, state.st_size, state.st_mtime_ns)
    except FileNotFoundError:
        raise WeightsMissing(f"{file} is not there.") from None
    except OSError as error:
        raise WeightsMissing(f"{file} cannot be read: {error.strerror or error}.") from error
    if damage:
        raise WeightsMissing(damage)


@lru_cache(maxsize=64)
def _damage(file: Path, size: int, changed: int) -> str:
    """What is wrong with a file that is there; "" if nothing is. Of an archive all bytes are read. OSError."""
    try:
        if file.suffix == ".safetensors":
            _safetensors.read_header(file)
            return ""
        with file.open("rb") as opened:
            start = opened.read(2)
        if start == _OLD_FORMAT:
            return ""
        with zipfile.ZipFile(file) as parts:
            damaged = parts.testzip()
            program = any("/code/" in name for name in parts.namelist())
    except WeightsMissing as error:
        return str(error)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError):
        return f"{file} is damaged, or holds no weights."
    if damaged:
        return f"{file} is damaged."
    return f"{file} is a TorchScript archive, which holds a program; only plain weights are read." if program else ""


def read(file: Path) -> dict[str, Any]:
    """{name: tensor}. WeightsMissing if the file cannot be read, or holds anything else; nothing in it is executed."""
    return dict(_finite(file, _stored(file)))


def fill(network: Any, file: Path) -> Any:
    """The network with the weights of the file, ready to answer. WeightsMissing if they are another network's."""
    try:
        network.load_state_dict(read(file), strict=True)
    except RuntimeError as error:
        raise WeightsMissing(f"{file} holds the weights of another network.") from error
    return network.eval().requires_grad_(False)


def take(file: Path, expected: Shapes, wanted: Callable[[str], bool], others: Callable[[str], bool]) -> Iterator[Any]:
    """(name, tensor) of the wanted ones, one after the other, so that there is never a second copy of all.

    WeightsMissing as in ``read``, and if the file holds not exactly what is expected, or ``others``.
    """
    stored = _stored(file)
    check(file, {name: tuple(tensor.shape) for name, tensor in stored.items()}, expected, others)
    yield from _finite(file, {name: stored[name] for name in expected if wanted(name)})


def shapes(file: Path) -> Shapes | None:
    """{name: shape} as far as that can be told without torch. WeightsMissing as in look_at."""
    look_at(file)
    if file.suffix != ".safetensors":
        return None
    return {name: stored.shape for name, stored in _safetensors.read_header(file).items()}


def check(file: Path, found: Shapes, expected: Shapes, others: Callable[[str], bool]) -> None:
    missing = [name for name in expected if name not in found]
    foreign = [name for name in found if name not in expected and not others(name)]
    wrong = [name for name in expected if name in found and tuple(found[name]) != tuple(expected[name])]
    for names, what in ((missing, "is missing"), (foreign, "is too many"), (wrong, "has another shape")):
        if names:
            raise WeightsMissing(f"{file} holds the weights of another network: “{names[0][:80]}” {what}.")


@contextmanager
def says(before: str, after: str) -> Iterator[None]:
    """A WeightsMissing from within becomes "before: what is wrong. after"."""
    try:
        yield
    except WeightsMissing as error:
        raise WeightsMissing(f"{before}: {error} {after}") from error


def fingerprint(file: Path) -> str:
    """sha256 of its bytes, in hex. WeightsMissing if it cannot be read."""
    try:
        state = file.stat()
        return _sha256(file, state.st_size, state.st_mtime_ns)
    except FileNotFoundError:
        raise WeightsMissing(f"{file} is not there.") from None
    except OSError as error:
        raise WeightsMissing(f"{file} cannot be read: {error.strerror or error}.") from error


@lru_cache(maxsize=64)
def _sha256(file: Path, size: int, changed: int) -> str:
    with file.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        state = os.fstat(opened.fileno())
    if (state.st_size, state.st_mtime_ns) != (size, changed):
        raise WeightsMissing(f"{file} is being changed while it is read.")
    return sha256


def _stored(file: Path) -> Mapping[str, Any]:
    """{name: tensor, or what has a shape and can be read as one}."""
    look_at(file)
    if file.suffix == ".safetensors":
        return _safetensors.read_header(file)
    try:
        state = torch().load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise WeightsMissing(f"{file} is damaged, or holds more than weights.") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):  # of a training that can go on
        state = {str(name).removeprefix("module."): value for name, value in state["state_dict"].items()}
    if not isinstance(state, dict) or not all(_is_weight(*item) for item in state.items()):
        raise WeightsMissing(f"{file} holds something else than weights.")
    return state


def _is_weight(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, torch().Tensor)


def _finite(file: Path, stored: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in stored.items():
        tensor = value.tensor(file) if isinstance(value, _safetensors.Stored) else value
        if not bool(tensor.isfinite().all()):
            raise WeightsMissing(f"{file} is damaged: some of its numbers are no numbers.")
        yield name, tensor
