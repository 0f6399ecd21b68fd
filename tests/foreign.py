"""Records of a finished search as somebody else might write them, with digests that agree.

Each trial changes one file of a search: a value of a JSON record, a cell or the footer of a table,
or the header of a file of tensors. Then it makes the digests above that file agree again, so that
the readers, and not the digests, have to notice. A command that reads the search must end with one
of its exit codes, and never with a traceback.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from nasflow.__main__ import main
from nasflow.command.standalone import source
from nasflow.data.image_facts import facts_of
from nasflow.deployment.deployable import Deployable
from nasflow.records import curves, own_line, story, timeline
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import CorruptFile, consistent, write_json

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 10**6, 2**31, 2**62, 2**63, -(2**63), 10**30),
    *(0.5, -0.5, 1e-300, 1e300, "", "0", "a", "\x1b[2J\x07", "<script>x</script>", "../../x"),
    *("/etc/hostname", "1 = [open('MARK', 'w')][0]", "widen", "9" * 500, "x" * 50_000, "\ud800"),
    *([], {}, [[]], [None], {"": None}, {"expr": "1+1"}, [{"expr": "1+1"}], list(range(3000))),
    json.loads("[" * 40 + "]" * 40),
)
CODES = {0, 1, 2, 3}
SEARCH = "nasgd/seed_0"


class Trial(NamedTuple):
    """What was changed, which reader met it, and how that ended: an exit code, or a traceback."""

    change: str
    reader: str
    code: int | str


def kinds(experiment: Path) -> list[Path]:
    """List the files that are changed."""
    kept = ("*.json", "*.parquet", "*.safetensors")
    return sorted(file for kind in kept for file in experiment.rglob(kind))


def trial(experiment: Path, rng: random.Random) -> Trial:
    """Change one file, read the search, and put the file back."""
    file = rng.choice(kinds(experiment))
    before = {path: path.read_bytes() for path in experiment.rglob("*") if path.is_file()}
    try:
        change = _changed(file, rng)
        agree(file)
        name = rng.choice(sorted(READERS))
        return Trial(f"{file.relative_to(experiment)}: {change}", name, code_of(name, experiment))
    finally:
        for path in [path for path in experiment.rglob("*") if path.is_file()]:
            if path not in before:
                path.unlink()
        for path, content in before.items():
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)


def _changed(file: Path, rng: random.Random) -> str:
    if file.suffix == ".json":
        return _json(file, rng)
    return _table(file, rng) if file.suffix == ".parquet" else _header(file, rng)


def _json(file: Path, rng: random.Random) -> str:
    data = json.loads(file.read_bytes())
    if isinstance(data, dict):
        data.pop("sha256", None)
    places = list(_places(data, ()))
    place = rng.choice(places)
    inside = data
    for key in place[:-1]:
        inside = inside[key]
    if rng.random() < 0.2 and isinstance(inside, dict):
        del inside[place[-1]]
        found = "removed"
    else:
        inside[place[-1]] = rng.choice(VALUES)
        found = repr(inside[place[-1]])[:60]
    _write(file, data)
    return f"{'.'.join(map(str, place))} {found}"


def _places(data: Any, before: tuple[Any, ...]) -> Any:
    pairs = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in pairs:
        yield (*before, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*before, key))


def _write(file: Path, data: Any) -> None:
    if file.name.endswith(".architecture.json"):
        file.write_text(json.dumps(data))
    else:
        write_json(file, data)


def _table(file: Path, rng: random.Random) -> str:
    if rng.random() < 0.3:
        content = bytearray(file.read_bytes())
        (length,) = struct.unpack("<I", content[-8:-4])
        place = len(content) - 8 - rng.randrange(min(length, len(content) - 12))
        content[place] = rng.randrange(256)
        file.write_bytes(content)
        return f"byte {place} of the footer"
    table = pq.ParquetFile(file).read()
    if rng.random() < 0.2:
        table = rng.choice((table.slice(0, 0), table.slice(0, 1), pa.concat_tables([table] * 3)))
        found = f"{len(table)} rows"
    else:
        name = rng.choice(table.column_names)
        place = table.column_names.index(name)
        field, values = table.schema.field(name), table[name].to_pylist()
        values[rng.randrange(len(values))] = _cell(field.type, rng)
        table = table.set_column(place, field, pa.array(values, field.type))
        found = f"{name} {str(values)[:60]}"
    pq.write_table(table, file, compression="zstd", write_page_checksum=True)
    return found


def _cell(kind: pa.DataType, rng: random.Random) -> Any:
    if pa.types.is_string(kind):
        return rng.choice([None, "", "widen", "1,2", "\x1b[2J", "x" * 5000, "widen+widen"])
    if pa.types.is_boolean(kind):
        return rng.choice([None, True, False])
    if pa.types.is_floating(kind):
        return rng.choice([None, 0.0, -1.0, 1e300, 1e-300])
    return rng.choice([None, 0, -1, 1, 7, 2**31 - 1, *([2**62] if kind == pa.int64() else [])])


def _header(file: Path, rng: random.Random) -> str:
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    head = bytearray(content[8 : 8 + length])
    if rng.random() < 0.5:
        place = rng.randrange(length)
        head[place] = rng.randrange(256)
        found = f"byte {place} of the header"
    else:
        names = json.loads(head)
        name = rng.choice([n for n in names if n != "__metadata__"])
        key = rng.choice(("dtype", "shape", "data_offsets"))
        names[name][key] = rng.choice((*VALUES[:-1], "F64", [0], [2**40, 2**40], [0, 4]))
        head, found = bytearray(json.dumps(names).encode()), f"{name}.{key}"
    file.write_bytes(struct.pack("<Q", len(head)) + head + content[8 + length :])
    return found


def agree(file: Path) -> None:
    """Write the digest of a file into the records beside it that name it, and on up."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for record in file.parent.glob("*.json"):
        if record == file or record.name.endswith(".architecture.json"):
            continue
        data = json.loads(record.read_bytes())
        if isinstance(data, dict) and file.name in data.get("files", {}):
            data["files"][file.name] = digest
            write_json(record, data)
            if record.name != "status.json":
                agree(record)


def code_of(name: str, experiment: Path) -> int | str:
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        try:
            code = READERS[name](experiment)
        except CorruptFile:
            code = 3
        except ValueError:
            code = 2
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:300]
    text = quiet.getvalue()
    if "\x1b" in text or "\x07" in text:
        return "a sequence for terminals"
    return 0 if code is None else code


def _curves(experiment: Path) -> None:
    """Read what the mirror in MLflow reads, which turns every failure into a fact of its own."""
    search = experiment / SEARCH
    with contextlib.suppress(Exception):
        curves.of_round(search / "search/round_1")
        curves.of_training(search / "final")
        curves.of_search(search)


def _story(experiment: Path) -> None:
    with consistent(experiment):
        timeline.timeline(story.story(experiment, "nasgd", 0))
        own_line.own_line(experiment / SEARCH)


def _runs(experiment: Path) -> None:
    from nasflow.comparison import anytime, tables

    with consistent(experiment):
        tables.runs(experiment, ["nasgd"], [0])
        anytime.of_search(experiment / SEARCH, final=True)


def _exported(experiment: Path) -> None:
    """Write the program of `export --to python` without the check that starts a process."""
    stem = experiment / SEARCH / "final/network"
    with consistent(stem):
        source(Deployable(read_checkpoint(stem).network, facts_of(stem)))


def _command(*words: str) -> Callable[[Path], int]:
    def run(experiment: Path) -> int:
        given = [word.format(e=experiment, s=experiment / SEARCH) for word in words]
        return main(given)

    return run


READERS: dict[str, Callable[[Path], Any]] = {
    "verify": _command("verify", "{e}"),
    "show experiment": _command("show", "{e}"),
    "show search": _command("show", "{s}", "--all"),
    "show round": _command("show", "{s}/search/round_1"),
    "show network": _command("show", "{s}/final/network"),
    "show network of a round": _command("show", "{s}/search/round_1/winner"),
    "show json": _command("show", "{s}", "--json"),
    "export": _exported,
    "predict": _command("predict", "{s}/final/network", "{e}/picture.png"),
    "predict a pretrained network": _command("predict", "{s}/pretrain/network", "{e}/picture.png"),
    "report": _command("report", "{e}", "--out", "{e}/page.html"),
    "story": _story,
    "runs": _runs,
    "curves": _curves,
}
