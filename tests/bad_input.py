"""Bad input, by the numbers of a list of 72: what each case lays out, and how it must be answered.

The answer is one line that names file, key, value and remedy. The exit code is 2 where the user can
mend the input, and 3 where a file is not what was written. There is no traceback, and nothing is
written.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from nasflow.__main__ import main
from nasflow.storage.files import CorruptFile

HOSTILE = [
    "$(touch PWNED)",
    "`touch PWNED`",
    "; touch PWNED;",
    "' touch PWNED '",
    '" touch PWNED "',
    "| touch PWNED",
    "a\ntouch PWNED\n",
    "-rf",
    "--help",
    "{threads} {input}",
    "%s %d \\",
    "\u202egnp.exe é 图",
    "\x1b[2J\x07",
]


Make = Callable[[Path], Sequence[str] | Callable[[], object]]


class Case(NamedTuple):
    """One kind of bad input.

    Attributes:
        number: its number on the list.
        name: a few words for the name of the test.
        make: lays the bad thing into a folder with sound data and a sound checkpoint, and returns
            the arguments of nasflow that meet it, or a call that does. A text instead says why
            nasflow has no such case; the test is then skipped.
        words: what the line of error must contain.
        code: the exit code.
    """

    number: int
    name: str
    make: Make | str
    words: Sequence[str] = ()
    code: int = 2


def config(text: str | bytes) -> Make:
    """Look at a configuration of this content with `nasflow check`."""

    def make(folder: Path) -> list[str]:
        file = folder / "mine.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return ["check", str(file)]

    return make


def bomb() -> str:
    levels = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join([*levels, "experiment: *a9"])


def pretrain(section: Mapping[str, Any], *options: str) -> Make:
    """Pretrain a network on the sound data."""

    def make(folder: Path) -> list[str]:
        stage = ["pretrain", "--config", json.dumps({"pretrain": section}), "--algorithm", "nasgd"]
        where = [
            "--data",
            str(folder / "data"),
            "--seed",
            "0",
            "--out",
            str(folder / "new/network"),
        ]
        return [*stage, *where, *options]

    return make


STEM = "pretrain/network"


def trained(folder: Path) -> list[str]:
    """Return the arguments of a stage that reads the checkpoint first."""
    options = {"--config": "{}", "--data": folder / "data", "--parent": folder / STEM}
    options |= {"--seed": 0, "--out": folder / "new/network"}
    return ["final_train", *(str(word) for option in options.items() for word in option)]


class Exploit:
    """An object that would make a file if someone unpickled it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch PWNED",)


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def images(count: int) -> list[bytes]:
    draw = np.random.default_rng(0).integers(0, 256, (count, 8, 8), dtype=np.uint8)
    return [png(image) for image in draw]


def reads(folder: Path, **data: object) -> list[str]:
    return ["prepare", "--config", json.dumps(data), "--out", str(folder / "new")]


def photos_of(
    folder: Path, classes: Mapping[str, int], extra: Mapping[str, bytes] = {}
) -> list[str]:
    """Write folders of classes with so many pictures, and other files beside them."""
    for name, count in classes.items():
        (folder / "photos" / name).mkdir(parents=True)
        for index, content in enumerate(images(count)):
            (folder / "photos" / name / f"{index}.png").write_bytes(content)
    for file, content in extra.items():
        (folder / "photos" / file).write_bytes(content)
    return reads(folder, source="folder", train=str(folder / "photos"))


def shards(labels: Any, count: int | None = None) -> Make:
    """Write a Parquet file with these labels."""

    def make(folder: Path) -> list[str]:
        contents = images(len(labels) if count is None else count)
        table = pa.table({"image": pa.array(contents, pa.binary()), "label": labels})
        pq.write_table(table, folder / "a.parquet")
        return reads(folder, source="parquet", train=str(folder / "a.parquet"))

    return make


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.parent.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def answer(call: Sequence[str] | Callable[[], object], capfd: Any) -> tuple[int, list[str]]:
    """Return the exit code and the lines of error. A reader that is no stage answers as `main`
    would."""
    capfd.readouterr()
    if not callable(call):
        return main(call), capfd.readouterr().err.splitlines()
    try:
        code = call()
    except CorruptFile as error:
        return 3, [f"nasflow: {line}" for line in str(error).splitlines()]
    return int(code) if isinstance(code, int) else 0, capfd.readouterr().err.splitlines()


def parameter(case: Case) -> Any:
    name = f"{case.number} {case.name}"
    return pytest.param(case, id=name)


def one_line(case: Case, folder: Path, capfd: Any) -> None:
    """Meet the bad thing: one line of error, the exit code of the case, and no file written."""
    if isinstance(case.make, str):
        pytest.skip(case.make)
    call = case.make(folder)
    before = content(folder)
    code, lines = answer(call, capfd)
    assert code == case.code, lines
    after = content(folder)
    unpacked = {path for path in after if path.startswith(str(folder / "root"))}
    assert {path: after[path] for path in after if path not in unpacked - before.keys()} == before
    if code:
        assert [line.partition(":")[0] for line in lines] == ["nasflow"], lines
        for word in case.words:
            assert word in lines[0], lines
