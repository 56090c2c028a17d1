"""A network learns to see watermarks: the training, its stops, the examination and the report."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from ingestion.watermarks import report
from ingestion.watermarks.examination import Answer, Examination, auc, drawn, examine, questions
from ingestion.watermarks.lesson import Lesson, learn, network
from ingestion.watermarks.pupils import Material, TrainingError, as_picture, material
from ingestion.watermarks.training import STATE, Course, Training
from ingestion.watermarks.typefaces import OWN, Typeface
from search.encoders.watermark import FILE
from tests.ingestion.tiny_watermark import MODEL, known, pictures, plain, trained
from tests.networks.made import made
from tests.networks.small_clip import MODEL as CLIP
from tests.pictures import photo


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        known(patch)
        yield trained(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def some(tmp_path):
    files = tuple(pictures(tmp_path / "pictures", 12))
    return Material(files[2:], files[:2], (OWN,), (OWN,))


def lesson(found: Material, tmp_path, steps: int, **how) -> Lesson:
    return Lesson(network(MODEL, tmp_path, None), found, Course(1, steps, pairs=2), **how)


def test_it_works(once, some):
    examination = examine(once, some, 60)
    assert examination.figures()["auc"] > 0.8
    assert len(examination.answers) == 60


def test_the_examination_asks_the_same_again_and_of_held_pictures_only(once, some):
    first, second = examine(once, some, 8), examine(once, some, 8)
    assert first == second
    assert {answer.file for answer in first.answers} <= set(some.held)
    assert [asked[2] for asked in questions(some, 8)] == [True, False] * 4
    answer = first.answers[0]
    example = drawn(answer.file, answer.seed, answer.is_marked, some)
    assert once.score([as_picture(example.image)])[0] == pytest.approx(answer.score, abs=1e-3)


def test_the_report_says_it_in_numbers_and_shows_examples(once, some, tmp_path):
    said = report.write(tmp_path / "report", {"label": "<Tiny>"}, examine(once, some, 20), some)
    assert json.loads((tmp_path / "report" / report.JSON).read_text()) == json.loads(json.dumps(said))
    page = (tmp_path / "report" / report.HTML).read_text()
    assert "&lt;Tiny&gt;" in page
    assert "<script" not in page
    shown = sorted(file.name for file in (tmp_path / "report" / report.EXAMPLES).iterdir())
    assert shown
    assert all(f'src="{report.EXAMPLES}/{name}"' in page for name in shown)


def test_figures_are_counted_right():
    def answer(is_marked, score):
        return Answer(None, "", is_marked, "corner" if is_marked else "clean", "Own", 0.3, score)

    said = Examination([answer(True, 0.9), answer(True, 0.2), answer(False, 0.1), answer(False, 0.5)]).figures()
    assert said["accuracy"] == 0.5
    assert said["confusion"] == {"marked_found": 1, "marked_missed": 1, "clean_passed": 1, "clean_refused": 1}
    assert (said["false_negatives"], said["false_positives"]) == (0.5, 0.5)
    assert said["auc"] == 0.75
    assert said["right_by_opacity"] == {"0.2 to 0.4": {"right": 0.5, "of": 2}}
    assert said["curve"][0] == (0.9, 0.0, 0.5)
    assert auc([0.5], [0.5]) == 0.5


def test_a_stopped_training_goes_on_to_the_same_end(once, some, tmp_path):
    learn(lesson(some, tmp_path / "a", 4), lambda progress: None)
    stopped = lesson(some, tmp_path / "b", 4)

    def stop(progress):
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(stopped, stop)
    assert not (stopped.folder / FILE).exists()
    steps = []
    learn(stopped, lambda progress: steps.append(progress.step))
    assert steps == [3, 4]
    ends = [(tmp_path / name / "watermark" / MODEL / FILE).read_bytes() for name in "ab"]
    assert ends[0] == ends[1]


def test_tiles_come_first_and_are_told_by_their_own_ink(once, some, tmp_path):
    training = Training(network("small", tmp_path, None), some, Course(1, 10, pairs=2), tmp_path)
    seen, answers, maps = training._batch(0, map)
    assert seen.shape == (12, 3, 128, 128)
    assert maps.shape == (12, 16, 16)
    assert (answers == maps.any(axis=(1, 2))).all()
    assert answers[0::2].sum() >= 4
    assert not answers[1::2].any()  # the clean twins
    twins = np.abs(seen[0::2] - seen[1::2]).max(axis=(1, 2, 3))
    assert (twins[answers[0::2] == 1] > 0.1).all()
    training.step = 8
    seen, answers, maps = training._batch(8, map)
    assert seen.shape == (4, 3, 384, 384)
    assert answers.tolist() == [1, 0, 1, 0]


def test_what_was_stopped_is_of_its_pictures_only(once, some, tmp_path):
    training = Training(network(MODEL, tmp_path, None), some, Course(1, 2), tmp_path)
    training.save()
    others = Material(some.held, some.learned, some.faces, some.held_faces)
    with pytest.raises(TrainingError, match="other pictures"):
        Training(training.network, others, Course(1, 2), tmp_path).resume()
    (tmp_path / STATE).write_bytes(b"cut")
    with pytest.raises(TrainingError, match="cannot be read; start anew with --again"):
        training.resume()


def test_it_can_start_with_given_weights(once, some, tmp_path):
    learned = learn(lesson(some, tmp_path, 1, start=once.folder / FILE), lambda progress: None)
    before = once.built().state_dict()
    assert learned.smooth["where.bias"].item() != before["where.bias"].item()
    foreign = tmp_path / "foreign.safetensors"
    from safetensors.torch import save_file

    save_file({"a": learned.smooth["where.bias"]}, foreign)
    with pytest.raises(TrainingError, match="another network"):
        learn(lesson(some, tmp_path / "c", 1, start=foreign), lambda progress: None)


def test_what_clip_sees_can_be_learned_from_too(some, tmp_path):
    (tmp_path / "clip").symlink_to(made("small_clip") / "clip")
    found = network(f"clip/{CLIP}", tmp_path, None)
    learn(Lesson(found, some, Course(1, 2, pairs=2)), lambda progress: None)
    assert 0 < found.score([as_picture(plain(1))])[0] < 1


# --- what is learned from
def test_pictures_and_typefaces_of_the_examination_are_no_others(tmp_path):
    files = pictures(tmp_path, 12)
    (tmp_path / "again.png").write_bytes(files[0].read_bytes())
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8 no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    faces = [Typeface(family, f"/{family}/{i}.ttf") for family in ("A", "B", "C", "D", "E", "F") for i in range(2)]
    found = material(tmp_path, faces)
    assert len(found.learned) + len(found.held) == 12
    assert len({path.read_bytes() for path in found.learned + found.held}) == 12
    assert not {face.family for face in found.faces} & {face.family for face in found.held_faces}
    assert len(found.faces) + len(found.held_faces) == 12
    assert [sentence.partition(":")[0] for sentence in found.left_out] == ["damaged.jpg"]
    assert material(tmp_path, faces) == found


def test_too_few_pictures_are_refused(tmp_path):
    pictures(tmp_path / "few", 3)
    with pytest.raises(TrainingError, match="3 pictures; at least 10"):
        material(tmp_path / "few", [OWN])
    with pytest.raises(TrainingError, match="is no folder"):
        material(tmp_path / "none", [OWN])


# --- the command
def command(*words: object) -> str:
    out = StringIO()
    call_command("train_watermark", *map(str, words), stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_leaves_weights_and_a_report(once, tmp_path):
    pictures(tmp_path / "pictures", 10)
    words = ("--network", MODEL, "--minutes", 0.01, "--threads", 2, "--pairs", 1, "--questions", 10)
    said = command(tmp_path / "pictures", *words, "--out", tmp_path / "out")
    assert "8 pictures" in said
    assert str(tmp_path / "out" / FILE) in said
    figures = json.loads((tmp_path / "out" / "report" / report.JSON).read_text())
    assert figures["network"] == f"watermark:{MODEL}"
    assert figures["questions"] == 10
    assert figures["bytes"] == (tmp_path / "out" / FILE).stat().st_size
    assert not (tmp_path / "out" / STATE).exists()


def test_the_command_says_what_is_wrong(once, tmp_path):
    photo(1).save(tmp_path / "one.png")
    with pytest.raises(CommandError, match="at least 10"):
        command(tmp_path, "--network", MODEL)
    with pytest.raises(CommandError, match="There is no “large”"):
        command(tmp_path, "--network", "large")
    for wrong in (("--minutes", "0"), ("--minutes", "nan"), ("--threads", "-1")):
        with pytest.raises(CommandError, match="invalid"):
            command(tmp_path, *wrong)
