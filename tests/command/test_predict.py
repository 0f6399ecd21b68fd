"""`nasflow predict` sees a picture as training and evaluation saw it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from places import GOLDEN

from nasflow.__main__ import main
from nasflow.architecture.templates import chain
from nasflow.command.predict import read_pictures
from nasflow.data.image_facts import NAME, facts_of
from nasflow.data.image_sources import from_disk
from nasflow.deployment.deployable import Deployable
from nasflow.network.network import initialise
from nasflow.storage.files import read_json, write_json
from nasflow.storage.splits import read_split

NETWORK = GOLDEN / "nasgd/seed_0/final/network"


Predict = Callable[..., str]


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str]) -> Predict:
    """Return what `nasflow predict` prints, or its complaint where `code` is 2."""

    def run(*words: object, code: int = 0) -> str:
        assert main(["predict", *map(str, words)]) == code
        out, err = capsys.readouterr()
        assert code != 0 or not err
        return {0: out, 1: out + err, 2: err}[code]

    return run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test images as PNG, in folders by class."""
    folder = tmp_path_factory.mktemp("pictures")
    split, classes = read_split(GOLDEN / "data", "test", "cpu"), ["a", "b", "c"]
    for i, (image, label) in enumerate(zip(split.images.numpy(), split.labels, strict=True)):
        place = folder / classes[int(label)]
        place.mkdir(exist_ok=True)
        Image.fromarray(image[:, :, 0]).save(place / f"{i:02}.png")
    return folder


def test_accuracy_on_saved_test_images_is_that_of_evaluate(
    predict: Predict, pictures: Path
) -> None:
    rows = list(csv.DictReader(io.StringIO(predict(NETWORK, pictures, "--csv"))))
    right = [Path(row["image"]).parent.name == row["label"] for row in rows]
    metrics = read_json(NETWORK.with_name("metrics.json"))
    assert len(rows) == metrics["test_images"]
    assert np.mean(right) == metrics["test_accuracy"]
    for row in rows:
        assert sum(float(row[name]) for name in "abc") == pytest.approx(1.0, abs=2e-6)


def test_forms_agree(predict: Predict, pictures: Path) -> None:
    found = json.loads(predict(NETWORK, pictures / "a", "--json"))
    lines = predict(NETWORK, pictures / "a", "--top", 3).splitlines()[1:]
    assert found
    for record, line in zip(found, lines, strict=True):
        cells = line.split()
        assert cells[:2] == [record["image"], record["label"]]
        assert cells[1::3] == list(record["probabilities"])
        assert list(record["probabilities"].values()) == sorted(
            record["probabilities"].values(), reverse=True
        )


def test_other_sizes_are_resized_and_colour_is_refused(
    predict: Predict, pictures: Path, tmp_path: Path
) -> None:
    first = sorted((pictures / "a").iterdir())[0]
    with Image.open(first) as picture:
        picture.resize((16, 16), Image.Resampling.NEAREST).save(tmp_path / "large.png")
        picture.convert("RGB").save(tmp_path / "colour.png")
    assert len(predict(NETWORK, tmp_path / "large.png").splitlines()) == 2
    line = predict(NETWORK, tmp_path / "colour.png", code=2)
    assert "colour.png: 3 channels; the network takes 1" in line and line.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["none.png"], "'none.png': no such file"),
        ([GOLDEN / "data", "--top", 9], "--top: 9; expected 1 to 3"),
        ([GOLDEN / "data", "--csv", "--json"], "--csv, --json: both given"),
        ([GOLDEN / "data/data.json"], "data.json: no picture"),
        (["Thumbs.db"], "'Thumbs.db': no picture there"),
    ],
)
def test_wrong_input_is_one_line(predict: Predict, words: list[object], problem: str) -> None:
    line = predict(NETWORK, *words, code=2)
    assert problem in line and line.count("\n") == 1


def names(out: str) -> list[str]:
    return [Path(row["image"]).name for row in csv.DictReader(io.StringIO(out))]


def test_a_bad_picture_does_not_cost_the_others(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("nasflow.command.predict.BATCH", 4)
    top = tmp_path / "pics"
    top.mkdir()
    good = sorted(pictures.glob("*/*.png"))[:12]
    for i, file in enumerate(good):
        shutil.copy(file, top / f"{2 * i:02}.png")
    (top / "01.png").write_bytes(good[0].read_bytes()[:50])
    (top / "03.txt").write_text("notes")
    draw(top / "05.png", "RGB", 8, 8)
    (top / "07.png").symlink_to("/nowhere")
    os.mkfifo(top / "09.png")
    (top / "11.png").write_bytes(b"")
    assert main(["predict", str(NETWORK), str(top), "--csv"]) == 1
    out, err = capsys.readouterr()
    assert names(out) == [f"{2 * i:02}.png" for i in range(12)]
    said = [line.partition(f"{top}/")[2] for line in err.splitlines()]
    problems = {
        "01.png": "corrupt picture",
        "03.txt": "no picture",
        "05.png": "3 channels; the network takes 1",
        "07.png": "a link that leads nowhere",
        "09.png": "no regular file",
        "11.png": "no picture",
    }
    assert len(said) == len(problems)
    for line, (name, problem) in zip(said, problems.items(), strict=True):
        assert line.startswith(f"{name}: {problem}")
    whole = tmp_path / "whole"
    whole.mkdir()
    for i, file in enumerate(good):
        shutil.copy(file, whole / f"{2 * i:02}.png")
    assert main(["predict", str(NETWORK), str(whole), "--csv"]) == 0
    assert capsys.readouterr() == (out.replace(str(top), str(whole)), "")


def test_exit_code_1_means_that_some_were_predicted(predict: Predict, pictures: Path) -> None:
    one = sorted((pictures / "a").iterdir())[0]
    out = predict(NETWORK, "gone.png", one, "--json", code=1)
    assert json.loads(out.splitlines()[0])[0]["image"] == str(one)
    assert out.splitlines()[1:] == [
        "nasflow: 'gone.png': no such file or folder; expected pictures"
    ]
    lines = predict(NETWORK, "gone.png", GOLDEN / "data/data.json", code=2).splitlines()
    assert len(lines) == 2 and "gone.png" in lines[0] and "data.json: no picture" in lines[1]


def test_litter_is_ignored_and_links_are_followed(
    predict: Predict, pictures: Path, tmp_path: Path, capsys: Any
) -> None:
    top, one = tmp_path / "pics", sorted((pictures / "a").iterdir())[0]
    for name in ("a", "@eaDir", "__MACOSX", ".cache"):
        (top / name).mkdir(parents=True)
    for name in ("@eaDir/x.png", "__MACOSX/._x.png", "a/Thumbs.db", "a/.DS_Store", "desktop.ini"):
        (top / name).write_text("x")
    (top / "README.md").write_text("a note beside the folders")
    shutil.copy(one, top / ".cache/1.png")
    shutil.copy(one, top / "a/2.png")
    shutil.copy(one, top / "scan")
    (top / "b").symlink_to("a")  # a second way to the same pictures
    (top / "c").symlink_to(pictures / "c")
    (top / "d.png").symlink_to(".cache/1.png")
    found = names(predict(NETWORK, top / "a", top / "c", *top.glob("desktop.ini"), "--csv"))
    assert found == ["2.png", *sorted(p.name for p in (pictures / "c").iterdir())]
    (tmp_path / "linked").symlink_to("pics")
    assert main(["predict", str(NETWORK), str(tmp_path / "linked"), "--csv"]) == 0
    out, err = capsys.readouterr()
    assert names(out) == [*found, "d.png", "scan"]
    assert err == f"nasflow: {tmp_path}/linked/b: leads to a folder that is read already; " + (
        "nothing is read twice\n"
    )
    (top / "loop").symlink_to("..")
    assert main(["predict", str(NETWORK), str(top), "--csv"]) == 0
    out, err = capsys.readouterr()
    assert names(out) == [*found, "d.png", "scan"]
    assert "pics/loop: a link that leads back to a folder above it" in err


def test_a_folder_of_litter_has_no_pictures(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "Thumbs.db").write_text("x")
    assert f"'{tmp_path}': a folder without pictures" in predict(NETWORK, tmp_path, code=2)


def test_the_help_tells_the_exit_codes(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert "1 some could not be read" in capsys.readouterr().out


def test_a_network_taken_out_of_its_results_needs_its_facts(
    predict: Predict, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "away"
    shutil.copytree(NETWORK.parent, out)
    (out / NAME).unlink(missing_ok=True)
    assert f"no {NAME} beside it" in predict(out, pictures, code=2)
    told = predict(out, pictures, "--csv", "--data", GOLDEN / "data")
    assert told == predict(NETWORK, pictures, "--csv")
    write_json(out / NAME, facts_of(NETWORK))
    assert predict(out, pictures, "--csv") == told
    write_json(out / NAME, facts_of(NETWORK) | {"height": 9})
    assert "the data has (1, 9, 8, 3)" in predict(out, pictures, code=2)


def deployable(image: tuple[int, int, int]) -> Deployable:
    network = initialise(chain((4, 4), 3, image, 2), np.random.default_rng(0))
    shape = dict(zip(("channels", "height", "width"), image, strict=True))
    moments = {"mean": [0.5] * image[0], "std": [0.2] * image[0]}
    return Deployable(network, {"classes": ["a", "b"], **shape, **moments})


def draw(path: Path, mode: str, width: int, height: int, seed: int = 0) -> Path:
    rng, depth = np.random.default_rng(seed), {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (height, width, *depth)).astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("modes", [("L", "L"), ("RGB", "RGBA"), ("L", "RGB")])
def test_pixels_are_those_that_prepare_makes(modes: tuple[str, str], tmp_path: Path) -> None:
    files = [
        draw(tmp_path / label / "1.png", mode, 20 + i, 30, seed=i)
        for i, (label, mode) in enumerate(zip("ab", modes, strict=True))
    ]
    found = from_disk("folder", str(tmp_path), None, None, 12)
    prepared = found.decoded(found.train.rows).images
    read = read_pictures(files, deployable((prepared.shape[3], 12, 12)))
    assert np.array_equal(read, prepared)


def test_grey_becomes_colour_and_images_that_are_not_square_must_fit(tmp_path: Path) -> None:
    network = deployable((3, 8, 10))
    grey = draw(tmp_path / "grey.png", "L", 10, 8)
    red, green, blue = np.moveaxis(read_pictures([grey, grey], network)[1], 2, 0)
    assert np.array_equal(red, green) and np.array_equal(green, blue)
    turned = draw(tmp_path / "turned.png", "RGB", 8, 10)
    with pytest.raises(ValueError, match=r"turned\.png: 10 x 8 pixels; the network takes 8 x 10"):
        read_pictures([grey, turned], network)
