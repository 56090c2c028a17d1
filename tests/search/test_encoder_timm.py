"""Backbones of timm, BEiT and VGG16: their encoders answer as timm does. Small ones, that have learned nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from search.encoders import beit, get_network, vgg16
from search.encoders._timm import FILE, TimmEncoder, _built
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


class TestBeit(ImageEncoderContract):
    MODEL = TINY_BEIT

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

    def test_it_handles_old_files(self, copied, file, encoder):
        """They hold what is calculated now."""
        index = torch().zeros(3, 3)
        change_weights(file, lambda state: state | {"blocks.0.attn.relative_position_index": index})
        assert np.array_equal(copied.encode([picture(1)]), encoder.encode([picture(1)]))


class TestVgg(TestBeit):
    MODEL = TINY_VGG

    def test_it_is_what_the_second_hidden_layer_says(self, encoder):
        assert encoder.dimension == 4096
        assert encoder.encode([picture(1)]).min() >= 0  # after its ReLU


class TestAnother(TestBeit):
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
        known = {name: value for name, value in encoder.known.items() if name not in ("dimension", "bytes")}
        assert known == {name: said[name] for name in known}
        with torch().device("meta"):
            whole = _built(encoder.backbone)
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

    def test_a_look_needs_no_torch(self, tmp_path):
        for name in ("beit/beit_base_patch16_224.in22k_ft_in22k", "vgg16/tv_in1k"):
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / FILE).write_bytes((2).to_bytes(8, "little") + b"{}")
        program = (
            "import sys; from pathlib import Path; from search.encoders import get_network;"
            "names = ('beit:beit_base_patch16_224.in22k_ft_in22k', 'vgg16:tv_in1k');"
            "of = [get_network(name, Path(sys.argv[1])) for name in names];"
            "[(n.files, n.look(), n.fingerprint(), n.dimension, n.side) for n in of]; print('torch' in sys.modules)"
        )
        run = subprocess.run(
            [sys.executable, "-c", program, tmp_path], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True
        )
        assert run.stdout.strip() == "False", run.stderr
