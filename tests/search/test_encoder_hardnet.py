"""HardNet8: descriptors by a network, whose weights somebody has to bring; without them the gallery goes on with SIFT.

The network of these tests has learned nothing. It still projects patches at random, and likeness outlives that.
"""

from __future__ import annotations

import io
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from search.encoders.hardnet import FILE, HardNet8, as_bytes, empty_network, patches
from search.encoders.preferred import keypoint_encoder
from search.encoders.pytorch import torch
from search.encoders.sift import ENCODER as SIFT
from search.engines.local_features import ENGINE
from search.errors import WeightsMissing
from search.live_index import forget_all, live_index
from search.models import Feature, images_without, store_features
from tests.pictures import encode, photo
from tests.search.encoder_contract import EncoderContract, distances, grey, keypoints
from tests.search.engine_contract import picture

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A folder with weights. Only the means and variances are those of patches: it is what training does first."""
    torch().manual_seed(0)
    network = empty_network().train()
    for part in network.modules():
        part.momentum = None  # the mean of all, not mostly of the last
    with torch().no_grad():
        for seed in range(20, 30):
            network(patches(grey(seed), keypoints(grey(seed))))
    folder = tmp_path_factory.mktemp("weights")
    torch().save(network.state_dict(), folder / FILE)
    return folder


@pytest.fixture(scope="module")
def loaded(weights) -> HardNet8:
    return HardNet8(weights)


@pytest.fixture
def altered(weights, tmp_path):
    """altered(change) -> a folder with weights whose state has gone through ``change``."""

    def altered(change) -> Path:
        torch().save(change(torch().load(weights / FILE, weights_only=True)), tmp_path / FILE)
        return tmp_path

    return altered


class TestHardNet8(EncoderContract):
    @pytest.fixture
    def encoder(self, loaded):
        return loaded

    def test_a_patch_is_cut_as_in_training(self):
        """Six diameters wide, its x axis along the angle of the keypoint, which grows clockwise."""
        pixels = np.zeros((192, 256), np.uint8)
        pixels[96:, :] = 255
        (patch,) = patches(pixels, [cv2.KeyPoint(128, 96, 16, 90)])[0].numpy()
        assert patch.shape == (32, 32)
        assert patch[:, :15].max() < 0.1 < 0.9 < patch[:, 17:].min()
        pixels[96:, :] = 0
        pixels[96 + 24 :] = 255  # half of the 48 pixels from the middle of the patch to its side
        (patch,) = patches(pixels, [cv2.KeyPoint(128, 96, 16, 90)])[0].numpy()
        assert patch[:, :23].max() < 0.1 < 0.9 < patch[:, 25:].min()

    def test_bytes_keep_the_order_of_distances(self):
        floats = np.random.default_rng(0).normal(size=(300, 128)).astype(np.float32)
        floats /= np.linalg.norm(floats, axis=1, keepdims=True)
        told = distances(as_bytes(floats), as_bytes(floats))[np.triu_indices(300, 1)]
        true = np.linalg.norm(floats[:, None] - floats[None], axis=2)[np.triu_indices(300, 1)]
        assert np.corrcoef(told, true)[0, 1] > 0.995

    def test_numbers_beyond_a_byte_are_its_ends(self):
        assert as_bytes(np.array([[1, 0.5, 0, -0.5, -1]], np.float32)).tolist() == [[255, 208, 128, 48, 0]]

    def test_its_version_is_its_own(self, encoder):
        assert encoder.version != SIFT.version

    def test_it_survives_a_fork(self, weights):
        program = (
            "import os, sys; from pathlib import Path; from search.encoders.hardnet import HardNet8;"
            "from tests.search.encoder_contract import grey, keypoints;"
            "encoder = HardNet8(Path(sys.argv[1]));"
            "see = lambda: encoder.describe(grey(1), keypoints(grey(1)))[1].sum();"
            "before = see(); pid = os.fork();"
            "same = see() == before; os._exit(not same) if not pid else os.waitpid(pid, 0)[1] and sys.exit('differs')"
        )
        subprocess.run([sys.executable, "-c", program, weights], cwd=ROOT, check=True, timeout=300)


class TestWeights:
    def refused(self, folder: Path) -> str:
        """The sentence; it says where the file goes and where it comes from."""
        with pytest.raises(WeightsMissing) as error:
            HardNet8(folder).load()
        assert str(folder / FILE) in str(error.value)
        assert "Hugging Face" in str(error.value)
        return str(error.value)

    def look(self, folder: Path) -> None:
        with pytest.raises(WeightsMissing, match="Hugging Face"):
            HardNet8(folder).look()

    def test_it_works(self, weights):
        HardNet8(weights).look()
        assert HardNet8(weights).load() is not None

    def test_it_reads_the_older_format(self, weights, tmp_path):
        state = torch().load(weights / FILE, weights_only=True)
        torch().save(state, tmp_path / FILE, _use_new_zipfile_serialization=False)
        HardNet8(tmp_path).look()
        found = keypoints(grey(1))
        told = [HardNet8(folder).describe(grey(1), found)[1] for folder in (weights, tmp_path)]
        assert np.array_equal(*told)

    def test_it_requires_the_file(self, tmp_path):
        assert "is not there" in self.refused(tmp_path)
        self.look(tmp_path)

    def test_it_rejects_a_folder_in_its_place(self, tmp_path):
        (tmp_path / FILE).mkdir()
        assert "cannot be read" in self.refused(tmp_path)
        self.look(tmp_path)

    @pytest.mark.parametrize("kept", [0, 1, 1000, 0.5, 0.999])
    def test_it_rejects_a_cut_file(self, weights, tmp_path, kept):
        whole = (weights / FILE).read_bytes()
        (tmp_path / FILE).write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
        assert "damaged" in self.refused(tmp_path)
        self.look(tmp_path)

    def test_it_rejects_an_altered_file(self, weights, tmp_path):
        altered = bytearray((weights / FILE).read_bytes())
        altered[len(altered) // 2] ^= 1
        (tmp_path / FILE).write_bytes(altered)
        assert "damaged" in self.refused(tmp_path)
        self.look(tmp_path)

    def test_it_rejects_a_cut_file_of_the_older_format(self, weights, tmp_path):
        state = torch().load(weights / FILE, weights_only=True)
        torch().save(state, tmp_path / FILE, _use_new_zipfile_serialization=False)
        os.truncate(tmp_path / FILE, 1_000_000)
        assert "damaged" in self.refused(tmp_path)

    @pytest.mark.parametrize(
        "change",
        [
            lambda state: state | {"mean": torch().zeros(256)},
            lambda state: {name: value for name, value in state.items() if name != "components"},
            lambda state: state | {"more": torch().zeros(1)},
            lambda state: {},
        ],
        ids=["another shape", "one missing", "one too many", "none"],
    )
    def test_it_rejects_weights_of_another_network(self, altered, change):
        assert "another network" in self.refused(altered(change))

    def test_it_rejects_what_are_no_numbers(self, altered):
        assert "no numbers" in self.refused(altered(lambda state: state | {"mean": torch().full((512,), torch().nan)}))

    @pytest.mark.parametrize(
        "change", [lambda state: list(state.values()), lambda state: {"state": state}, lambda state: {1: state["mean"]}]
    )
    def test_it_rejects_something_else(self, altered, change):
        assert "something else" in self.refused(altered(change))

    @pytest.mark.parametrize("protocol", [2, 4])
    def test_it_never_executes_a_pickle(self, tmp_path, protocol):
        (tmp_path / FILE).write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol))
        assert "damaged, or holds" in self.refused(tmp_path)
        assert not (tmp_path / "sprung").exists()

    def test_it_never_executes_a_pickle_in_an_archive(self, altered, tmp_path):
        folder = altered(lambda state: state | {"mean": Trap(tmp_path / "sprung")})
        assert "more than weights" in self.refused(folder)
        assert not (tmp_path / "sprung").exists()


class Trap:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


class TestTheChoice:
    def test_it_works(self, weights):
        assert keypoint_encoder("sift", weights) is SIFT
        assert keypoint_encoder("hardnet8", weights).version == HardNet8.version
        assert not keypoint_encoder("hardnet8", weights).mirrors

    def test_sift_goes_on_without_weights(self, tmp_path, caplog):
        with caplog.at_level(logging.WARNING):
            chosen = keypoint_encoder("hardnet8", tmp_path)
            _, descriptors = chosen.describe(grey(1), keypoints(grey(1)))
        assert (chosen.name, chosen.version, chosen.mirrors) == (SIFT.name, SIFT.version, True)
        assert np.array_equal(chosen.mirror(descriptors), SIFT.mirror(descriptors))
        (line,) = caplog.messages
        assert str(tmp_path / FILE) in line
        assert "Until then sift describes the keypoints." in line

    def test_it_is_settled_once(self, weights, tmp_path):
        """Weights that come later must not mix with what SIFT has made already."""
        chosen = keypoint_encoder("hardnet8", tmp_path)
        assert chosen.version == SIFT.version
        (tmp_path / FILE).write_bytes((weights / FILE).read_bytes())
        assert chosen.version == SIFT.version
        assert keypoint_encoder("hardnet8", tmp_path).version == HardNet8.version


class TestTheSetting:
    def start(self, program: str, **environment: object) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {name: str(value) for name, value in environment.items()}
        run = [sys.executable, "-c", f"import sys, django; django.setup(); {program}"]
        return subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True)

    ENGINE = "from search.engines.local_features import ENGINE; print(ENGINE.encoder.name);"
    CHECK = "from django.core.management import call_command; call_command('check');"

    def test_it_works(self, weights):
        run = self.start(self.ENGINE + self.CHECK, LOOKALIKE_KEYPOINTS="hardnet8", LOOKALIKE_WEIGHTS=weights)
        assert run.stdout.split()[0] == "hardnet8", run.stderr
        assert "search.W001" not in run.stderr

    def test_sift_is_what_a_gallery_begins_with(self, weights):
        assert self.start(self.ENGINE, LOOKALIKE_WEIGHTS=weights).stdout.split() == ["sift"]

    def test_missing_weights_are_a_warning(self, tmp_path):
        run = self.start(self.CHECK + self.ENGINE, LOOKALIKE_KEYPOINTS="hardnet8", LOOKALIKE_WEIGHTS=tmp_path)
        assert run.returncode == 0
        assert "search.W001" in run.stderr
        assert f"{tmp_path / FILE} is not there" in run.stderr
        assert run.stdout.split()[-1] == "sift"

    def test_torch_waits_for_the_first_keypoint(self, weights):
        program = (
            "from search.engines import all_engines; all_engines(); print('torch' in sys.modules, 'cv2' in sys.modules)"
        )
        run = self.start(self.CHECK + program, LOOKALIKE_KEYPOINTS="hardnet8", LOOKALIKE_WEIGHTS=weights)
        assert run.stdout.split()[-2:] == ["False", "False"], run.stderr

    def test_it_rejects_another_value(self):
        run = self.start("", LOOKALIKE_KEYPOINTS="HardNet")
        assert run.returncode != 0
        assert "write one of sift, hardnet8" in run.stderr


class TestSwitching:
    @pytest.fixture
    def switch(self, monkeypatch):
        """switch(name, weights): as a new start with these settings."""

        def switch(name: str, weights: Path) -> None:
            monkeypatch.setattr(ENGINE, "encoder", keypoint_encoder(name, weights))
            forget_all()

        return switch

    def test_features_of_both_live_side_by_side(self, add, switch, weights):
        image = add(1)
        switch("hardnet8", weights)
        assert list(images_without(ENGINE)) == [image]
        assert store_features(image, _picture(1), [ENGINE]) == []
        stored = dict(Feature.objects.filter(engine=ENGINE.name).values_list("version", "data"))
        assert set(stored) == {SIFT.version, HardNet8.version}
        assert bytes(stored[SIFT.version]) != bytes(stored[HardNet8.version])
        switch("sift", weights)
        assert not images_without(ENGINE).exists()
        switch("hardnet8", weights)
        assert not images_without(ENGINE).exists()

    def test_each_finds_a_copy_by_its_own(self, add, switch, weights):
        switch("hardnet8", weights)
        image, _ = add(1), [add(seed) for seed in range(2, 6)]
        (hit, *_) = ENGINE.search(ENGINE.probe(_picture(1, quality=60)), _index(), 5)
        assert (hit.image_id, hit.certain) == (image.pk, True)
        switch("sift", weights)
        assert len(_index()) == 0

    def test_without_weights_pictures_come_in_and_are_found(self, add, switch, tmp_path):
        switch("hardnet8", tmp_path)
        image = add(1)
        assert Feature.objects.get(image=image, engine=ENGINE.name).version == SIFT.version
        (hit, *_) = ENGINE.search(ENGINE.probe(_picture(1, quality=60)), _index(), 5)
        assert (hit.image_id, hit.certain) == (image.pk, True)


def _picture(seed: int, quality: int = 90):
    return picture(Image.open(io.BytesIO(encode(photo(seed), quality=quality))))


def _index():
    return live_index(ENGINE.name).fresh(60)
