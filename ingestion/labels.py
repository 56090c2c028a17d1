"""How sure CLIP is of a label, each label by itself. No Django in it.

CLIP (Radford et al., "Learning transferable visual models from natural language supervision", 2021, section 3.1) says
which of some labels fits best: the softmax of its cosines, times a temperature. For tags this is wrong, since labels
that are both true take the certainty from each other. So each label is held only against what is ordinary in this
picture, the lower three quarters of all labels:

    confidence(l) = exp(s c_l) / (exp(s c_l) + sum over ordinary labels o, without l, of exp(s c_o))

which is the softmax's own answer, had it to choose between this label and what the picture does not show. Two labels
that are both there are both sure; where nothing stands out, nothing is sure.

CLIP's own temperature, 100, is right for its own lists of labels and for cosines that lie as close as its own do. Here
s is such that the cosines of a picture, times s, have the standard deviation SPREAD, on average over the collection:
then a confidence means about the same for every model. Measured with the small CLIP of the tests on 66 scenes that it
had not seen, at confidence 0.5 (precision, recall): 41 labels 0.80, 0.79 (s = 100: 0.45, 1.00; softmax: 0.81, 0.14); 24
labels, of which exactly one is true, 0.38, 1.00 (0.14, 1.00; 0.65, 0.65). To subtract what a label usually has in the
collection made mixed lists worse, and a gallery of nothing but dogs would have no dogs.
"""

from __future__ import annotations

import numpy as np

SPREAD = 2.5
ORDINARY = 0.75
"""The share of labels that a picture is expected not to show. With 350 labels: it may show up to 87."""


def label_vectors(sentences: np.ndarray, counts: list[int]) -> np.ndarray:
    """(sum of counts, d), each label's sentences together: (labels, d) float32, their means, of length 1."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int)
    means = np.add.reduceat(sentences.astype(np.float32), starts, axis=0)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def scale_for(pictures: np.ndarray, labels: np.ndarray) -> float:
    """The s for these (n, d) pictures, a sample of the collection, and (m, d) labels."""
    cosines = pictures.astype(np.float32) @ labels.T.astype(np.float32)
    spread = float((cosines - cosines.mean(axis=1, keepdims=True)).std())
    return SPREAD / max(spread, 1e-3)


def confidences(pictures: np.ndarray, labels: np.ndarray, scale: float) -> np.ndarray:
    """(n, d) and (m, d) of length 1: (n, m) float32 in 0..1. With fewer than 4 labels all others are ordinary."""
    logits = (scale * pictures.astype(np.float32) @ labels.T.astype(np.float32)).astype(np.float64)
    count = max(1, int(ORDINARY * logits.shape[1])) if logits.shape[1] >= 4 else logits.shape[1]
    is_ordinary = np.zeros(logits.shape, bool)
    np.put_along_axis(is_ordinary, np.argsort(logits, axis=1)[:, :count], True, axis=1)
    mass = np.exp(logits - logits.max(axis=1, keepdims=True))
    ordinary = mass * is_ordinary
    against = np.maximum(ordinary.sum(axis=1, keepdims=True) - ordinary, 0.0)
    return (mass / np.maximum(mass + against, 1e-300)).astype(np.float32)
