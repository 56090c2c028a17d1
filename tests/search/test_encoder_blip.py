"""BLIP: a sentence about each picture, by a network whose files somebody has to bring."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gallery.pictures import Picture
from search.encoders.blip import Blip, network
from search.encoders.pytorch import torch
from search.errors import WeightsMissing
from tests.networks import small_blip as making
from tests.networks.scenes import UNSEEN, Scene, draw

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = Path("blip") / making.MODEL


def picture(scene: Scene, seed: int = 0) -> Picture:
    return Picture(np.ascontiguousarray(draw(scene, 1_000_000 + seed)), 256, 256, "PNG")


@pytest.fixture(scope="module")
def blip(small_blip) -> Blip:
    return network(making.MODEL, small_blip)


@pytest.fixture
def copied(small_blip, tmp_path) -> Path:
    """A folder with a copy of its files, to be altered."""
    shutil.copytree(small_blip / WEIGHTS, tmp_path / WEIGHTS)
    return tmp_path / WEIGHTS


class TestCaptions:
    def test_it_works(self, blip):
        ((sentence, confidence),) = blip.caption([picture(Scene("red", light="night"))])
        assert sentence == "a red thing at night"
        assert 0.3 < confidence <= 1

    def test_it_says_what_is_seen(self, blip):
        scenes = UNSEEN[::2]
        said = blip.caption([picture(scene, seed) for seed, scene in enumerate(scenes)])
        right = np.mean([text == making.sentence(scene) for (text, _), scene in zip(said, scenes, strict=True)])
        assert right > 0.8, said

    def test_confidence_is_the_geometric_mean_of_the_words(self, blip, small_blip):
        """Told by the network itself, word by word, of the finished sentence."""
        from transformers import BlipForConditionalGeneration

        one = picture(UNSEEN[5])
        ((text, confidence),) = blip.caption([one])
        plain = BlipForConditionalGeneration.from_pretrained(small_blip / WEIGHTS).eval()
        words = [making._VOCABULARY.index(word) for word in text.split()]
        line = torch().tensor([[making._DEC, *words, making._SEP]])
        with torch().inference_mode():
            seen = plain.vision_model(making._as_input([one.pil()]))[0]
            logits = plain.text_decoder(line, encoder_hidden_states=seen, is_decoder=True).logits[0, :-1]
        each = logits.log_softmax(1)[torch().arange(len(words) + 1), line[0, 1:]]
        assert confidence == pytest.approx(each.mean().exp().item(), abs=0.02)

    def test_more_beams_never_find_a_less_probable_sentence(self, small_blip):
        pictures = [picture(scene, seed) for seed, scene in enumerate(UNSEEN[:12])]
        one, three = network(making.MODEL, small_blip), network(making.MODEL, small_blip)
        one.beams = 1
        assert np.mean([p for _, p in three.caption(pictures)]) > np.mean([p for _, p in one.caption(pictures)]) - 0.01

    def test_what_else_is_in_the_batch_changes_nothing(self, blip):
        pictures = [picture(scene, seed) for seed, scene in enumerate(UNSEEN[:19])]
        at_once = blip.caption(pictures)
        for one, (text, confidence) in zip(pictures, at_once, strict=True):
            ((alone, sure),) = blip.caption([one])
            assert alone == text
            assert sure == pytest.approx(confidence, abs=0.02)

    @pytest.mark.parametrize("most", [1, 3])
    def test_a_sentence_ends_at_the_longest(self, small_blip, most):
        short = network(making.MODEL, small_blip)
        short.most_words = most
        ((text, _),) = short.caption([picture(Scene("blue"))])
        assert text == " ".join(["a", "blue", "thing", "by", "day"][:most])

    def test_it_handles_no_pictures(self, blip):
        assert blip.caption([]) == []

    @pytest.mark.parametrize(("width", "height"), [(1, 1), (300, 1), (1, 300)])
    def test_it_handles_any_size(self, blip, width, height):
        pixels = np.zeros((height, width, 3), np.uint8)
        ((text, confidence),) = blip.caption([Picture(pixels, width, height, "PNG")])
        assert text
        assert 0 < confidence <= 1

    def test_an_empty_sentence_is_told(self, tmp_path, caplog):
        """A network that begins every sentence with what is no word."""
        caplog.set_level(logging.WARNING, "search.encoders.blip")
        model = making.untrained()
        head = model.text_decoder.cls.predictions
        head.bias.data[:] = -100
        head.bias.data[0] = 100
        making.save(model, tmp_path / WEIGHTS)
        assert network(making.MODEL, tmp_path).caption([picture(Scene())]) == [("", 0.0)]
        assert "wrote nothing about 1 of 1 pictures" in caplog.text

    def test_it_reads_the_older_format(self, copied, blip):
        state = blip.read_part("captions").network.state_dict()
        (copied / "model.safetensors").unlink()
        torch().save(state, copied / "pytorch_model.bin")
        again = network(making.MODEL, copied.parents[2])
        assert again.files[0].path.endswith("pytorch_model.bin")
        assert again.caption([picture(Scene())])[0][0] == blip.caption([picture(Scene())])[0][0]

    def test_it_never_asks_the_network(self, small_blip, monkeypatch):
        def refuse(*_):
            raise AssertionError("it wanted to connect")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        network(making.MODEL, small_blip).load()


class TestMemory:
    def test_it_works(self, small_blip):
        blip = network(making.MODEL, small_blip)
        assert (blip.is_loaded, blip.memory) == (False, 0)
        blip.load()
        assert blip.is_loaded
        assert 100_000 < blip.memory < 4_000_000
        blip.rest()
        assert (blip.is_loaded, blip.memory) == (False, 0)
        assert blip.caption([picture(Scene())])[0][0]

    def test_looking_loads_no_torch(self, small_blip):
        program = (
            "import sys; from pathlib import Path; from search.encoders.blip import network;"
            "blip = network(sys.argv[1], Path(sys.argv[2])); blip.look(); blip.files; blip.fingerprint();"
            "print({'torch', 'transformers'} & set(sys.modules))"
        )
        run = [sys.executable, "-c", program, making.MODEL, small_blip]
        assert subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "set()\n"


class TestWeights:
    def refused(self, folder: Path, by_looking: bool = True) -> str:
        blip = network(making.MODEL, folder.parents[2])
        for ask in [blip.look, blip.fingerprint, blip.load] if by_looking else [blip.load]:
            with pytest.raises(WeightsMissing) as error:
                ask()
        assert str(folder) in str(error.value)
        assert "Hugging Face" in str(error.value)
        return str(error.value)

    def test_it_works(self, blip):
        blip.look()
        assert {file.url.rpartition("/")[2] for file in blip.files} == {
            "model.safetensors",
            "config.json",
            "preprocessor_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
        }

    def test_it_tells_where_the_default_comes_from(self, tmp_path):
        first = network("", tmp_path).files[0]
        assert first.path == "blip/Salesforce/blip-image-captioning-base/model.safetensors"
        assert (
            first.url == "https://huggingface.co/Salesforce/blip-image-captioning-base/resolve/main/model.safetensors"
        )

    @pytest.mark.parametrize(
        "name",
        ["model.safetensors", "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"],
    )
    def test_it_requires_each_file(self, copied, name):
        (copied / name).unlink()
        assert f"{name} is not there" in self.refused(copied)

    @pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json", "tokenizer.json"])
    def test_it_rejects_a_cut_file(self, copied, name):
        os.truncate(copied / name, (copied / name).stat().st_size // 2)
        assert "damaged" in self.refused(copied)

    @pytest.mark.parametrize("content", ["[]", '"blip"', "3"])
    def test_it_rejects_a_description_of_nothing(self, copied, content):
        (copied / "config.json").write_text(content)
        assert "does not describe" in self.refused(copied)

    def test_it_rejects_a_description_of_another_kind(self, copied):
        (copied / "config.json").write_text('{"model_type": "bert"}')
        assert "cannot be loaded" in self.refused(copied, by_looking=False)

    @pytest.mark.parametrize("options", [{"width": 32}, {"layers": 3}], ids=["another width", "more layers"])
    def test_it_rejects_the_weights_of_another_network(self, copied, options, tmp_path):
        making.save(making.untrained(**options), tmp_path / "other")
        shutil.copy(copied / "model.safetensors", tmp_path / "kept")
        shutil.copy(tmp_path / "other" / "config.json", copied / "config.json")
        assert "model.safetensors" in self.refused(copied, by_looking=False)

    def test_it_rejects_what_are_no_numbers(self, copied):
        model = making.untrained()
        model.text_decoder.cls.predictions.bias.data[3] = torch().nan
        making.save(model, copied)
        assert "no numbers" in self.refused(copied, by_looking=False)

    @pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
    def test_it_runs_no_program_of_a_model(self, copied, name):
        described = json.loads((copied / name).read_text())
        (copied / "own.py").write_text(f"open({str(copied / 'sprung')!r}, 'w')")
        auto = {
            "AutoModelForImageTextToText": "own.Own",
            "AutoTokenizer": ["own.Own", None],
            "AutoImageProcessor": "own.Own",
        }
        (copied / name).write_text(json.dumps(described | {"auto_map": auto}))
        assert "programs are not run" in self.refused(copied)
        assert not (copied / "sprung").exists()

    def test_it_never_executes_a_pickle(self, copied):
        (copied / "model.safetensors").unlink()
        torch().save({"weight": Trap(copied / "sprung")}, copied / "pytorch_model.bin")
        assert "cannot be loaded" in self.refused(copied, by_looking=False)
        assert not (copied / "sprung").exists()

    def test_its_fingerprint_is_of_everything(self, copied):
        blip = network(making.MODEL, copied.parents[2])
        seen = {blip.fingerprint()}
        blip.beams += 1
        seen.add(blip.fingerprint())
        for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
            (copied / name).write_text((copied / name).read_text() + " ")
            seen.add(blip.fingerprint())
        making.save(making.untrained(), copied)
        seen.add(blip.fingerprint())
        assert len(seen) == 6


class Trap:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_a_look_tells_another_network(copied):
    from safetensors.torch import load_file, save_file

    name = "vision_model.embeddings.class_embedding"
    file = copied / "model.safetensors"
    good = load_file(file)
    for others in ({"conv1.weight": good[name]}, good | {name: good[name][..., 1:].contiguous()}):
        save_file(others, file)
        with pytest.raises(WeightsMissing, match="of another network"):
            network(making.MODEL, copied.parents[len(WEIGHTS.parts) - 1]).look()


def test_one_s_own_does_not_tell_where_it_lies(tmp_path):
    assert network(str(tmp_path / "secret/mine"), tmp_path).label == "Captions by mine"
