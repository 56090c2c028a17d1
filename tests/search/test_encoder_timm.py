"""Backbones of timm, BEiT and VGG16: their encoders answer as timm does. Small ones, that have learned nothing."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from search.encoders import _timm_asked, beit, get_network, vgg16
from search.encoders._timm import FILE, TimmEncoder
from search.encoders._timm_asked import built as _built
from search.encoders._timm_asked import classifier
from search.encoders.pytorch import torch
from search.errors import WeightsMissing
from tests.search.image_encoder_contract import ImageEncoderContract, change_weights, picture

ROOT = Path(__file__).resolve().parents[2]
TINY_BEIT, TINY_VGG, OTHER = "tiny_beit.drawn", "tiny_vgg.drawn", "test_resnet.r160_in1k"


@cache
def timm():
    """With small models of the architectures, since its own take minutes and hundreds of megabytes."""
    torch()
    import timm
    from timm.models import register_model
    from timm.models.beit import Beit
    from timm.models.vgg import VGG

    def tiny_beit(pretrained=False, **options):
        return Beit(img_size=64, embed_dim=48, depth=2, num_heads=2, use_rel_pos_bias=True, init_values=0.1, **options)

    def tiny_vgg(pretrained=False, **options):
        return VGG([8, "M", 16, "M"], mlp_ratio=1 / 128, **options)

    for name, build in ((TINY_BEIT, tiny_beit), (TINY_VGG, tiny_vgg)):
        sys.modules[__name__].default_cfgs = timm.models.generate_default_cfgs({name: _cfg(name)})

        def create(
            pretrained=False, pretrained_cfg=None, pretrained_cfg_overlay=None, cache_dir=None, *, _b=build, **o
        ):
            network = _b(**o)
            network.default_cfg = network.pretrained_cfg = {"classifier": _cfg("")["classifier"]}
            return network

        create.__name__ = name.split(".")[0]
        register_model(create)
    return timm


def _cfg(name: str) -> dict:
    said = {
        "input_size": (3, 64, 64),
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "mean": (0.5,) * 3,
        "std": (0.4,) * 3,
    }
    return said | {"num_classes": 1000, "classifier": ("head", "head.fc")}


def save_model(folder: Path, name: str) -> None:
    """All of it, as it is published: with the layer that names things."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    torch().manual_seed(3)
    state = timm().create_model(name, num_classes=10).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / FILE)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """models(name) -> (folder of weights, encoder)."""

    @cache
    def models(name: str) -> tuple[Path, TimmEncoder]:
        timm()
        folder = tmp_path_factory.mktemp("weights")
        save_model(folder / f"beit/{name}", name)
        return folder, beit.network(name, folder)

    return models


class AsTimm:
    MODEL: str

    @pytest.fixture
    def folder(self, models):
        return models(self.MODEL)[0]

    @pytest.fixture
    def encoder(self, models):
        return models(self.MODEL)[1]

    @pytest.fixture
    def open_encoder(self):
        return lambda folder: beit.network(self.MODEL, folder)

    def test_it_answers_as_timm_does(self, encoder):
        from safetensors.torch import load_file
        from timm.data import create_transform, resolve_data_config

        network = timm().create_model(self.MODEL, num_classes=10).eval()
        network.load_state_dict(load_file(encoder.file))
        network.reset_classifier(0)
        said = timm().get_pretrained_cfg(self.MODEL).to_dict()
        transform = create_transform(**resolve_data_config(pretrained_cfg=said))
        pictures = [picture(seed, *shape) for seed, shape in enumerate([(320, 240), (100, 240), (64, 64), (33, 21)])]
        for one in pictures:
            assert np.array_equal(encoder._preparation()(one), transform(one.pil()).numpy())
        with torch().inference_mode():
            expected = network(torch().stack([transform(one.pil()) for one in pictures])).numpy()
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        assert np.einsum("ij,ij->i", encoder.encode(pictures), expected).min() > 0.999


class TestBeit(AsTimm, ImageEncoderContract):
    MODEL = TINY_BEIT

    def test_it_handles_old_files(self, copied, file, encoder):
        """They hold what is calculated now."""
        index = torch().zeros(3, 3)
        change_weights(file, lambda state: state | {"blocks.0.attn.relative_position_index": index})
        assert np.array_equal(copied.encode([picture(1)]), encoder.encode([picture(1)]))


class TestVgg(AsTimm):
    MODEL = TINY_VGG

    def test_it_is_what_the_second_hidden_layer_says(self, encoder):
        assert encoder.dimension == 4096
        assert encoder.encode([picture(1)]).min() >= 0  # after its ReLU


class TestAnother(AsTimm):
    """Any of timm's."""

    MODEL = OTHER


class TestTheName:
    @pytest.mark.parametrize(
        ("name", "backbone", "bytes"),
        [
            ("beit:beit_base_patch16_224.in22k_ft_in22k", "beit_base_patch16_224.in22k_ft_in22k", 410_000_000),
            ("vgg16:tv_in1k", "vgg16.tv_in1k", 553_000_000),
        ],
    )
    def test_it_works(self, name, backbone, bytes, tmp_path):
        encoder = get_network(name, tmp_path)
        (file,) = encoder.files
        assert file.path == f"{name.replace(':', '/')}/model.safetensors"
        assert file.url == f"https://huggingface.co/timm/{backbone}/resolve/main/model.safetensors"
        assert file.bytes == bytes
        with pytest.raises(WeightsMissing) as error:
            encoder.look()
        assert str(tmp_path / file.path) in str(error.value)
        assert f"timm/{backbone}" in str(error.value)

    @pytest.mark.parametrize("network", [beit, vgg16])
    def test_what_is_known_is_what_timm_says(self, network, tmp_path):
        encoder = network.network("", tmp_path)
        said = timm().get_pretrained_cfg(encoder.backbone).to_dict()
        ours = ("dimension", "bytes", "shapes", "classifier")
        known = {name: value for name, value in encoder.known.items() if name not in ours}
        assert known == {name: said[name] for name in known}
        with torch().device("meta"):
            whole = _built(encoder.backbone)
            assert encoder.known["shapes"] == {name: tuple(part.shape) for name, part in whole.state_dict().items()}
            assert encoder.known["classifier"] == classifier(whole)
            assert whole(torch().empty(1, *said["input_size"])).shape == (1, encoder.dimension)
            named = timm().create_model(encoder.backbone)
        assert 4 * sum(weight.numel() for weight in named.parameters()) == pytest.approx(
            encoder.known["bytes"], rel=0.01
        )

    def test_vgg16_ends_with_the_relu_of_fc2(self):
        with torch().device("meta"):
            network = _built("vgg16.tv_in1k")
        layers = [name for name, part in network.named_modules() if not list(part.children())]
        assert [name for name in layers if "pre_logits" in name][-2:] == ["pre_logits.fc2", "pre_logits.act2"]

    def test_it_rejects_an_unknown_backbone(self, tmp_path):
        with pytest.raises(WeightsMissing, match=r"timm knows no backbone|timm cannot build"):
            _ = get_network("beit:beast.in22k", tmp_path).dimension

    @pytest.mark.parametrize("name", ["beit:", "vgg16:"])
    def test_a_look_tells_another_network(self, name, tmp_path):
        encoder = get_network(name, tmp_path)
        shapes = encoder.known["shapes"]
        first = next(iter(shapes))
        write_header(encoder.file, shapes | {f"{encoder.known['classifier'][0]}.weight": (10, encoder.dimension)})
        encoder.look()
        for others in (
            {},
            {"conv1.weight": (64, 3, 7, 7)},
            shapes | {first: (1, *shapes[first])},
            shapes | {"another": (1,)},
        ):
            write_header(encoder.file, others)
            with pytest.raises(WeightsMissing, match="of another network"):
                encoder.look()


class TestAsking:
    """timm itself, in a process of its own."""

    NAME = "beit:test_vit.r160_in1k"

    @pytest.fixture
    def forgotten(self, monkeypatch):
        monkeypatch.setattr(_timm_asked, "_said", {})
        monkeypatch.delitem(sys.modules, "timm", raising=False)

    def test_it_works(self, tmp_path, forgotten, monkeypatch):
        encoder = beit.network(self.NAME.partition(":")[2], tmp_path)
        encoder.folder.mkdir(parents=True)
        assert (encoder.dimension, encoder.side) == (64, 168)
        _timm_asked._said.clear()
        monkeypatch.setattr(subprocess, "run", None)  # the answer lies beside the weights
        assert (encoder.dimension, encoder.side) == (64, 168)
        assert [file.name for file in encoder.folder.iterdir()] == [_timm_asked.FILE]
        write_header(encoder.file, {"conv1.weight": (64, 3, 7, 7)})
        with pytest.raises(WeightsMissing, match="of another network"):
            encoder.look()

    @pytest.mark.parametrize("kept", ["", "[]", '{"timm": "0.1", "backbone": "test_vit.r160_in1k", "said": {}}'])
    def test_what_is_kept_of_another_timm_is_not_believed(self, kept, tmp_path, forgotten):
        (tmp_path / _timm_asked.FILE).write_text(kept)
        assert _timm_asked.told("test_vit.r160_in1k", tmp_path) is None

    def test_nobody_who_looks_needs_torch(self, tmp_path):
        """Whatever the names are, the system checks among them."""
        for name, shapes in (
            ("beit/beit_base_patch16_224.in22k_ft_in22k", beit.network("", tmp_path).known["shapes"]),
            ("beit/vit_small_patch16_224.augreg_in21k", {}),
            ("vgg16/tv_in1k", vgg16.network("", tmp_path).known["shapes"]),
        ):
            write_header(tmp_path / name / FILE, shapes)
        program = (
            "import sys, django; from pathlib import Path; from search.encoders import get_network; django.setup();"
            "from django.core.checks import run_checks; run_checks(); from django.conf import settings;"
            "other, clip = 'beit:vit_small_patch16_224.augreg_in21k', 'clip:ViT-B-32/laion2b_s34b_b79k';"
            "assert settings.NETWORKS['clip'] == [clip] and settings.NETWORKS['global_features'][0] == other;"
            "names = ('beit:beit_base_patch16_224.in22k_ft_in22k', 'vgg16:tv_in1k', other);"
            "of = [get_network(name, Path(sys.argv[1])) for name in names];"
            "print(*[(n.look(), n.files, n.fingerprint(), n.side)[3] for n in of], *[n.dimension for n in of]);"
            "n = get_network(clip, Path(sys.argv[1])); print(n.files[0].url, n.dimension, n.side);"
            "print({'torch', 'open_clip', 'timm'} & {*sys.modules})"
        )
        asked = {
            "DJANGO_SETTINGS_MODULE": "gallery.settings",
            "LOOKALIKE_WEIGHTS": str(tmp_path),
            "LOOKALIKE_CLIP": "ViT-B-32/laion2b_s34b_b79k",
            "LOOKALIKE_GLOBAL_FEATURES": "beit:vit_small_patch16_224.augreg_in21k",
        }
        run = subprocess.run(
            [sys.executable, "-c", program, tmp_path], cwd=ROOT, env=os.environ | asked, capture_output=True, text=True
        )
        assert run.stdout.splitlines() == [
            "248 256 248 768 4096 384",
            "https://huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K/resolve/main/open_clip_model.safetensors"
            " 512 224",
            "set()",
        ], run.stderr


def write_header(file: Path, shapes: dict) -> None:
    """A file of these shapes, and nothing but zeros."""
    described, end = {}, 0
    for name, shape in shapes.items():
        described[name] = {"dtype": "U8", "shape": shape, "data_offsets": [end, end + math.prod(shape)]}
        end += math.prod(shape)
    header = json.dumps(described).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(file, 8 + len(header) + end)
