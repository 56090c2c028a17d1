"""A question reads what it needs into memory, and nothing more; what is there already answers at once."""

from __future__ import annotations

import numpy as np
import pytest

from search.encoders import _batches, get_network
from search.encoders.clip import network
from search.engines import _embedding
from search.engines import clip as engine_file
from search.engines.clip import ENGINE
from search.errors import EngineError
from search.meaning import parse_meaning
from tests.networks.small_clip import NAME
from tests.search.image_encoder_contract import picture
from tests.search.meaning import weights


@pytest.fixture
def engine(monkeypatch):
    """Nothing is loaded."""
    monkeypatch.setattr(_embedding, "PATIENCE", 60.0)  # torch itself comes into memory here
    model = get_network(NAME, weights()).model
    return ENGINE.bound(1, network(model, weights()))


def nobody(*args: object) -> None:
    raise AssertionError("what is in memory is loaded again")


def no_numbers(asked: list) -> np.ndarray:
    return np.full((len(asked), 64), np.nan, np.float32)


def test_it_works(engine):
    assert engine.encoded([picture(1)]).shape == (1, engine.dimension)
    assert (engine.network.has_pictures, engine.network.has_words) == (True, False)


def test_words_need_no_pictures(engine):
    engine.probe_meaning(parse_meaning("a red circle"))
    assert (engine.network.has_pictures, engine.network.has_words) == (False, True)


def test_what_is_in_memory_waits_for_no_load(engine, monkeypatch):
    engine.encoded([picture(1)])
    engine.read_words()
    monkeypatch.setattr(_embedding, "_once", nobody)
    engine.encoded([picture(2)])
    engine.probe_meaning(parse_meaning("a blue star"))
    engine.network.rest()
    with pytest.raises(AssertionError):
        engine.encoded([picture(2)])


def test_an_answer_of_no_numbers_is_a_sentence(engine, monkeypatch):
    monkeypatch.setattr(engine.network, "encode", no_numbers)
    with pytest.raises(EngineError, match="missing or damaged"):
        engine.encoded([picture(1)])
    with monkeypatch.context() as damaged:
        damaged.setattr(engine.network, "encode_texts", no_numbers)
        with pytest.raises(EngineError, match="missing or damaged"):
            engine.probe_meaning(parse_meaning("a red circle"))
    assert np.isfinite(engine.probe_meaning(parse_meaning("a red circle")).vectors).all()  # it was not kept


def test_ordinary_words_are_kept_of_the_last_few(engine):
    for version in range(5):
        ENGINE.bound(version, engine.network).read_words()
    assert len(engine_file._ordinary_of) <= 2
    assert (engine.network, 4) in engine_file._ordinary_of


def test_one_row_without_numbers_leaves_the_others():
    nan, inf = np.nan, np.inf
    rows = _batches.unit(np.array([[3, 4], [nan, 1], [inf, 1], [0, 0], [1e30, 0]], np.float32))
    assert rows.dtype == np.float32
    assert np.array_equal(np.isfinite(rows).all(axis=1), [True, False, False, True, True])
    assert rows[[0, 3, 4]] == pytest.approx(np.array([[0.6, 0.8], [0, 0], [1, 0]]))
