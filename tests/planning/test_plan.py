"""The plan of an experiment says what was found and what follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_files import pictures

from nasflow.config.kinds import Precision
from nasflow.planning import augmenting, speed
from nasflow.planning import plan as module
from nasflow.planning.augmenting import Changes
from nasflow.planning.choices import Choice
from nasflow.planning.plan import PLENTY, measured, plan, told
from nasflow.planning.sizing import TESTED, shape
from nasflow.planning.speed import Speed
from nasflow.planning.survey import Survey

FOUND = Survey(100, 20, (8, 8, 1), True, {"a": 50, "b": 50})


def chosen(cores: int = 1, device: str = "cpu") -> Choice:
    return Choice("mine", "digits", None, None, 5, "nasgd", device, cores)


def test_a_uniform_set_is_told_without_a_warning() -> None:
    assert told(FOUND, shape(FOUND)) == [
        "100 images, 8 x 8, grey, 20 test images",
        "2 classes, 50 images each",
    ]


def test_the_machine_is_measured_by_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    said: list[str] = []
    precision, passes = measured(chosen(), shape(FOUND), 2, said.append)
    assert precision in (Precision.FLOAT32, Precision.BFLOAT16) and passes > 0.0
    assert said[0].startswith("training measured: ")
    assert said[0].endswith(f"FLOPs per second, 1 threads, {precision}")


def test_the_faster_number_format_is_taken_and_a_busy_machine_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for fast in (Precision.FLOAT32, Precision.BFLOAT16):
        speeds = {kind: Speed(1e11 * (1 + (kind == fast)), 0.5) for kind in Precision}
        monkeypatch.setattr(speed, "training_speed", lambda *given, s=speeds: s[given[-1]])
        said: list[str] = []
        assert measured(chosen(2), shape(FOUND), 2, said.append)[0] == fast
        assert "the threads could compute 50% of the time" in said[1]
    on_gpu = measured(chosen(device="cuda"), shape(FOUND), 2, said.append)
    assert on_gpu == (Precision.BFLOAT16, PLENTY)


@pytest.mark.parametrize(
    ("allowed", "line"),
    [
        (Changes(False, False), "training images are not varied (augment)"),
        (Changes(True, False), "training images are mirrored (augment)"),
        (Changes(False, True), "training images are shifted by up to 1 px (augment)"),
        (Changes(True, True), "training images are mirrored, shifted by up to 1 px (augment)"),
    ],
)
def test_how_images_are_varied_and_what_time_is_left_is_told(
    allowed: Changes, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "changes", lambda *_: allowed)
    for passes, grown in ((0.01, False), (PLENTY, True)):
        speed = (Precision.FLOAT32, passes)
        monkeypatch.setattr(module, "measured", lambda *_, speed=speed: speed)
        said: list[str] = []
        files = plan(chosen(), Path("here"), said.append).files
        assert line in said
        assert ("there is no time to grow them" in " ".join(said)) is not grown
        assert ("\n  rounds: null\n" in files["config.yaml"]) is grown
        assert "own.yaml" not in files and "[config.yaml]" in files["profiles/default/profile.yaml"]


def test_images_that_are_slow_to_read_leave_less_time_for_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "measured", lambda *_: (Precision.FLOAT32, 0.05))
    totals = []
    for reading in (0.0, 0.06):  # 1,438 images
        monkeypatch.setattr(
            module, "changes", lambda *_, s=reading: Changes(True, True, False, None, s)
        )
        said: list[str] = []
        text = plan(chosen(), Path("here"), said.append).files["config.yaml"]
        totals.append(float(text.split("total_seconds: ")[1].split()[0]))
    assert totals[0] - totals[1] == pytest.approx(1438 * 0.06, abs=1.0)
    assert "reading the images takes about 1.4 of the 5 minutes" in said


def test_where_images_are_mirrored_the_test_sees_each_of_them_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "measured", lambda *_: (Precision.FLOAT32, 0.05))
    totals = []
    for flip in (False, True):
        monkeypatch.setattr(module, "changes", lambda *_, f=flip: Changes(f, True))
        text = plan(chosen(), Path("here"), lambda _: None).files["config.yaml"]
        totals.append(float(text.split("total_seconds: ")[1].split()[0]))
    once = 360 * TESTED / (0.05 * 1294)  # a quarter of 1,437 images, at 0.05 passes a second
    assert totals[0] - totals[1] == pytest.approx(once, abs=0.5)


def test_a_look_at_large_pictures_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = pictures(tmp_path, {"a": [(8, 8)] * 100, "b": [(8, 8)] * 100})
    decoded: list[int] = []
    real = augmenting._decoded

    def counted(found: object, drawn: list[int], size: int | None) -> object:
        decoded.append(len(drawn))
        return real(found, drawn, size)  # type: ignore[arg-type]

    monkeypatch.setattr(augmenting, "_decoded", counted)
    own = chosen()._replace(source="folder", train=train)
    assert augmenting.changes(own, 8, 1).reading > 0.0
    monkeypatch.setattr(augmenting, "LONGEST", 0.0)
    augmenting.changes(own, 8, 1)
    assert decoded == [64, 200, 64, 64]


def test_photographs_are_cropped_where_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = Survey(900, 100, (300, 400, 3), False, {"a": 450, "b": 450})
    monkeypatch.setattr(module, "survey", lambda *_: photos)
    monkeypatch.setattr(module, "changes", lambda *_: Changes(True, True))
    for passes, crop in ((0.1, 1.0), (PLENTY, 0.6)):
        monkeypatch.setattr(module, "measured", lambda *_, s=passes: (Precision.FLOAT32, s))
        said: list[str] = []
        text = plan(chosen(), Path("here"), said.append).files["config.yaml"]
        assert f"\n  crop: {crop} # " in text
        assert ("cropped (augment)" in said[-1]) is (crop < 1.0)
