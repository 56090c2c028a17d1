"""A small CLIP that the tests train finds drawn scenes by words, through the code that serves the gallery."""

from __future__ import annotations

import numpy as np
import pytest

from gallery.pictures import Picture
from search.encoders import get_network
from tests.networks import fixtures
from tests.networks.questions import all_questions, figures
from tests.networks.scenes import SEEN, UNSEEN, Scene, draw
from tests.networks.small_clip import NAME

REACHED = {"colour and shape": 0.6, "count": 0.75, "place": 0.9, "light": 0.9}
"""Precision of the first ten; 0.02 to 0.1 would be chance. The worst of six trainings came to 0.8, 0.88, 0.99 and 1."""


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Half of them are compositions that were kept from the training; all are drawn anew."""
    rng = np.random.default_rng(1)
    return [pool[number] for pool in (UNSEEN, SEEN) for number in rng.integers(0, len(pool), 300)]


@pytest.fixture(scope="module")
def scores(small_clip, scenes):
    clip = get_network(NAME, small_clip)
    drawn = [np.ascontiguousarray(draw(scene, 10**6 + number)) for number, scene in enumerate(scenes)]
    seen = clip.encode([Picture(pixels, 256, 256, "PNG") for pixels in drawn])
    return lambda text: seen @ clip.encode_texts([text])[0]


@pytest.mark.parametrize("kind", REACHED)
def test_it_works(scenes, scores, kind):
    found = figures(all_questions()[kind], scenes, scores)
    fixtures.FIGURES.append(f"Scenes that the small CLIP has not seen, asked for {kind}: {found}")
    assert found.precision > REACHED[kind] > 5 * found.chance


def test_natural_words_mean_the_same(scenes, scores):
    plain, natural = scores("a red circle"), scores("there is a red circle")
    assert np.corrcoef(plain, natural)[0, 1] > 0.9
