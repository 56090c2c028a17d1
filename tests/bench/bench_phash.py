"""The perceptual hash against ImageHash: extraction, edits, and a million hashes."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import faiss
import imagehash
import numpy as np
from PIL import Image

from gallery.pictures import Picture, decode
from search.engines.phash import BYTES, ENGINE
from search.indexes.faiss_index import FaissIndex
from tests.bench.copies import by_distance, by_engine, copies, milliseconds, photos, show
from tests.pictures import encode, photo

MILLION = 1_000_000


def main() -> None:
    extraction()
    with copies() as folder:
        if folder:
            theirs = by_distance(imagehash_of, bits_that_differ, 64, folder)
            print("\nCopy detection, ours (proven: certain) against ImageHash phash(24) (proven: at most 64 bits)")
            show(folder, by_engine(ENGINE, folder), theirs)
    a_million()


def extraction() -> None:
    """Decoding included. The more detail a JPEG holds, the more of the cost is unpacking, which nobody can skip."""
    source = Image.open(photos(1)[0]).convert("RGB") if photos() else photo(1, 1200, 900)
    large = np.asarray(source.resize((4000, 3000), Image.Resampling.BICUBIC))
    for name, grain in (("enlarged from a photograph", 0), ("the same with the grain of a camera", 8)):
        noisy = np.clip(large + np.random.default_rng(0).normal(0, grain, large.shape), 0, 255)
        time_extraction(name, encode(Image.fromarray(noisy.astype(np.uint8)), quality=90))


def time_extraction(name: str, data: bytes) -> None:
    print(f"Extraction from a JPEG of 12 megapixels, {len(data) / 2**20:.1f} MB, {name}")
    print(f"{'':58} {'ms':>7} {'ratio':>6}")
    picture = decode(data, longest=1600)
    rows = {
        "ImageHash phash(hash_size=24)": lambda: imagehash.phash(Image.open(io.BytesIO(data)), 24),
        "ours, decoded to 256 in this process": lambda: ENGINE.extract(drafted(data, 256)),
        "ours, decoded to 256 in the child process": lambda: ENGINE.extract(decode(data, longest=256)),
        "ours, decoded to 1600 (for all engines and renditions)": lambda: ENGINE.extract(decode(data, longest=1600)),
        "ours, from the picture that the pipeline has anyway": lambda: ENGINE.extract(picture),
        "all readings of a query, from that picture": lambda: ENGINE.probe(picture),
    }
    base = 0.0
    for row, work in rows.items():
        cost = milliseconds(work)
        base = base or cost
        print(f"{row:58} {cost:7.1f} {base / cost:5.1f}x")


def drafted(data: bytes, longest: int) -> Picture:
    image = Image.open(io.BytesIO(data))
    size = image.size
    image.draft("RGB", (longest, longest))
    image.thumbnail((longest, longest), Image.Resampling.BOX)
    return Picture(np.asarray(image.convert("RGB")), *size, "JPEG", {})


def imagehash_of(path: Path) -> np.ndarray:
    return np.packbits(imagehash.phash(Image.open(path).convert("RGB"), 24).hash)


def bits_that_differ(gallery: np.ndarray, query: np.ndarray) -> np.ndarray:
    return np.bitwise_count(gallery ^ query).sum(1)


def a_million() -> None:
    hashes = np.random.default_rng(0).integers(0, 256, (MILLION, BYTES), dtype=np.uint8)
    probe = ENGINE.probe(decode(photos(1)[0], 1600) if photos() else small_photo())
    flat = faiss.IndexBinaryFlat(BYTES * 8)
    flat.add(hashes)
    print(f"\nA million hashes, k = 20, all {len(probe.vectors)} readings of one photograph")
    print(f"{'':58} {'ms':>7}")
    with tempfile.TemporaryDirectory() as folder:
        index = mapped(hashes, Path(folder))
        for name, work in {
            "FAISS IndexBinaryFlat, in memory": lambda: flat.search(probe.vectors, 20),
            "ours, mapped": lambda: index.search(probe.vectors, 20),
            "ours, one reading": lambda: index.search(probe.vectors[:1], 20),
            "FAISS, one reading": lambda: flat.search(probe.vectors[:1], 20),
            "ours, the engine's whole search": lambda: ENGINE.search(probe, index, 20),
            "ours, among 10,000 of them": lambda: index.search(probe.vectors, 20, np.arange(0, MILLION, 100)),
            "ours, among half of them": lambda: index.search(probe.vectors, 20, np.arange(0, MILLION, 2)),
        }.items():
            print(f"{name:58} {milliseconds(work):7.1f}")
        same = (index.search(probe.vectors, 20)[1] == flat.search(probe.vectors, 20)[0]).all()
        print(f"same distances as FAISS: {same}")


def small_photo() -> Picture:
    return Picture(np.asarray(photo(1)), 320, 240, "PNG", {})


def mapped(rows: np.ndarray, folder: Path) -> FaissIndex:
    index = ENGINE.new_index()
    index.add(np.arange(len(rows)), rows)
    index.write(folder)
    index.read(folder)
    return index


if __name__ == "__main__":
    main()
