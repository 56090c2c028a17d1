"""PyTorch as a gallery uses it: only where something is encoded, beside any torchvision, on the device of a setting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from search.encoders import pytorch
from search.encoders.pytorch import torch
from search.errors import EngineError, WeightsMissing

ROOT = Path(__file__).resolve().parents[2]


def run(program: str) -> list[str]:
    """What it prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


class TestTorchvision:
    def test_threads_load_it_once(self):
        """And calculate alone: batches are cut for threads of our own. torchvision can be imported then."""
        program = (
            "from concurrent.futures import ThreadPoolExecutor as P; from search.encoders.pytorch import torch;"
            "print(len(set(P(8).map(lambda _: torch(), range(8)))), torch().get_num_threads());"
            "print(P(1).submit(torch().get_num_threads).result()); import gc; gc.collect();"
            "import torchvision, timm; torchvision.transforms.Resize(4); print(timm.create_model('test_vit') is None)"
        )
        assert run(program) == ["1", "1", "1", "False"]

    def test_operators_that_are_there_are_left_alone(self):
        """As where torchvision and torch come from one build."""
        program = (
            "import torch; there = torch.library.Library('torchvision', 'DEF');"
            "there.define('nms(Tensor a) -> Tensor');"
            "from search.encoders import pytorch; pytorch.torch();"
            "print(pytorch._schemas, torch.ops.torchvision.nms.default._schema.arguments[0].name)"
        )
        assert run(program) == ["None", "a"]

    def test_without_torchvision_torch_works(self):
        program = (
            "import importlib.util as u; find = u.find_spec;"
            "from search.encoders import pytorch;"
            "pytorch.find_spec = lambda name: None if name == 'torchvision' else find(name);"
            "print(pytorch.torch().ones(2).sum().item())"
        )
        assert run(program) == ["2.0"]


class TestTheDevice:
    @pytest.fixture(autouse=True)
    def as_before(self, monkeypatch):
        monkeypatch.setattr(pytorch, "_device", "auto")

    def test_it_works(self):
        pytorch.configure("cpu")
        assert pytorch.device().type == "cpu"

    def test_auto_takes_a_gpu_if_there_is_one(self):
        assert pytorch.device().type == ("cuda" if torch().cuda.is_available() else "cpu")

    @pytest.mark.skipif("torch().cuda.is_available()")
    def test_a_gpu_that_is_not_there_is_a_sentence(self):
        pytorch.configure("cuda")
        with pytest.raises(WeightsMissing, match="finds no GPU here"):
            pytorch.device()

    def test_a_full_gpu_is_a_sentence(self):
        def fill() -> None:
            with pytorch.calculating(torch().device("cpu")):
                raise torch().OutOfMemoryError

        with pytest.raises(EngineError, match="memory of the GPU is full"):
            fill()

    @pytest.mark.parametrize(
        ("flags", "half"),
        [
            ("flags : fpu avx512f avx512_bf16 avx", True),
            ("flags : fpu amx_bf16", True),
            ("Features : fp asimd bf16 i8mm", True),
            ("flags : fpu avx2 avx512f", False),
        ],
    )
    def test_the_numbers_are_what_the_processor_is_good_at(self, flags, half, tmp_path, monkeypatch):
        (tmp_path / "cpuinfo").write_text(flags)
        monkeypatch.setattr(pytorch, "Path", lambda _: tmp_path / "cpuinfo")
        pytorch._has_halves.cache_clear()
        try:
            expected = torch().bfloat16 if half else torch().float32
            assert pytorch.numbers(torch().device("cpu")) == expected
        finally:
            pytorch._has_halves.cache_clear()
