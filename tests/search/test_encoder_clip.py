"""CLIP's encoder, with small models that have learned nothing: it answers as open_clip itself does."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.encoders import _clip_towers, _open_clip_tags, clip, get_network, pytorch
from search.encoders._clip_words import tokens
from search.encoders.clip import CONFIG, FILE
from search.encoders.pytorch import torch
from search.errors import WeightsMissing
from tests.search.image_encoder_contract import SHAPES, TextEncoderContract, picture

ROOT = Path(__file__).resolve().parents[2]
ORDINARY = {
    "embed_dim": 48,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 96, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
RELATIVE = {  # a residual network, and squashed pictures
    "embed_dim": 48,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
LEVEL = 1 / 255 / 0.26
"""Of brightness."""
SQUASHED = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}


def save_model(folder: Path, model: dict, preprocess: dict) -> None:
    """As a model is published: a description and weights."""
    torch().manual_seed(1)
    from open_clip.model import CLIP
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(json.dumps({"model_cfg": model, "preprocess_cfg": preprocess}))
    state = CLIP(**model).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / FILE)


def theirs(folder: Path):
    """(model, transform, tokenizer) of open_clip for a folder of ours."""
    torch()
    import open_clip

    name = f"local-dir:{folder}"
    model, _, transform = open_clip.create_model_and_transforms(name)
    return model.eval(), transform, open_clip.get_tokenizer(name)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """models(name) -> (folder of weights, encoder, what open_clip makes of the same)."""

    @cache
    def models(name: str) -> tuple:
        folder = tmp_path_factory.mktemp("weights")
        model, preprocess = {"own/small": (ORDINARY, {}), "own/relative": (RELATIVE, SQUASHED)}[name]
        save_model(folder / f"clip/{name}", model, preprocess)
        return folder, clip.network(name, folder), theirs(folder / f"clip/{name}")

    return models


class AsOpenClip:
    MODEL: str

    @pytest.fixture
    def folder(self, models):
        return models(self.MODEL)[0]

    @pytest.fixture
    def encoder(self, models):
        return models(self.MODEL)[1]

    @pytest.fixture
    def open_clip(self, models):
        return models(self.MODEL)[2]

    @pytest.fixture
    def open_encoder(self):
        return lambda folder: clip.network(self.MODEL, folder)

    def test_it_sees_as_open_clip_does(self, encoder, open_clip):
        pictures = [picture(seed, *SHAPES[seed % 4]) for seed in range(8)]
        model, transform, _ = open_clip
        with torch().inference_mode():
            expected = model.encode_image(torch().stack([transform(p.pil()) for p in pictures]), normalize=True)
        assert np.einsum("ij,ij->i", encoder.encode(pictures), expected.numpy()).min() > 0.999

    def test_it_reads_as_open_clip_does(self, encoder, open_clip):
        texts = ["a dog running on the beach at sunset", "Ünïcode &amp; punctuation!!", "", "word " * 50]
        model, _, tokenizer = open_clip
        with torch().inference_mode():
            expected = model.encode_text(tokenizer(texts), normalize=True)
        assert np.einsum("ij,ij->i", encoder.encode_texts(texts), expected.numpy()).min() > 0.999

    @pytest.mark.parametrize("shape", [*SHAPES, (224, 224), (1000, 301), (37, 111), (2048, 3)])
    def test_it_prepares_pictures_as_open_clip_does(self, encoder, open_clip, shape):
        one = picture(3, *shape)
        ours, others = encoder._described().preparation(one), open_clip[1](one.pil()).numpy()
        if max(shape) <= 3 * min(shape) or encoder._described().preparation.mode == "squash":
            assert np.array_equal(ours, others)
        else:  # cut before it is enlarged: Pillow then rounds at another moment
            assert np.abs(ours - others).mean() < 0.5 * LEVEL
            assert np.abs(ours - others).max() < 8 * LEVEL


class TestARelative(AsOpenClip):
    """Which open_clip calculates."""

    MODEL = "own/relative"


class TestClip(AsOpenClip, TextEncoderContract):
    MODEL = "own/small"

    def test_a_file_of_torch_does_as_well(self, copied, encoder):
        from safetensors.torch import load_file

        file = copied.file
        state = load_file(file)
        file.unlink()
        torch().save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, _torch_file(copied))
        copied.look()
        assert np.array_equal(copied.encode([picture(1)]), encoder.encode([picture(1)]))

    def test_an_archive_is_read_through_once(self, copied, monkeypatch):
        """A page looks every few seconds."""
        copied.file.unlink()
        torch().save({"positional_embedding": torch().zeros(3)}, _torch_file(copied))
        reads, read = [], zipfile.ZipFile.testzip
        monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda archive: reads.append(archive) or read(archive))
        for _ in range(3):
            copied.look()
        assert len(reads) == 1
        _torch_file(copied).write_bytes(_torch_file(copied).read_bytes()[:-100])
        for _ in range(2):
            with pytest.raises(WeightsMissing, match="damaged"):
                copied.look()

    def test_it_never_executes_a_pickle(self, copied, tmp_path):
        copied.file.unlink()
        torch().save({"positional_embedding": Trap(tmp_path / "sprung")}, _torch_file(copied))
        assert "more than weights" in self.refused(copied)
        _torch_file(copied).write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), 2))
        assert "more than weights" in self.refused(copied)
        assert not (tmp_path / "sprung").exists()

    def test_it_rejects_a_torchscript_archive(self, copied):
        """OpenAI's own files are some."""
        copied.file.unlink()
        with zipfile.ZipFile(_torch_file(copied), "w") as archive:
            archive.writestr("archive/code/__torch__.py", "")
        assert "TorchScript" in self.refused(copied, looks=True)

    @pytest.mark.parametrize("config", ["", "[]", '{"model_cfg": {}}', '{"model_cfg": {"embed_dim": "x"}}', "\x00"])
    def test_it_rejects_a_bad_description(self, copied, config):
        (copied.folder / CONFIG).write_text(config)
        for ask in (copied.look, copied.fingerprint, copied.load, lambda: copied.encode_texts(["a dog"])):
            with pytest.raises(WeightsMissing, match="does not describe a model"):
                ask()


def _torch_file(encoder) -> Path:
    return encoder.folder / "open_clip_pytorch_model.bin"


class Trap:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


class TestNumbers:
    """Whatever the processor can."""

    def test_float32_is_open_clip_s(self, models, monkeypatch):
        """Kept in float16, calculated in float32: a processor without bfloat16."""
        monkeypatch.setattr(_clip_towers, "numbers", lambda device: torch().float32)
        monkeypatch.setattr(pytorch, "numbers", lambda device: torch().float32)
        folder, _, (model, transform, tokenizer) = models("own/small")
        encoder = clip.network("own/small", folder)
        with torch().inference_mode():
            seen = model.encode_image(transform(picture(1).pil())[None], normalize=True).numpy()
            read = model.encode_text(tokenizer(["a dog"]), normalize=True).numpy()
        assert (encoder.encode([picture(1)]) * seen).sum() > 0.999999
        assert (encoder.encode_texts(["a dog"]) * read).sum() > 0.999999

    def test_numbers_too_large_for_16_bits_stay_float32(self):
        tensor = torch().full((2, 2), 1e6)
        assert _clip_towers._kept(tensor, torch().float32, is_matrix=True).dtype == torch().float32
        assert _clip_towers._kept(tensor / 1e3, torch().float32, is_matrix=True).dtype == torch().float16


class TestWords:
    TEXTS = [
        "",
        "a photo of a cat",
        "It's we'll they've I'd",
        "<start_of_text> x <end_of_text>",
        "12 monkeys, 3,000.50 €",
        "naïve café Ⅷ ﬁne “quotes”",
        "日本語 русский עברית हिन्दी",
        "😀👩‍👩‍👧 &lt;b&gt; &amp;amp;",
        "antidisestablishmentarianism aaaaaaaaaaaa abababab",
        "tab\tnew\nline\x00nul",
        "long " * 100,
    ]

    @pytest.mark.parametrize("length", [77, 12, 3])
    def test_they_are_open_clip_s(self, length):
        torch()
        from open_clip.tokenizer import SimpleTokenizer

        expected = SimpleTokenizer(context_length=length)(self.TEXTS).numpy()
        assert np.array_equal(np.stack([tokens(text, length) for text in self.TEXTS]), expected)


class TestTheName:
    def test_it_works(self, tmp_path):
        encoder = get_network("clip:ViT-B-16/openai", tmp_path)
        (file,) = encoder.files
        assert file.path == "clip/ViT-B-16/openai/open_clip_model.safetensors"
        assert file.url == (
            "https://huggingface.co/timm/vit_base_patch16_clip_224.openai/resolve/main/open_clip_model.safetensors"
        )
        assert (encoder.dimension, encoder.side) == (512, 224)
        with pytest.raises(WeightsMissing) as error:
            encoder.look()
        assert str(tmp_path / file.path) in str(error.value)
        assert "timm/vit_base_patch16_clip_224.openai" in str(error.value)
        assert "manage.py weights fetch clip" in str(error.value)

    def test_what_is_known_of_tags_is_what_open_clip_says(self):
        torch()
        import open_clip

        table = _open_clip_tags._table()
        assert table["open_clip"] == open_clip.__version__, "see the head of search/encoders/_open_clip_tags.py"
        assert table == _open_clip_tags.asked()
        for model, tag in open_clip.list_pretrained():
            said = open_clip.get_pretrained_cfg(model, tag)
            for name, known in _open_clip_tags.pretrained(model, tag).items():
                assert said.get(name, False) == (tuple(known) if isinstance(known, list) else known)

    def test_another_tag_is_known(self, tmp_path):
        (file,) = clip.network("ViT-B-16-SigLIP/webli", tmp_path).files
        assert file.url == "https://huggingface.co/timm/ViT-B-16-SigLIP/resolve/main/open_clip_model.safetensors"
        preparation = clip.network("ViT-B-16-SigLIP/webli", tmp_path)._described().preparation
        assert (preparation.mode, preparation.mean) == ("squash", (0.5, 0.5, 0.5))

    def test_tags_without_quick_gelu_have_none(self, tmp_path):
        described = [clip.network(f"ViT-B-32/{tag}", tmp_path)._described().model for tag in ("openai", "laion2b_e16")]
        assert [model["quick_gelu"] for model in described] == [True, False]

    @pytest.mark.parametrize("model", ["", "ViT-B-16", "ViT-Z-99/openai", "../ViT-B-16/openai", "/"])
    def test_it_rejects_an_unknown_model(self, model, tmp_path):
        with pytest.raises(WeightsMissing):
            get_network(f"clip:{model}", tmp_path).look()

    def test_it_rejects_an_unknown_tag(self, tmp_path):
        with pytest.raises(WeightsMissing, match="It knows: openai"):
            _ = clip.network("ViT-B-16/nobody", tmp_path).files

    def test_one_s_own_does_not_tell_where_it_lies(self, tmp_path):
        assert clip.network(str(tmp_path / "secret/mine"), tmp_path).label == "CLIP mine"

    @pytest.mark.parametrize(
        "model", ["../x/openai", "a/../openai", "a//b", "a/", "//etc", "./a", "a\n/b", "a\0/b", "..", "\x1b[2J/x"]
    )
    @pytest.mark.parametrize("kind", ["clip", "beit", "blip"])
    def test_a_name_leads_nowhere_else(self, kind, model, tmp_path):
        with pytest.raises(WeightsMissing, match="is no name of a network") as error:
            get_network(f"{kind}:{model}", tmp_path)
        assert str(error.value).isprintable()


class TestMemory:
    """In processes of their own."""

    def run(self, program: str, *arguments: object) -> list[str]:
        program = f"import sys; from pathlib import Path; from search.encoders import get_network\n{program}"
        command = [sys.executable, "-c", program, *map(str, arguments)]
        run = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=300)
        assert run.returncode == 0, run.stderr
        return run.stdout.split()

    def test_a_look_needs_no_torch(self, tmp_path):
        save_model(tmp_path / "clip/own/small", ORDINARY, {})
        program = (
            "n = get_network('clip:own/small', Path(sys.argv[1])); n.look(); n.fingerprint(); n.dimension; n.side;"
            "d = get_network('clip:ViT-B-32/laion2b_s34b_b79k', Path(sys.argv[1])); d.files; d.dimension; d.side;"
            "print('torch' in sys.modules, 'open_clip' in sys.modules);"
            "n.encode_texts(['a dog']); print('torch' in sys.modules, 'open_clip' in sys.modules)"
        )
        assert self.run(program, tmp_path) == ["False", "False", "True", "False"]

    def test_resting_gives_it_back(self, tmp_path):
        """100 MB of weights come and go."""
        model = {**ORDINARY, "vision_cfg": {**ORDINARY["vision_cfg"], "width": 1024, "head_width": 64, "layers": 4}}
        save_model(tmp_path / "clip/own/large", model, {})
        program = (
            "import psutil; rss = lambda: psutil.Process().memory_info().rss // 2**20;"
            "from tests.search.image_encoder_contract import picture; p = [picture(1)];"
            "n = get_network('clip:own/large', Path(sys.argv[1])); n.encode(p); n.rest(); rested = rss();"
            "n.encode(p); loaded = rss(); weights = n.memory // 2**20; n.rest(); print(rested, loaded, weights, rss())"
        )
        rested, loaded, weights, again = map(int, self.run(program, tmp_path))
        assert weights > 90
        assert loaded - again > 0.9 * weights
        assert again < rested + 10

    def test_it_survives_forks(self, tmp_path):
        """Many: in 1 of 200 two threads met while torch made its pool of threads anew."""
        save_model(tmp_path / "clip/own/small", ORDINARY, {})
        program = """if True:
            import os
            from tests.search.image_encoder_contract import picture
            pictures = [picture(i, 64, 64) for i in range(16)]
            network = get_network("clip:own/small", Path(sys.argv[1]))
            before = network.encode(pictures)
            for _ in range(30):
                if not (child := os.fork()):
                    os._exit(not abs(network.encode(pictures) - before).max() < 1e-4)
                print(os.waitpid(child, 0)[1])
        """
        assert self.run(program, tmp_path) == ["0"] * 30


def test_a_large_picture_is_prepared_in_little_memory():
    preparation = clip.Preparation(224, (0.5,) * 3, (0.5,) * 3)
    assert preparation.square(Image.new("RGB", (20_000, 1))).size == (224, 224)
