"""Novelty: pictures of one kind as the accepted ones, others as the odd ones out, by each embedding that is there.

Of the photographs beside the checkout, 118 show animals (36 of them dogs) and 182 do not. The model learns of half of a
kind; the other half and everything else are told apart, twice, the halves swapped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gallery.pictures import decode
from ingestion import mixture
from search.encoders.vlad import network
from search.engines import color
from search.engines.global_features import ENGINE
from search.engines.local_features import LocalFeatures
from tests.bench.own_gallery import PHOTOS

DOGS = """
    Airedale Bedlington_terrier Cardigan Chihuahua Dandie_Dinmont EntleBucher Eskimo_dog Gordon_setter
    Greater_Swiss_Mountain_dog Irish_terrier Irish_water_spaniel Italian_greyhound Labrador_retriever Lhasa
    Mexican_hairless Norwegian_elkhound Pekinese Rottweiler Samoyed Tibetan_mastiff Weimaraner Welsh_springer_spaniel
    basset bluetick collie dalmatian groenendael keeshond komondor pug redbone silky_terrier standard_schnauzer
    toy_terrier vizsla wire-haired_fox_terrier
"""
ANIMALS = """
    Arabian_camel Dungeness_crab Komodo_dragon Siamese_cat admiral alligator_lizard banded_gecko black_stork
    boa_constrictor brown_bear bustard cabbage_butterfly capuchin cockroach coho coucal crane crayfish dhole fly
    garden_spider giant_panda gibbon goldfinch goldfish grasshopper great_grey_owl green_mamba guinea_pig hammerhead
    hare hartebeest hen hippopotamus hog hognose_snake hummingbird indigo_bunting indri killer_whale king_crab kit_fox
    kite lacewing ladybug langur leaf_beetle leatherback_turtle leopard lion little_blue_heron macaw magpie mongoose
    nematode patas peacock pelican polecat porcupine ptarmigan ram red-breasted_merganser red_wolf redshank scorpion
    sea_anemone sea_urchin sidewinder skunk slug spider_monkey spotted_salamander sturgeon tabby three-toed_sloth tick
    tree_frog tusker wallaby water_snake whiptail
"""
"""Those that are no dogs."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gallery.settings")
    import django

    django.setup()
    photos = sorted(PHOTOS.glob("*.jpg")) if PHOTOS.is_dir() else []
    if not photos:
        return print(f"There is no folder {PHOTOS.name} of photographs beside the checkout.")
    names = np.array([photo.stem for photo in photos])
    for label, vectors in embedded(photos):
        print(f"\n{label}: {vectors.shape[1]} numbers")
        dogs, animals = np.isin(names, DOGS.split()), np.isin(names, (DOGS + ANIMALS).split())
        for kind, is_in in (("animals", animals), ("things", ~animals), ("dogs", dogs)):
            told_apart(kind, vectors[is_in], vectors[~is_in])
    times()


def embedded(photos: list[Path]) -> Iterator[tuple[str, np.ndarray]]:
    from ingestion.embedding import described

    engine = LocalFeatures()
    pictures = [decode(photo, longest=1600) for photo in photos]
    keypoints, colours = [engine.extract(p) for p in pictures], [color.ENGINE.extract(p) for p in pictures]
    vectors = np.stack([described(*pair) for pair in zip(keypoints, colours, strict=True)])
    yield "what every gallery has (the default without networks, in a young gallery)", unit(vectors)
    vlad = ENGINE.bound(1, network("64", Path()), ENGINE.bound(1, network("64", Path())).learn(keypoints))
    vectors = np.frombuffer(b"".join(vlad.make(keypoints)), "<f2").reshape(len(photos), -1)
    yield "global features by VLAD (the default without networks)", unit(vectors.astype(np.float32))


def told_apart(kind: str, accepted: np.ndarray, others: np.ndarray) -> None:
    """By models of half of the accepted, then of all, cross-validated, with the curve."""
    print(f"  {kind}: {len(accepted)}, {len(others)} others")
    order = np.random.default_rng(0).permutation(len(accepted))
    halves = order[::2], order[1::2]
    fewest, mixture.FEWEST = mixture.FEWEST, 10  # 18 dogs are half of them
    try:
        figures = [half(accepted[one], accepted[other], others) for one, other in (halves, halves[::-1])]
        areas, held, wrongly = np.mean(figures, 0)
        print(f"    halves: AUC {areas:.3f}; above 0.98: {held:.2f} of the others, {wrongly:.2f} of the other half")
        fit = mixture.fit(accepted, others)
    finally:
        mixture.FEWEST = fewest
    print(f"    all: AUC {mixture.auc(fit.held_out, fit.others):.3f} cross-validated", end="; ")
    print(f"{len(fit.mixture.directions)} directions, {fit.components} components")
    print("    BIC " + ", ".join(f"{k}: {bic:.0f}" for k, bic, _ in fit.curve))


def half(learned: np.ndarray, like: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    found = mixture.fit(learned).mixture
    area = mixture.auc(found.log_likelihood(like), found.log_likelihood(others))
    return area, float((found.novelty(others) > 0.98).mean()), float((found.novelty(like) > 0.98).mean())


def times() -> None:
    """Of vectors in eight clusters, as many numbers as CLIP has."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 512))
    print("\npictures   learning, s of a processor   scoring, ms a picture   bytes of parameters")
    for n in (200, 1_000, 5_000):
        vectors = unit(centres[rng.integers(0, 8, n)] + 0.8 * rng.normal(size=(n, 512)))
        started = time.process_time()
        found = mixture.fit(vectors).mixture
        learning, started = time.process_time() - started, time.process_time()
        for vector in vectors[:200]:
            found.novelty(vector[None])
            found.likelihood(vector[None])
        scoring = (time.process_time() - started) / 200
        print(f"{n:8}   {learning:10.1f}   {1000 * scoring:27.2f}   {len(found.pack()):20,}")


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


if __name__ == "__main__":
    main()
