"""torch, imported by the first network that is used and by nothing before it: it takes a second and 200 MB."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import threading
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.errors import EngineError, WeightsMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

_lock = threading.Lock()
_module: Any = None
_has_threads = False
"""Of this process, not of the one that it was forked from."""
_schemas: Any = None
"""torch forgets what was registered with the object that registered it."""
_device = "auto"

_TORCHVISION = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_HALVES = re.compile(r"\b(avx512_bf16|amx_bf16|bf16)\b")
"""In /proc/cpuinfo, on Intel, AMD and ARM. Without it bfloat16 is calculated by detours, slower than float32."""


def torch() -> Any:
    """The module, set to one thread a call.

    Its pool of threads is OpenMP's, which does not survive a fork (see search/threads.py), and whose threads wait for
    each other busily: on processors that others use too, two were ten times slower than one. Who has a batch cuts it
    into pieces for threads of his own (search/encoders/_batches.py).
    """
    global _module, _has_threads
    with _lock:
        if _module is None:
            # MKL keeps freed memory by thread, and its list of threads does not survive a fork: a child that calculates
            # bfloat16 may look for its own place in it for ever (seen in mm_account_ptr_by_tid).
            os.environ.setdefault("MKL_DISABLE_FAST_MM", "1")
            module = import_module("torch")
            _offer_torchvision(module)
            _module = module
        if not _has_threads:
            _module.set_num_threads(1)
            _has_threads = True
        return _module


def _forget_threads() -> None:
    """In a forked child the first call that calculates makes another pool of threads for torch, and a second call in
    that moment finds none ("Invalid thread pool!"): ``torch`` makes it, under its lock, which nobody holds here."""
    global _has_threads, _lock
    _has_threads, _lock = False, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def _offer_torchvision(module: Any) -> None:
    """torchvision cannot be imported where its own operators do not load, as those of a build for GPUs beside a build
    of torch for CPUs. No network here uses them, so that their names are enough."""
    global _schemas
    spec = find_spec("torchvision")
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in [*Path(folder).glob("_C*.so"), *Path(folder).glob("_C*.pyd")]:
            try:
                module.ops.load_library(str(file))  # what torchvision would do; twice does no harm
            except OSError:
                continue
    if not hasattr(module.ops.torchvision, "nms"):
        _schemas = module.library.Library("torchvision", "DEF")
        for schema in _TORCHVISION:
            _schemas.define(schema)


def configure(device: str) -> None:
    """Where networks calculate from their next loading on: "auto" (on a GPU if there is one), "cpu" or "cuda"."""
    global _device
    _device = device


def device() -> Any:
    """A torch.device. WeightsMissing if a GPU is demanded and there is none."""
    has_gpu = _device != "cpu" and torch().cuda.is_available()
    if _device == "cuda" and not has_gpu:
        raise WeightsMissing(
            "LOOKALIKE_DEVICE is “cuda”, but PyTorch finds no GPU here: install its build for your GPU and the driver, "
            "or set LOOKALIKE_DEVICE to “auto” or “cpu”."
        )
    return torch().device("cuda" if has_gpu else "cpu")


def numbers(device: Any) -> Any:
    """The dtype in which a network calculates fastest there, at cosines of 0.9999 to float32."""
    if device.type == "cuda":
        return torch().bfloat16 if torch().cuda.get_device_capability()[0] >= 8 else torch().float16
    return torch().bfloat16 if _has_halves() else torch().float32


@cache
def _has_halves() -> bool:
    try:
        return bool(_HALVES.search(Path("/proc/cpuinfo").read_text(errors="replace")))
    except OSError:
        return False


@contextmanager
def calculating(device: Any) -> Iterator[None]:
    """In the thread that calculates. EngineError if the GPU is full."""
    try:
        with torch().inference_mode(), torch().autocast(device.type, numbers(device), numbers(device).itemsize < 4):
            yield
    except torch().OutOfMemoryError as error:
        raise EngineError("The memory of the GPU is full: other programs use it too.") from error


def give_back() -> None:
    """Memory that nobody holds any more, to the system: by itself the C library would keep most of it."""
    gc.collect()
    if _module is not None and _module.cuda.is_available():
        _module.cuda.empty_cache()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # glibc only
        trim(0)
