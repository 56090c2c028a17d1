"""The weights of all networks that this gallery names: which files, whether they are here, and how they come here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from django.conf import settings

from search.encoders import get_network
from search.encoders._base import WeightFile
from search.encoders.weights import look_at
from search.errors import WeightsMissing
from search.fetch import fetch_file, has_come, keep, known_sum, megabytes, part_of, sha256_of, stat_of
from search.roles import all_roles
from search.servers import FetchError

KEYPOINTS = "hardnet8"
_LOOKED_AT = {".safetensors", ".bin", ".pt", ".pth", ".tar"}
"""Endings of weights; lists of names lie beside them."""
_LABELS = {
    "clip": "Meaning",
    "global_features": "Looks like",
    "caption": "Captions",
    "places": "Scenes",
    "watermark": "Watermarks",
    KEYPOINTS: "Keypoints",
}


class State(Enum):
    READY = "ready"
    MISSING = "missing"
    PARTLY = "partly fetched"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"


class Weighted(Protocol):
    """What is asked here of a network."""

    @property
    def label(self) -> str: ...
    @property
    def files(self) -> Sequence[WeightFile]: ...

    def look(self) -> None: ...
    def load(self) -> object: ...
    def rest(self) -> None: ...


@dataclass
class Weights:
    """What is known of one network's files, looked at now."""

    name: str
    roles: list[str] = field(default_factory=list)
    """Labels of what it is needed for."""
    error: str = ""
    network: Weighted | None = None
    files: list[WeightFile] = field(default_factory=list)

    @property
    def label(self) -> str:
        return self.network.label if self.network else self.name

    @property
    def come(self) -> tuple[int, int]:
        """(bytes that are here, bytes of all)"""
        parts = [has_come(file, settings.WEIGHTS) for file in self.files]
        return sum(here for here, _ in parts), sum(total for _, total in parts)

    @property
    def absent(self) -> list[WeightFile]:
        return [file for file in self.files if not (settings.WEIGHTS / file.path).is_file()]

    @property
    def state(self) -> State:
        if self.network is None:
            return State.UNKNOWN
        if not self.error:
            return State.READY
        if getattr(self.network, "is_program", False):
            return State.MISSING
        if not self.absent:
            return State.DAMAGED
        return State.PARTLY if self.come[0] else State.MISSING

    @property
    def says(self) -> str:
        """ "partly fetched, 120 of 599 MB" """
        here, total = self.come
        if self.state == State.PARTLY:
            return f"partly fetched, {of_megabytes(here, total)}"
        if self.state == State.MISSING and total:
            return f"missing, {megabytes(total)}"
        if self.state == State.READY and not self.files:
            return "ready, needs no weights"
        return self.state.value

    @property
    def can_be_fetched(self) -> bool:
        return bool(self.files) and all(file.url for file in self.absent or self.files)

    def by_hand(self) -> list[tuple[str, Path]]:
        """[(where it is offered, where it has to lie), ...] of what is not here."""
        return [(file.url, settings.WEIGHTS / file.path) for file in self.absent or self.files]


def of_megabytes(here: int, total: int) -> str:
    """ "120 of 599 MB" """
    if not total:
        return megabytes(here)
    whole = megabytes(total)
    unit = whole.rsplit(" ", 1)[1]
    part = f"{here / 1e9:.1f}" if unit == "GB" else f"{here / (1e6 if unit == 'MB' else 1e3):,.0f}"
    return f"{part} of {whole}"


# --- what is known
def role_label(name: str) -> str:
    role = all_roles().get(name)
    return role.label if role else _LABELS.get(name, name)


def weights_of(name: str, roles: Iterable[str] = ()) -> Weights:
    """Looked at now. A network that nobody knows is one that is UNKNOWN, because of ``error``."""
    known = Weights(name, list(roles))
    try:
        network = _network(name)
        known.files = list(network.files)  # some libraries are asked, and do not know this one either
    except WeightsMissing as error:
        known.error = str(error)
    else:
        known.network, known.error = network, _look(name, network, known.files)
    return known


_looked: dict[str, tuple[list[tuple[str, int, int]], str]] = {}
"""{network: (its files as they were, what was wrong with them)}: to look may mean to read them all."""


def _look(name: str, network: Weighted, files: list[WeightFile]) -> str:
    paths = [settings.WEIGHTS / file.path for file in files]
    stamp = [(str(path), now.st_mtime_ns, now.st_size) for path in paths if (now := stat_of(path))]
    if not stamp or name not in _looked or _looked[name][0] != stamp:
        try:
            network.look()
            _looked[name] = (stamp, "")
        except WeightsMissing as error:
            _looked[name] = (stamp, str(error))
    return _looked[name][1]


def _network(name: str) -> Weighted:
    return _HardNet8() if name == KEYPOINTS else get_network(name, settings.WEIGHTS)


class _HardNet8:
    """It describes keypoints, and is no Network; its one file is like theirs."""

    label = "HardNet8"

    def __init__(self) -> None:
        from search.encoders.hardnet import FILE, HardNet8

        url = f"https://huggingface.co/kornia/hardnet/resolve/main/{FILE}"
        self.files = [WeightFile(FILE, url, bytes=5_400_000)]
        self._encoder = HardNet8(settings.WEIGHTS)

    def look(self) -> None:
        self._encoder.look()

    def load(self) -> None:
        self._encoder.load()

    def rest(self) -> None:
        """It goes with this object."""


def named() -> dict[str, list[str]]:
    """{network: labels of the roles that it may fill}, as the settings name them, the best of each role first.

    Without the database. What looks through the network of another role (labels through CLIP's) needs no other.
    """
    found: dict[str, list[str]] = {}
    for role, names in settings.NETWORKS.items():
        for name in names:
            found.setdefault(name, []).append(role_label(role))
    if settings.KEYPOINTS == KEYPOINTS:
        found[KEYPOINTS] = [role_label(KEYPOINTS)]
    return found


def all_weights() -> list[Weights]:
    return [weights_of(name, roles) for name, roles in named().items()]


def find(asked: str) -> list[Weights]:
    """Networks by their name, kind or role; one that the settings do not name, by its whole name.

    WeightsMissing if nothing is known under it.
    """
    every = named()
    names = [name for name in every if asked in (name, name.partition(":")[0])]
    names = names or list(settings.NETWORKS.get(asked, []))
    if not names and ":" in asked:
        found = weights_of(asked)
        if found.network is None:
            raise WeightsMissing(found.error)
        return [found]
    if not names:
        raise WeightsMissing(f"No network is called “{asked}”. There are: {', '.join(every)}.")
    return [weights_of(name, every[name]) for name in names]


# --- fetching
def hub() -> dict[str, str]:
    """As the library of the hub calls them."""
    return {
        "hub": os.environ.get("HF_ENDPOINT", "") or "https://huggingface.co",
        "token": os.environ.get("HF_TOKEN", ""),
    }


def fetch(
    weights: Weights,
    progress: Callable[[int, int], None] = lambda here, total: None,
    still_wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Bring every file of a network that is not here, or not good. FetchError says what is missing and why.

    ``progress`` counts the bytes of all files together.
    """
    if weights.state == State.UNKNOWN:
        raise FetchError(weights.error)
    for file in _needed(weights):
        others_here, others_total = _come_of([each for each in weights.files if each is not file])

        def counted(here: int, total: int, before: int = others_here, beside: int = others_total) -> None:
            progress(before + here, beside + total if total else 0)

        try:
            fetch_file(file, settings.WEIGHTS, counted, still_wanted, **hub())
        except FetchError as error:
            raise FetchError(f"{Path(file.path).name}: {error}", error.again_after) from error
    again = weights_of(weights.name)
    if again.error:
        raise FetchError(again.error)


def _come_of(files: list[WeightFile]) -> tuple[int, int]:
    parts = [has_come(file, settings.WEIGHTS) for file in files]
    return sum(here for here, _ in parts), sum(total for _, total in parts)


def _needed(weights: Weights) -> list[WeightFile]:
    """Those that are not here; of a network that cannot read its files, also those that are not proven good."""
    return [file for file in weights.files if not _is_proven(file, otherwise=not weights.error)]


def _is_proven(file: WeightFile, otherwise: bool) -> bool:
    """``otherwise``: what counts where no checksum is known."""
    target, expected = settings.WEIGHTS / file.path, known_sum(file, settings.WEIGHTS)
    try:
        return target.is_file() and (sha256_of(target) == expected if expected else otherwise)
    except OSError:
        return False


# --- bringing by hand
def bring(path: Path) -> Iterator[str]:
    """Copy what was brought by hand to where it belongs, and say what became of it, one sentence for each file.

    ``path``: a file or a folder, such as a downloaded repository or a cache of Hugging Face. WeightsMissing if there
    is nothing in it that a network of the settings needs, or if that is damaged.
    """
    if not path.exists():
        raise WeightsMissing(f"{path} is not there.")
    found = 0
    for weights in all_weights():
        brought = [(file, source) for file in weights.files if (source := _source_of(file, path))]
        for file, source in brought:
            found += 1
            yield _bring_one(weights, file, source)
        if brought:
            again = weights_of(weights.name)
            yield f"{again.label}: {again.says}." if not again.error else f"{again.label}: {again.error}"
    if not found:
        raise WeightsMissing(f"{path} is nothing that a network of this gallery needs. {_expected_names()}")


def _expected_names() -> str:
    names = sorted({f"{w.label}: {Path(file.path).name}" for w in all_weights() for file in w.files})
    return f"They need: {'; '.join(names)}." if names else "None of them needs a file."


def _source_of(file: WeightFile, path: Path) -> Path | None:
    """The file below ``path`` that is meant: by the end of its path, or by its name beside the name of its model.

    Several networks call their file "model.safetensors": then only a folder that names the model tells them apart.
    """
    name, names = Path(file.path).name, [_offered_name(file), Path(file.path).name]
    if path.is_file():
        alone = sum(Path(each.path).name == name for w in all_weights() for each in w.files) == 1
        return path if path.name in names and (alone or _is_of(file, path)) else None
    below = sorted(each for one in set(names) for each in path.rglob(one) if each.is_file())
    return next((each for each in below if _is_of(file, each)), None) or (
        below[0] if len(below) == 1 and _is_alone(file, names) else None
    )


def _offered_name(file: WeightFile) -> str:
    return Path(unquote(urlsplit(file.url).path)).name or Path(file.path).name


def _is_alone(file: WeightFile, names: list[str]) -> bool:
    others = (each for w in all_weights() for each in w.files if each.path != file.path)
    return not any(Path(each.path).name in names or _offered_name(each) in names for each in others)


def _is_of(file: WeightFile, source: Path) -> bool:
    """Its folders name the model, as ours do, or as a cache of the hub does: models--timm--vit/snapshots/<commit>/."""
    folders = "/".join(source.parts[:-1]).lower()
    ours = "/".join(Path(file.path).parts[:-1]).lower()
    repository = _repository(file.url).lower()
    cached = f"models--{repository.replace('/', '--')}"
    in_hub = repository and (f"/{cached}/" in f"/{folders}/" or f"/{repository.rpartition('/')[2]}/" in f"/{folders}/")
    return bool((ours and f"/{folders}".endswith(f"/{ours}")) or in_hub)


def _repository(url: str) -> str:
    """ "timm/vit_base" of "https://huggingface.co/timm/vit_base/resolve/main/model.safetensors"."""
    found = re.match(r"/([^/]+/[^/]+)/resolve/", urlsplit(url).path)
    return found[1] if found else ""


def _bring_one(weights: Weights, file: WeightFile, source: Path) -> str:
    target = settings.WEIGHTS / file.path
    told = re.fullmatch("[0-9a-f]{64}", source.resolve().name)  # the cache of the hub names its files so
    expected = file.sha256 or (told[0] if told else "")
    if target.is_file() and target.samefile(source):
        return f"{source} lies where {weights.label} looks for it."
    part = part_of(target).with_name(f".{os.getpid()}.{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(source, part)
        if expected and sha256_of(part) != expected:
            raise WeightsMissing(f"{source} is not what {weights.label} needs: its checksum is wrong.")
        _require_good(part, source, weights.label)
        keep(part, target, expected)
    except OSError as error:
        raise WeightsMissing(f"{source} cannot be copied to {target}: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return f"{source} is now {target}, for {weights.label}."


def _require_good(part: Path, source: Path, label: str) -> None:
    """WeightsMissing if its own format says that it is none: what was there before is worth more."""
    if part.suffix not in _LOOKED_AT:
        return
    try:
        look_at(part)
    except WeightsMissing as error:
        said = str(error).replace(str(part), "it")
        raise WeightsMissing(f"{source} is not taken for {label}, and nothing has changed: {said}") from error


def _copy(source: Path, part: Path) -> None:
    with source.open("rb") as read, part.open("wb") as written:
        shutil.copyfileobj(read, written, 2**20)
        written.flush()
        os.fsync(written.fileno())


# --- looking closely
def verify(weights: Weights) -> str:
    """What is wrong with a network's weights: checksums where somebody has told them, then it is loaded. "" if good."""
    if weights.network is None or weights.absent:
        return weights.error or "its files are not there."
    for file in weights.files:
        if not _is_proven(file, otherwise=True):
            return f"{settings.WEIGHTS / file.path} has another checksum than it should."
    if weights.error:
        return weights.error
    try:
        weights.network.load()
    except (WeightsMissing, ImportError, MemoryError) as error:
        return str(error) or error.__class__.__name__
    weights.network.rest()
    return ""
