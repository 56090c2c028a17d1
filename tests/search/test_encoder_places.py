"""Places365: what kind of place a picture shows, by networks and lists that somebody has to bring.

The networks of these tests have learned nothing, so that they are only compared with what they should calculate.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gallery.pictures import Picture
from search.encoders.places import Places, network
from search.encoders.pytorch import torch
from search.errors import WeightsMissing
from tests.networks import tiny
from tests.pictures import photo

ROOT = Path(__file__).resolve().parents[2]
KINDS = 40
RESNET, LISTS = "resnet50_places365.pth.tar", ["categories_places365.txt", "IO_places365.txt"]
WIDE = "wideresnet18_places365.pth.tar"


def picture(image: Image.Image) -> Picture:
    return Picture(np.ascontiguousarray(image), *image.size, "PNG")


PICTURES = [picture(photo(seed)) for seed in range(3)]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, object]:
    """A folder of weights with the ordinary files, and the network."""
    folder = tmp_path_factory.mktemp("weights")
    return folder, tiny.places(folder / "places")


@pytest.fixture(scope="module")
def places(made) -> Places:
    return network("resnet50", made[0])


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """The files of a smaller network, which are quickly copied, with those for attributes."""
    folder = tmp_path_factory.mktemp("weights")
    tiny.places(folder / "places", "resnet18", kinds=KINDS)
    tiny.places_network(folder / "places", "wideresnet18", seed=1, kinds=KINDS)
    tiny.places_attributes(folder / "places")
    return folder


@pytest.fixture
def copied(small, tmp_path) -> Path:
    shutil.copytree(small / "places", tmp_path / "places")
    return tmp_path / "places"


def prepared(image: Image.Image):
    """As the authors prepare it, by torchvision (run_placesCNN_basic.py)."""
    torch()
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )(image)[None]


class TestCategories:
    def test_it_works(self, places):
        rows = places.classify(PICTURES)
        assert rows.shape == (3, 365)
        assert rows.dtype == np.float32
        assert rows.sum(1) == pytest.approx(1, abs=1e-4)
        assert rows.min() >= 0

    def test_it_is_the_resnet_of_torchvision(self, made, places):
        torch()
        from torchvision.models import resnet50

        theirs = resnet50(num_classes=365)
        theirs.load_state_dict(made[1].state_dict())
        with torch().inference_mode():
            expected = theirs.eval()(prepared(photo(1))).softmax(1)[0].numpy()
        (told,) = places.classify(PICTURES[1:2])
        assert np.corrcoef(told, expected)[0, 1] > 0.99
        assert np.abs(told - expected).max() < 0.03 * expected.max() + 1e-4

    def test_names_are_words(self, places):
        assert places.names[:5] == [
            "airfield",
            "airplane cabin",
            "apartment building outdoor",
            "church indoor",
            "church outdoor",
        ]
        assert len(places.names) == 365

    def test_what_else_is_in_the_batch_changes_nothing(self, places):
        alone = np.concatenate([places.classify([one]) for one in PICTURES])
        assert np.abs(alone - places.classify(PICTURES)).max() < 0.02 * alone.max()

    def test_it_handles_no_pictures(self, places):
        assert places.classify([]).shape == (0, 365)
        assert places.see([]) == []

    @pytest.mark.parametrize("size", [(1, 1), (2000, 1), (1, 2000)])
    def test_it_handles_any_size(self, small, size):
        assert network("resnet18", small).classify([picture(Image.new("RGB", size))]).shape == (1, KINDS)


class TestOutdoors:
    @pytest.mark.parametrize("voters", [0, 1, 5, 10])
    def test_it_works(self, places, lists, voters):
        """The likeliest ten vote, whatever all the others are; the order of the list is no matter."""
        (told,) = places.classify(PICTURES[:1])
        likeliest = np.argsort(-told)[:10]
        outdoors = {*range(365)} - {*likeliest[voters:]}
        categories = (lists / "categories_places365.txt").read_text().split()[::2]
        flags = [f"{name} {2 if i in outdoors else 1}\n" for i, name in enumerate(categories)]
        (lists / "IO_places365.txt").write_text("".join(reversed(flags)))
        (seen,) = network("resnet50", lists.parent).see(PICTURES[:1])
        assert seen.outdoors == pytest.approx(voters / 10)
        assert np.allclose(seen.confidences, told, atol=1e-6)

    @pytest.fixture
    def lists(self, made, tmp_path) -> Path:
        """A folder with the ordinary network, and lists to be altered."""
        (tmp_path / "places").mkdir()
        for name in LISTS:
            shutil.copy(made[0] / "places" / name, tmp_path / "places" / name)
        (tmp_path / "places" / RESNET).symlink_to(made[0] / "places" / RESNET)
        return tmp_path / "places"


class TestAttributes:
    def test_it_works(self, small):
        """Names and scores are those of the matrix and the other network's last features."""
        seen = network("resnet18", small).see(PICTURES[:1])
        wide = tiny.places_network(small, "wideresnet18", seed=1, kinds=KINDS)
        for one, image in zip(seen, [photo(0)], strict=True):
            with torch().inference_mode():
                features = wide.forward_features(prepared(image)).mean((2, 3))[0].numpy()
            said = tiny.places_attributes(small) @ features
            assert dict(one.attributes) == pytest.approx(
                dict(zip(tiny.ATTRIBUTES, 1 / (1 + np.exp(-said)), strict=True)), abs=0.02
            )
            scores = [score for _, score in one.attributes]
            assert scores == sorted(scores, reverse=True)

    def test_the_network_of_the_matrix_tells_categories_too(self, small):
        places = network("wideresnet18", small)
        (seen,) = places.see(PICTURES[:1])
        assert np.allclose(seen.confidences, places.classify(PICTURES[:1])[0], atol=1e-4)
        assert {name for name, _ in seen.attributes} == set(tiny.ATTRIBUTES)

    def test_there_are_none_without_their_files(self, places):
        places.look()
        assert places.attribute_names == []
        assert places.see(PICTURES[:1])[0].attributes == []

    @pytest.mark.parametrize("shape", [(4, 2048), (5, 512), (4,)])
    def test_a_matrix_of_another_network_is_refused(self, copied, shape):
        np.save(copied / "W_sceneattribute_wideresnet18.npy", np.zeros(shape))
        with pytest.raises(WeightsMissing, match="no matrix of 4 attributes x 512 features"):
            network("resnet18", copied.parent).look()

    def test_a_matrix_is_never_executed(self, copied):
        np.save(copied / "W_sceneattribute_wideresnet18.npy", np.array([Trap(copied / "sprung")]), allow_pickle=True)
        with pytest.raises(WeightsMissing, match="holds no matrix"):
            network("resnet18", copied.parent).look()
        assert not (copied / "sprung").exists()


class TestMemory:
    def test_it_works(self, small):
        places = network("resnet18", small)
        assert (places.is_loaded, places.memory) == (False, 0)
        places.load()
        assert places.is_loaded
        assert 20_000_000 < places.memory < 50_000_000
        places.rest()
        assert (places.is_loaded, places.memory) == (False, 0)
        assert len(places.classify(PICTURES[:1])) == 1

    def test_looking_loads_no_torch(self, small):
        program = (
            "import sys; from pathlib import Path; from search.encoders.places import network;"
            "places = network('resnet18', Path(sys.argv[1])); places.look(); places.names; places.fingerprint();"
            "print({'torch', 'timm'} & set(sys.modules))"
        )
        run = [sys.executable, "-c", program, small]
        assert subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "set()\n"


class TestWeights:
    def refused(self, folder: Path, by_looking: bool = True) -> str:
        places = network("resnet18", folder.parent)
        for ask in [places.look, places.fingerprint, places.load] if by_looking else [places.load]:
            with pytest.raises(WeightsMissing) as error:
                ask()
        assert str(folder) in str(error.value)
        assert "places2.csail.mit.edu" in str(error.value)
        return str(error.value)

    def test_it_works(self, places):
        places.look()
        urls = {file.url for file in places.files}
        assert f"http://places2.csail.mit.edu/models_places365/{RESNET}" in urls
        assert {f"https://raw.githubusercontent.com/csailvision/places365/master/{name}" for name in LISTS} < urls

    def test_it_rejects_a_model_that_does_not_exist(self, tmp_path):
        with pytest.raises(WeightsMissing, match="There are: resnet18, resnet50"):
            network("vgg16", tmp_path)

    @pytest.mark.parametrize("name", ["resnet18_places365.pth.tar", *LISTS])
    def test_it_requires_each_file(self, copied, name):
        (copied / name).unlink()
        assert f"{name} is not there" in self.refused(copied)

    @pytest.mark.parametrize("lines", ["", "airfield\n", "/a/airfield 0 1\n", "/a/airfield one\n", "/a/airfield 7\n"])
    @pytest.mark.parametrize("name", LISTS)
    def test_it_rejects_a_list_of_something_else(self, copied, name, lines):
        (copied / name).write_text(lines)
        assert name in self.refused(copied)

    def test_it_rejects_a_list_that_is_no_text(self, copied):
        (copied / LISTS[0]).write_bytes(b"\xff\xfe\x00")
        assert "no text" in self.refused(copied)

    def test_it_rejects_a_cut_list(self, copied):
        lines = (copied / LISTS[0]).read_text().splitlines()[:-1]
        for name in LISTS:
            rest = "\n".join((copied / name).read_text().splitlines()[: len(lines)])
            (copied / name).write_text(rest)
        assert "another network" in self.refused(copied, by_looking=False)

    @pytest.mark.parametrize("kept", [0, 0.5, 0.999])
    def test_it_rejects_a_cut_file(self, copied, kept):
        file = copied / "resnet18_places365.pth.tar"
        os.truncate(file, int(kept * file.stat().st_size))
        assert "damaged" in self.refused(copied, by_looking=kept == 0)

    def test_it_rejects_the_weights_of_another_network(self, copied):
        shutil.copy(copied / WIDE, copied / "spare")
        tiny.places_network(copied, "resnet50", kinds=KINDS).state_dict()
        (copied / RESNET).rename(copied / "resnet18_places365.pth.tar")
        assert "another network" in self.refused(copied, by_looking=False)

    def test_it_never_executes_a_pickle(self, copied):
        file = copied / "resnet18_places365.pth.tar"
        file.write_bytes(pickle.dumps({"state_dict": Trap(copied / "sprung")}, 2))
        assert "damaged" in self.refused(copied, by_looking=False)
        assert not (copied / "sprung").exists()

    def test_its_fingerprint_is_of_everything(self, copied):
        places = network("resnet18", copied.parent)
        seen = {places.fingerprint()}
        for name in (*LISTS, "labels_sunattribute.txt", "resnet18_places365.pth.tar", WIDE):
            with (copied / name).open("ab") as file:
                file.write(b"\n")
            seen.add(places.fingerprint())
        (copied / WIDE).unlink()
        seen.add(places.fingerprint())
        assert len(seen) == 7


class Trap:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)
