"""The networks that see watermarks: how each is given a picture, where its weights are, what is said without them."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import save_file

from gallery.pictures import Picture
from search.encoders import get_network, watermark
from search.encoders.pytorch import torch
from search.encoders.watermark import FILE, Quarters
from search.errors import WeightsMissing
from search.networks import panels
from search.weights import State, weights_of
from tests.networks.made import made
from tests.networks.small_clip import MODEL
from tests.pictures import photo


def picture(seed: int = 1, width: int = 320, height: int = 240) -> Picture:
    return Picture(np.asarray(photo(seed, width, height)), width, height, "JPEG")


def with_weights(model, folder):
    """One with weights at random, which are always the same ones."""
    network = watermark.network(model, folder)
    torch().manual_seed(1)
    network.folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in network.built().state_dict().items()}, network.own)
    return network


@pytest.fixture
def small(tmp_path):
    return with_weights("small", tmp_path)


def test_it_works(small):
    scores = small.score([picture(1), picture(2)])
    assert scores.shape == (2,)
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()


def test_a_picture_is_scored_the_same_in_any_company(small):
    alone = small.score([picture(1)])[0]
    assert small.score([picture(seed) for seed in (2, 1, 3)])[1] == pytest.approx(alone, abs=5e-3)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (900, 3), (3, 900)])
def test_it_handles_pictures_of_any_form(small, width, height):
    drawn = np.asarray(photo(1).resize((width, height)))
    assert np.isfinite(small.score([Picture(drawn, width, height, "JPEG")])).all()


def test_the_small_one_shows_where(small):
    with torch().inference_mode():
        logits, where = small.built().eval().seen(torch().zeros(2, 3, 384, 384))
    assert logits.shape == (2,)
    assert where.shape == (2, 48, 48)


def test_it_comes_by_the_first_question_and_rests(small):
    assert not small.is_loaded
    small.score([picture()])
    assert small.is_loaded
    assert small.memory > 1_000_000
    assert small.loaded_fingerprint() == small.fingerprint()
    small.rest()
    assert small.memory == 0


def test_efficientnet_sees_512_pixels(tmp_path):
    network = with_weights("efficientnet", tmp_path)
    assert network.prepared([picture()]).shape == (1, 3, 512, 512)
    assert 0 < network.score([picture()])[0] < 1


def test_clip_sees_four_quarters(tmp_path):
    (tmp_path / "clip").symlink_to(made("small_clip") / "clip")
    network = with_weights(f"clip/{MODEL}", tmp_path)
    assert isinstance(network, Quarters)
    pixels = np.asarray(photo(1, 64, 64)).copy()
    before = network.prepared([Picture(pixels, 64, 64, "PNG")])
    other = pixels.copy()
    other[32:, :32] = 255 - other[32:, :32]
    after = network.prepared([Picture(other, 64, 64, "PNG")])
    assert before.shape == (1, 4 * network.clip.dimension)
    differs = np.abs(before - after).reshape(4, -1).max(axis=1)
    assert differs[2] > 10 * max(differs[[0, 1, 3]])
    scores = network.score([Picture(pixels, 64, 64, "PNG"), Picture(other, 64, 64, "PNG")])
    assert scores[0] != scores[1]


# --- the files
def test_ones_own_weights_stand_before_those_that_came_with_the_gallery(small, tmp_path, monkeypatch):
    shipped = tmp_path / "shipped.safetensors"
    monkeypatch.setattr(watermark, "SHIPPED", shipped)
    fresh = watermark.network("small", tmp_path / "elsewhere")
    with pytest.raises(WeightsMissing):
        fresh.look()
    assert [file.path for file in fresh.files] == [f"watermark/small/{FILE}"]
    small.own.rename(shipped)
    fresh.look()
    assert fresh.file == shipped
    assert fresh.files == []
    fresh.own.parent.mkdir(parents=True)
    fresh.own.write_bytes(shipped.read_bytes())
    assert fresh.file == fresh.own


def test_without_weights_it_says_how_to_make_them(tmp_path):
    network = watermark.network("efficientnet", tmp_path)
    for ask in (network.look, network.fingerprint, network.load, lambda: network.score([picture()])):
        with pytest.raises(WeightsMissing, match=r"manage\.py train_watermark DIR --network efficientnet"):
            ask()
    assert network.score([]).shape == (0,)


def test_the_weights_of_another_network_are_refused(small, tmp_path):
    save_file({"a": torch().zeros(3)}, small.own)
    with pytest.raises(WeightsMissing, match=r"Watermarks small cannot be used.*weights of another network"):
        small.score([picture()])


def test_weights_that_are_no_numbers_are_refused(small):
    state = {name: tensor * float("nan") for name, tensor in small.built().state_dict().items()}
    save_file(state, small.own)
    with pytest.raises(WeightsMissing, match="damaged"):
        small.score([picture()])


def test_other_weights_have_another_fingerprint(small):
    before = small.fingerprint()
    save_file({name: tensor + 1 for name, tensor in small.built().state_dict().items()}, small.own)
    assert small.fingerprint() != before


@pytest.mark.parametrize("model", ["large", "clip", "clip/", "small/other"])
def test_other_names_are_refused(model, tmp_path):
    with pytest.raises(WeightsMissing, match=r"There is no .* that sees watermarks"):
        watermark.network(model, tmp_path)


def test_a_clip_without_weights_is_said(tmp_path):
    network = watermark.network("clip/no/such", tmp_path)
    network.folder.mkdir(parents=True)
    save_file({"a": torch().zeros(1)}, network.own)
    with pytest.raises(WeightsMissing, match="open_clip knows no model"):
        network.look()


@pytest.mark.django_db
def test_the_models_page_knows_it(small, tmp_path, settings):
    settings.WEIGHTS, settings.NETWORKS = tmp_path, {"watermark": ["watermark:small", "watermark:efficientnet"]}
    (panel,) = panels("watermark")
    assert [offer.weights.state for offer in panel.offers] == [State.READY, State.MISSING]
    known = weights_of("watermark:small")
    assert known.state == State.READY
    assert known.label == "Watermarks small"
    assert weights_of("watermark:efficientnet").state == State.MISSING
    assert get_network("watermark:small", tmp_path) is get_network("watermark:small", tmp_path)
