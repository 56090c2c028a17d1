"""Looks like without weights: edits found by VLAD, learned of the same photographs and of others, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from search.encoders.vlad import network
from search.engines.global_features import ENGINE, GlobalFeatures
from search.engines.local_features import LocalFeatures
from tests.bench.copies import COPYDETECT, copies, milliseconds, read_manifest, small

KEYPOINTS = LocalFeatures()
KNOWN = {"recall@1": 0.94, "recall@20": 0.98, "ms a picture": 0.49}
"""Of shared/baselines.md, 2b: among 1,000 photographs that it was learned from, 31 edits."""
OTHERS = (100, 30)


def main() -> None:
    with copies() as folder:
        if not folder:
            return
        manifest = read_manifest(folder)
        stored = [KEYPOINTS.extract(small(folder / "gallery" / name)) for name in manifest["gallery"]]
        chosen = np.random.default_rng(5).permutation(len(stored))
        print(f"known: {KNOWN}")
        for n in (len(stored), *OTHERS):
            engine = learned_from([stored[at] for at in chosen[:n]])
            edits(engine, stored, folder)
            strangers(engine, stored)


def learned_from(stored: list[bytes]) -> GlobalFeatures:
    unlearned = ENGINE.bound(1, network("64", Path()))
    started = time.process_time()
    learned = unlearned.learn(stored)
    took = time.process_time() - started
    print(f"\nlearned from {len(stored)}: {took:.1f} s of a processor, {len(learned) / 1e6:.1f} MB")
    return ENGINE.bound(1, network("64", Path()), learned)


def edits(engine: GlobalFeatures, stored: list[bytes], folder: Path) -> None:
    manifest = read_manifest(folder)
    each = milliseconds(lambda: engine.make(stored), 3, clock=time.process_time) / len(stored)
    index = engine.new_index()
    index.add(np.arange(len(stored)), engine.rows(engine.make(stored)))
    answers, strong, spent = {}, 0, 0.0
    for query in manifest["queries"]:
        probe = engine.probe(small(folder / query["file"]))
        started = time.process_time()
        hits = engine.search(probe, index, 21)
        spent += time.process_time() - started
        answers[query["file"]] = [(manifest["gallery"][hit.image_id], False) for hit in hits]
        truth = manifest["gallery"].index(query["truth"])
        strong += any(hit.image_id == truth and hit.score >= engine.cutoff for hit in hits)
    file = folder / "ours.json"
    file.write_text(json.dumps(answers))
    subprocess.run([sys.executable, str(COPYDETECT), "score", str(folder), str(file)], check=True)
    n = len(manifest["queries"])
    print(f"{each:.2f} ms a picture, {1000 * spent / n:.1f} ms a search, {strong / n:.3f} above the cut-off")


def strangers(engine: GlobalFeatures, stored: list[bytes]) -> None:
    """How many other photographs does one look like?"""
    features = engine.make(stored)
    index = engine.new_index()
    index.add(np.arange(len(features)), engine.rows(features))
    counts = []
    for at, feature in enumerate(features):
        hits = engine.search(engine.probe_stored(feature), index, 50)
        counts.append(sum(hit.score >= engine.cutoff and hit.image_id != at for hit in hits))
    print(f"a photograph looks like {np.mean(counts):.2f} others, at most {max(counts)}")


if __name__ == "__main__":
    main()
