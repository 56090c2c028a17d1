"""What every encoder of whole pictures has to do. A test file of one inherits from ImageEncoderContract, or from
TextEncoderContract, and makes real weights for it: small, and of a network that has learned nothing."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import search.encoders
from gallery.pictures import Picture
from search.encoders import _resting, pytorch
from search.encoders._base import Encoder, TextEncoder
from search.errors import WeightsMissing
from tests.pictures import photo

SHAPES = [(320, 240), (240, 320), (64, 64), (30, 20), (7, 300), (900, 100), (1, 1)]
ROUNDING = 3e-2
"""Between two ways to calculate in 16 bits: the length of the difference of two vectors of length 1."""


def picture(seed: int, width: int = 320, height: int = 240) -> Picture:
    return Picture(
        np.asarray(photo(seed, max(width, 16), max(height, 16)))[:height, :width].copy(), width, height, "PNG"
    )


def change_weights(file: Path, change: Callable[[dict], dict]) -> None:
    from safetensors.torch import load_file, save_file

    save_file({name: tensor.contiguous() for name, tensor in change(load_file(file)).items()}, file)


def without_first(state: dict) -> dict:
    return dict(sorted(state.items())[1:])


def with_another(state: dict) -> dict:
    return state | {"another": next(iter(state.values())).clone()}


def with_another_shape(state: dict) -> dict:
    name = max(state, key=lambda name: state[name].ndim)
    return state | {name: state[name].unsqueeze(0)}


def other_numbers(state: dict) -> dict:
    """Of the same shapes, so that the file has the same length."""
    return {name: tensor.roll(1, 0) if tensor.ndim else tensor for name, tensor in state.items()}


def with_no_number(state: dict) -> dict:
    for tensor in state.values():
        if tensor.is_floating_point() and tensor.ndim:
            tensor[...] = float("nan")
    return state


class ImageEncoderContract:
    @pytest.fixture
    def encoder(self) -> Encoder:
        """With good weights, not loaded."""
        raise NotImplementedError

    @pytest.fixture
    def open_encoder(self) -> Callable[[Path], Encoder]:
        """open_encoder(folder of all weights): another of the same."""
        raise NotImplementedError

    @pytest.fixture
    def folder(self) -> Path:
        """That of the weights of ``encoder``."""
        raise NotImplementedError

    @pytest.fixture
    def copied(self, folder, open_encoder, tmp_path) -> Encoder:
        """One whose weights may be damaged."""
        shutil.copytree(folder, tmp_path / "weights")
        return open_encoder(tmp_path / "weights")

    @pytest.fixture
    def file(self, copied) -> Path:
        return copied.file

    def test_it_works(self, encoder):
        vectors = encoder.encode([picture(seed) for seed in range(3)])
        assert (vectors.shape, vectors.dtype) == ((3, encoder.dimension), np.float32)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(vectors[0] - vectors[1]) > 0

    def test_it_is_named(self, encoder):
        kind, _, model = encoder.name.partition(":")
        assert kind in search.encoders.kinds()
        assert model
        assert encoder.label
        assert all(file.path.startswith(f"{kind}/") and ".." not in file.path for file in encoder.files)

    def test_it_is_deterministic(self, encoder):
        assert np.array_equal(encoder.encode([picture(1)]), encoder.encode([picture(1)]))

    def test_the_batch_changes_nothing(self, encoder):
        """Beyond rounding, which must be far less than what lies between pictures."""
        pictures = [picture(seed, *SHAPES[seed % 4]) for seed in range(19)]
        together, alone = encoder.encode(pictures), np.concatenate([encoder.encode([one]) for one in pictures])
        assert np.linalg.norm(together - alone, axis=1).max() < ROUNDING

    def test_it_handles_no_pictures(self, encoder):
        assert encoder.encode([]).shape == (0, encoder.dimension)

    def test_it_handles_any_shape(self, encoder):
        vectors = encoder.encode([picture(1, *shape) for shape in SHAPES])
        assert np.isfinite(vectors).all()

    def test_it_handles_threads(self, encoder):
        pictures = [picture(seed) for seed in range(6)]
        with ThreadPoolExecutor(6) as threads:
            at_once = list(threads.map(lambda one: encoder.encode([one])[0], pictures))
        assert all(np.array_equal(one, encoder.encode([p])[0]) for one, p in zip(at_once, pictures, strict=True))

    def test_threads_load_it_once(self, copied, monkeypatch):
        reads, read = [], copied.read_part
        monkeypatch.setattr(copied, "read_part", lambda name: reads.append(name) or read(name))
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda seed: copied.encode([picture(seed)]), range(4)))
        assert len(reads) == 1

    def test_it_loads_by_the_first_question(self, copied):
        copied.look()
        assert len(copied.fingerprint()) == 64
        assert not copied.is_loaded
        assert copied.memory == 0
        copied.encode([picture(1)])
        assert copied.is_loaded
        assert copied.memory > 0

    def test_it_rests_and_comes_back(self, copied):
        before = copied.encode([picture(1)])
        copied.rest()
        assert not copied.is_loaded
        assert copied.memory == 0
        assert np.array_equal(copied.encode([picture(1)]), before)

    def test_it_rests_by_itself(self, copied, monkeypatch):
        monkeypatch.setattr(_resting, "_idle_seconds", 600.0)  # set back afterwards
        copied.load()
        search.encoders.configure("auto", 0.1 / 60)
        end = time.monotonic() + 120
        while copied.is_loaded and time.monotonic() < end:
            time.sleep(0.02)
        assert not copied.is_loaded

    def test_a_question_in_flight_is_not_cut(self, copied):
        asked, may_go = threading.Event(), threading.Event()

        def work(part):
            asked.set()
            assert may_go.wait(120)
            return part.bytes

        name = "pictures" if isinstance(copied, TextEncoder) else "seen"
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(copied.ask, name, work)
            assert asked.wait(120)
            assert copied.seconds_left(0.01) > 0  # it is not idle
            copied.rest()
            may_go.set()
            assert answer.result() > 0
        assert not copied.is_loaded

    def test_the_fingerprint_is_of_the_weights(self, encoder, copied, file):
        assert copied.fingerprint() == encoder.fingerprint()
        change_weights(file, lambda state: {name: tensor * 2 for name, tensor in state.items()})
        assert copied.fingerprint() != encoder.fingerprint()

    def test_weights_that_are_replaced_are_read_again(self, encoder, copied, file):
        before = copied.encode([picture(1)])
        assert copied.loaded_fingerprint() == encoder.fingerprint()
        change_weights(file, other_numbers)
        assert copied.loaded_fingerprint() == ""  # what is in memory is no file's any more
        after = copied.encode([picture(1)])
        assert not np.array_equal(before, after)
        assert copied.loaded_fingerprint() == copied.fingerprint() != encoder.fingerprint()
        copied.rest()
        assert copied.loaded_fingerprint() == ""
        assert np.array_equal(copied.encode([picture(1)]), after)

    def test_weights_that_change_while_they_are_read_are_refused(self, copied, file, monkeypatch):
        read = copied.read_part

        def replaced_meanwhile(name):
            part = read(name)
            change_weights(file, other_numbers)
            return part

        monkeypatch.setattr(copied, "read_part", replaced_meanwhile)
        with pytest.raises(WeightsMissing, match="changed while they were read"):
            copied.encode([picture(1)])
        assert not copied.is_loaded
        monkeypatch.undo()
        assert len(copied.encode([picture(1)])) == 1

    def test_a_gpu_that_is_not_there_is_a_sentence(self, copied, monkeypatch):
        if pytorch.torch().cuda.is_available():
            pytest.skip("there is one")
        monkeypatch.setattr(pytorch, "_device", "cuda")
        with pytest.raises(WeightsMissing, match="finds no GPU here"):
            copied.encode([picture(1)])

    # --- weights that are none
    def refused(self, encoder: Encoder, looks: bool = False) -> str:
        """The sentence: of the question, and of a look where that can tell."""
        with pytest.raises(WeightsMissing) as error:
            encoder.encode([picture(1)])
        assert not encoder.is_loaded
        sentence = str(error.value)
        assert str(encoder.file.parent) in sentence
        assert "To mend it, copy" in sentence
        if looks:
            with pytest.raises(WeightsMissing):
                encoder.look()
        return sentence

    def test_it_says_what_is_missing(self, copied, file):
        file.unlink()
        assert "is not there" in self.refused(copied, looks=True)
        with pytest.raises(WeightsMissing, match="is not there"):
            copied.fingerprint()

    def test_weights_that_come_later_are_used(self, copied, file):
        away = file.rename(file.with_name("away"))
        self.refused(copied)
        away.rename(file)
        assert len(copied.encode([picture(1)])) == 1

    @pytest.mark.parametrize("kept", [0, 4, 100, -1])
    def test_it_rejects_cut_weights(self, copied, file, kept):
        file.write_bytes(file.read_bytes()[:kept])
        assert "damaged" in self.refused(copied, looks=True)

    @pytest.mark.parametrize(
        "foreign", [b"<!DOCTYPE html><p>Not found", b"version https://git-lfs", b"\x02" + b"\0" * 7 + b"[]"]
    )
    def test_it_rejects_something_else(self, copied, file, foreign):
        file.write_bytes(foreign)
        assert "holds no weights" in self.refused(copied, looks=True)

    def test_it_rejects_a_folder_in_their_place(self, copied, file):
        file.unlink()
        file.mkdir()
        assert "cannot be read" in self.refused(copied, looks=True)

    @pytest.mark.parametrize("change", [without_first, with_another, with_another_shape])
    def test_it_rejects_those_of_another_network(self, copied, file, change):
        change_weights(file, change)
        assert "of another network" in self.refused(copied)

    def test_it_rejects_what_are_no_numbers(self, copied, file):
        change_weights(file, with_no_number)
        assert "no numbers" in self.refused(copied)


class TextEncoderContract(ImageEncoderContract):
    def test_it_reads_words(self, encoder):
        vectors = encoder.encode_texts(["a red circle", "two blue squares"])
        assert (vectors.shape, vectors.dtype) == ((2, encoder.dimension), np.float32)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(vectors[0] - vectors[1]) > ROUNDING

    def test_other_texts_of_the_batch_change_nothing(self, encoder):
        texts = ["a red circle", "", "x" * 5000, "two blue squares", "ein Haus am See"] * 3
        together, alone = encoder.encode_texts(texts), np.concatenate([encoder.encode_texts([text]) for text in texts])
        assert np.linalg.norm(together - alone, axis=1).max() < ROUNDING

    def test_it_handles_no_texts(self, encoder):
        assert encoder.encode_texts([]).shape == (0, encoder.dimension)

    @pytest.mark.parametrize("text", ["", " ", "\x00", "😀", "\ud800", "<end_of_text>", "日本語", "word " * 500])
    def test_it_handles_any_text(self, encoder, text):
        assert np.isfinite(encoder.encode_texts([text])).all()

    def test_words_alone_take_less_memory(self, copied):
        copied.load_words()
        assert (copied.has_words, copied.has_pictures) == (True, False)
        words = copied.memory
        copied.load()
        assert (copied.has_words, copied.has_pictures) == (True, True)
        assert 0 < words < copied.memory

    def test_pictures_alone_take_less_memory(self, copied):
        copied.load_pictures()
        assert (copied.has_words, copied.has_pictures) == (False, True)
        pictures = copied.memory
        copied.load_words()
        assert 0 < pictures < copied.memory

    def test_who_reads_words_does_not_wait_for_pictures(self, copied, monkeypatch):
        copied.load_words()
        reading, may_go, read = threading.Event(), threading.Event(), copied.read_part

        def slowly(name):
            reading.set()
            assert may_go.wait(120)
            return read(name)

        monkeypatch.setattr(copied, "read_part", slowly)
        with ThreadPoolExecutor(2) as threads:
            slow = threads.submit(copied.encode, [picture(1)])
            assert reading.wait(120)
            try:
                assert len(threads.submit(copied.encode_texts, ["a dog"]).result(timeout=100)) == 1
                assert not slow.done()
            finally:
                may_go.set()
            assert len(slow.result()) == 1

    def test_both_towers_are_of_the_same_file(self, copied, file):
        copied.load()
        change_weights(file, other_numbers)
        copied.encode([picture(1)])
        assert copied.loaded_fingerprint() == ""  # that of words is still the old one
        copied.encode_texts(["a dog"])
        assert copied.loaded_fingerprint() == copied.fingerprint()
