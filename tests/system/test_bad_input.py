"""Bad input, by the numbers of a list of 72: one line that names file, key, value and remedy, an
exit code (2: yours to mend, 3: a file is not what was written), no traceback, nothing written.

What Snakemake reads before the workflow (a file that is no YAML) it answers itself, with 1;
`nasflow check` says the same in one line with 2.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image, ImageFile
from places import ROOT
from rounds import arguments
from safetensors.torch import load, save

from nasflow.__main__ import main
from nasflow.config.experiment import ConfigError, Experiment, parse, plain
from nasflow.data import encoded, pictures
from nasflow.storage.files import CorruptFile, verified, write_json
from nasflow.storage.splits import write_splits
from nasflow.storage.tables import PARTICLES, SCHEMAS, read_table, write_table

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
    """`make` lays the bad thing into a folder with sound data and a sound checkpoint, and returns
    the arguments of nasflow that meet it; or it is the reason why there is no such thing here."""

    number: int
    name: str
    make: Make | str
    words: Sequence[str] = ()
    code: int = 2


# --- config ----------------------------------------------------------------------------------


def config(text: str | bytes) -> Make:
    """A configuration with that content, looked at by `nasflow check`."""

    def make(folder: Path) -> list[str]:
        file = folder / "mine.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return ["check", str(file)]

    return make


def check(name: str) -> Make:
    return lambda folder: ["check", str(folder / name)]


def bomb() -> str:
    levels = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join([*levels, "experiment: *a9"])


def pretrain(section: Mapping[str, Any], *options: str) -> Make:
    """A pretraining of the sound data."""

    def make(folder: Path) -> list[str]:
        stage = ["pretrain", "--config", json.dumps({"pretrain": section})]
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


def search(*options: str, **section: object) -> Make:
    """A round on the sound data and network."""

    def make(folder: Path) -> list[str]:
        given = arguments(folder, "new", **section)
        return ["search_round", *(w for k, v in given.items() for w in (f"--{k}", v)), *options]

    return make


CONFIG = [
    Case(1, "empty file", config(""), ["mine.yaml", "empty", "mapping"]),
    Case(2, "list at top", config("- a\n- b\n"), ["a list", "expected a mapping"]),
    Case(3, "broken YAML", config("experiment: [a\nseeds: 1\n"), ["line 2, column 6", "not YAML"]),
    Case(4, "tab indent", config("data:\n\tsize: 8\n"), ["line 2, column 1", "with spaces"]),
    Case(
        5,
        "duplicate key",
        config("final:\n  epochs: 2\n  cutout: 1\n  epochs: 3\n"),
        ["mine.yaml: final.epochs: stands twice", "lines 2 and 4"],
    ),
    Case(6, "unknown key", config("seedz: [1]"), ["seedz: unknown key", "did you mean 'seeds'?"]),
    Case(
        7,
        "unknown nested key",
        config("search: {constraints: {max_filter: 9}}"),
        ["search.constraints.max_filter: unknown key", "did you mean 'max_filters'?"],
    ),
    Case(8, "missing seed", "every key has a default; seeds: [0]"),
    Case(
        9,
        "1e-3 is text",
        config("final: {lambda_start: 1e-3}"),
        ["final.lambda_start: '1e-3'", "a finite number", "write 1.0e-3"],
    ),
    *(
        Case(n, f"rate {v}", config(f"final: {{lambda_start: {v}}}"), ["lambda_start: " + said])
        for n, v, said in (
            (10, ".nan", "nan; expected a finite number"),
            (11, ".inf", "inf; expected a finite number"),
            (12, "-0.1", "-0.1; expected more than 0.0"),
            (13, "0", "0; expected more than 0.0"),
            (14, "true", "True; expected a finite number"),
        )
    ),
    Case(15, "steps 5.0", config("search: {max_steps: 5.0}"), ["max_steps: 5.0", "(write 5)"]),
    Case(16, "steps 0", config("search: {max_steps: 0}"), ["max_steps: 0; expected 1 to"]),
    Case(17, "steps 10**9", config("search: {max_steps: 1000000000}"), ["expected 1 to 100000000"]),
    Case(18, "seed 010", config("seeds: [010]"), ["seeds: 010; YAML reads it as 8"]),
    Case(19, "seed -1", config("seeds: [-1]"), ["seeds: -1; expected 0 to"]),
    Case(20, "seed 2**64", config(f"seeds: [{2**64}]"), [str(2**64), "expected 0 to"]),
    Case(
        21,
        "'false' is text",
        config("augment: {flip: 'false'}"),
        ["'false'; expected true or false"],
    ),
    *(
        Case(n, f"name {name!r:.20}", config(json.dumps({"experiment": name})), words)
        for n, name, words in (
            (22, "x; touch PWNED", ["experiment: 'x; touch PWNED'; expected text matching"]),
            (23, "../up", ["experiment: '../up'; expected text matching"]),
            (24, "", ["experiment: ''; expected text matching"]),
            (25, "x" * 300, ["experiment: 'xxx", "{0,63}"]),
            (26, "x\0y", [r"experiment: 'x\x00y'; expected"]),
            (26, "x\ny", [r"experiment: 'x\ny'; expected"]),
            (26, "größe", ["experiment: 'größe'; expected"]),
        )
    ),
    Case(27, "particles 1", config("search: {particles: 1}"), ["particles: 1; expected 2 to"]),
    Case(
        28,
        "particles 100000",
        "particles are counts and cost no memory; n_neigh, which does, has a limit of 100000 and no"
        " estimate of memory",
    ),
    Case(
        29,
        "no CUDA",
        lambda folder: _without_cuda(pretrain({}, "--device", "cuda")(folder)),
        ["device: cuda", "0 CUDA GPUs", "set device: cpu"],
    ),
    Case(30, "cuda:9", pretrain({}, "--device", "cuda:99"), ["device: cuda:99", "CUDA GPUs"]),
    Case(
        31,
        "batch larger than the data",
        pretrain({"batch_size": 500}),
        ["pretrain.batch_size: 500; expected at most the 192 images"],
    ),
    Case(
        31,
        "batch of a round larger than the data",
        search(validation_batch_size=65),
        ["search.validation_batch_size: 65; expected at most the 64 images"],
    ),
    *(
        Case(32, f"fraction {v}", config(f"data: {{validation_fraction: {v}}}"), [f"{v}; expected"])
        for v in ("0.0", "1.0", "1.5")
    ),
    Case(
        33, "one class", lambda folder: _folder(folder, {"a": 4}), ["1 class; expected 2 or more"]
    ),
    Case(
        34,
        "unknown morphism",
        config("search: {morphisms: {xyzzy: 1.0}}"),
        ["search.morphisms.xyzzy: unknown key; known: deepen, widen"],
    ),
    Case(
        35,
        "negative weight",
        config("search: {morphisms: {deepen: -1.0}}"),
        ["search.morphisms.deepen: -1.0; expected at least 0.0"],
    ),
    Case(35, "probabilities that add up to 0.9", "they are weights; any sum above 0 will do"),
    Case(
        36,
        "burn-in as long as the warm-up",
        config("search: {burn_in: 50}"),
        ["search.burn_in: 50; expected below warmup_steps, 50"],
    ),
    Case(
        36,
        "min above max",
        config("search: {constraints: {min_filters: 9, max_filters: 8}}"),
        ["min_filters: 9; expected at most max_filters, 8"],
    ),
    Case(37, "rounds 0", "trains the base net alone, which the algorithm none is"),
    Case(37, "rounds -1", config("budget: {rounds: -1}"), ["budget.rounds: -1; expected 0 to"]),
    Case(
        38, "ftp://x", config("tracking: {uri: 'ftp://x'}"), ["tracking.uri: 'ftp://x'", "https?"]
    ),
    Case(
        39,
        "tag that would run code",
        config("experiment: !!python/object/apply:os.system ['touch PWNED']"),
        ["experiment: tag", "python/object", "line 1", "expected plain values"],
    ),
    Case(
        39,
        "Snakemake's own way to run code",
        config("__use_yte__: true\n?__import__('os').system('touch PWNED'): {seeds: [1]}\n"),
        ["__use_yte__", "run Python", "remove it"],
    ),
    Case(40, "alias bomb", config(bomb()), ["values once its aliases are unfolded", "100000"]),
    Case(40, "alias of itself", config("data: &a {root: *a}"), ["inf values", "aliases"]),
    Case(40, "large file", config("#" * 1_000_001), ["1000001 bytes; expected at most 1000000"]),
    Case(40, "deep file", config("seeds: " + "[" * 9000), ["nested too deeply"]),
    Case(40, "number of 5000 digits", config(f"seeds: [{'9' * 5000}]"), ["5000 digits"]),
    Case(
        41,
        "CRLF and BOM",
        config(b"\xef\xbb\xbfexperiment: mine\r\nseeds: [3]\r\n"),
        code=0,
    ),
    Case(42, "missing", check("absent.yaml"), ["absent.yaml: missing; expected a YAML file"]),
    Case(42, "a folder", check("data"), ["data: a folder; expected a YAML file"]),
    Case(42, "not UTF-8", config(b"experiment: \xff"), ["not UTF-8 at byte 12"]),
    Case(42, "unreadable", check("/proc/self/mem"), ["/proc/self/mem: cannot be read"]),
]


def _without_cuda(options: Sequence[str]) -> Callable[[], object]:
    def call() -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.cuda, "device_count", lambda: 0)
            return main(options)

    return call


# --- checkpoint ------------------------------------------------------------------------------

STEM = "pretrain/network"
TENSORS, SPEC, MANIFEST = f"{STEM}.safetensors", f"{STEM}.architecture.json", f"{STEM}.json"


def trained(folder: Path) -> list[str]:
    """A stage that reads the checkpoint before all else."""
    options = {"--config": "{}", "--data": folder / "data", "--parent": folder / STEM}
    options |= {"--seed": 0, "--out": folder / "new/network"}
    return ["final_train", *(str(word) for option in options.items() for word in option)]


def damaged(change: Callable[[bytes], bytes], file: str = TENSORS) -> Make:
    """A file of the checkpoint with other bytes than its manifest says."""

    def make(folder: Path) -> list[str]:
        path = folder / file
        path.write_bytes(change(path.read_bytes()))
        return trained(folder)

    return make


def forged(change: Callable[[bytes], bytes], file: str = TENSORS) -> Make:
    """The same with a manifest that agrees: what someone wrote by hand."""

    def make(folder: Path) -> list[str]:
        damaged(change, file)(folder)
        path, manifest = folder / file, folder / MANIFEST
        facts = json.loads(manifest.read_text())
        facts["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        write_json(manifest, facts)
        return trained(folder)

    return make


def manifest(change: Callable[[dict[str, Any]], object]) -> Make:
    def make(folder: Path) -> list[str]:
        facts = json.loads((folder / MANIFEST).read_text())
        change(facts)
        write_json(folder / MANIFEST, facts)
        return trained(folder)

    return make


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        flat = load(content)
        change(flat)
        return save(flat)

    return changed


def header(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Another header before the same numbers."""

    def changed(content: bytes) -> bytes:
        (length,) = struct.unpack("<Q", content[:8])
        new = change(content[8 : 8 + length])
        return struct.pack("<Q", len(new)) + new + content[8 + length :]

    return changed


def first(**facts: Any) -> Callable[[bytes], bytes]:
    """The header with other facts of the first tensor."""

    def change(old: bytes) -> bytes:
        names = json.loads(old)
        names[next(n for n in names if n != "__metadata__")] |= facts
        return json.dumps(names).encode()

    return header(change)


def architecture(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        spec = json.loads(content)
        change(spec)
        return json.dumps(spec).encode()

    return changed


def at(tensor: str, new: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[bytes], bytes]:
    return tensors(lambda flat: flat.update({tensor: new(flat[tensor])}))


def _elsewhere(target: str) -> Callable[[Path], list[str]]:
    """A manifest that speaks of a file elsewhere."""
    return manifest(lambda facts: facts.update(files={target: "0" * 64}))  # type: ignore[return-value]


def _swapped(folder: Path) -> list[str]:
    """The files of one network, the manifest of another."""
    manifest = (folder / MANIFEST).read_bytes()
    forged(at("parameters.1.scale", lambda t: t + 1))(folder)
    other = (folder / MANIFEST).read_bytes()
    assert other != manifest
    damaged(at("parameters.1.scale", lambda t: t - 1))(folder)
    return trained(folder)


def _removed(file: str) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / file).unlink()
        return trained(folder)

    return make


def _is_pt(folder: Path) -> list[str]:
    """torch.save's file beside no checkpoint."""
    torch.save({"a": torch.zeros(1)}, folder / "pretrain/network.pt")
    return _removed(MANIFEST)(folder)  # type: ignore[return-value]


class Exploit:
    """Unpickled it would make a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch PWNED",)


TWICE = header(lambda old: b"{" + old[1 : old.index(b"}") + 1] + b"," + old[1:])
SHA = ["network.safetensors", "sha256"]
ANY = ["network."]
NODES: Callable[[dict[str, Any]], list[dict[str, Any]]] = lambda spec: spec["nodes"]  # noqa: E731
CHECKPOINT = [
    Case(43, "0 bytes", damaged(lambda _: b""), SHA, 3),
    Case(43, "0 bytes, manifest agrees", forged(lambda _: b""), ANY, 3),
    *(
        Case(44, f"cut to {n}0 %", damaged(lambda b, n=n: b[: len(b) * n // 10]), SHA, 3)  # type: ignore[misc]
        for n in range(10)
    ),
    Case(45, "one bit flipped", damaged(lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:]), SHA, 3),
    Case(46, "header of 2**40", forged(lambda b: struct.pack("<Q", 2**40) + b[8:]), ANY, 3),
    Case(47, "header not JSON", forged(header(lambda h: b"x" * len(h))), ANY, 3),
    Case(48, "header not UTF-8", forged(header(lambda h: b"\xff" * len(h))), ANY, 3),
    Case(49, "overlapping tensors", forged(first(data_offsets=[4, 8])), ANY, 3),
    Case(50, "trailing bytes", forged(lambda b: b + b"x"), ANY, 3),
    Case(51, "shape overflows", forged(first(shape=[2**40, 2**40])), ANY, 3),
    Case(52, "unknown type", forged(first(dtype="F7")), ANY, 3),
    Case(53, "a tensor's name twice", damaged(TWICE), SHA, 3),
    Case(
        53,
        "a tensor's name twice, manifest agrees",
        forged(TWICE),
        ANY,
        3,
    ),
    Case(54, "no tensors", forged(tensors(dict.clear)), ANY, 3),
    Case(55, "NaN", forged(at("parameters.1.scale", lambda t: t * float("nan"))), ["1.scale"], 3),
    Case(55, "infinity", forged(at("velocity.1.scale", lambda t: t + 1e39)), ["1.scale"], 3),
    Case(56, "pickle named safetensors", forged(lambda _: pickle.dumps(Exploit())), ANY, 3),
    Case(57, "a .pt file", _is_pt, ["network.json: missing"], 3),
    Case(
        57,
        "a .pt file to start from",
        config("base: {network: pretrain/network.pt}"),
        ["base.network: pretrain/network.pt; no checkpoint there"],
    ),
    Case(58, "no manifest", _removed(MANIFEST), ["network.json: missing"], 3),
    Case(58, "no tensors' file", _removed(TENSORS), ["network.safetensors: missing"], 3),
    Case(58, "manifest of a file elsewhere", _elsewhere("../../etc/passwd"), ANY, 3),
    Case(58, "manifest is a list", lambda f: _written(f, MANIFEST, "[1]"), ["network.json"], 3),
    Case(58, "manifest is text", lambda f: _written(f, MANIFEST, "hello"), ["not JSON"], 3),
    Case(59, "manifest of another network", _swapped, ["network.", "sha256"], 3),
    Case(60, "schema 999", manifest(lambda m: m.update(schema=999)), ["schema 999"], 3),
    Case(61, "tensor missing", forged(tensors(lambda f: f.pop("velocity.1.scale"))), ANY, 3),
    Case(61, "tensor too many", forged(tensors(lambda f: f.update(x=torch.ones(1)))), ANY, 3),
    Case(61, "tensor of another shape", forged(at("parameters.1.scale", lambda t: t[1:])), ANY, 3),
    Case(62, "float64", forged(at("parameters.1.scale", lambda t: t.double())), ["1.scale"], 3),
    Case(63, "velocity of another shape", forged(at("velocity.1.scale", lambda t: t[1:])), ANY, 3),
    Case(
        64,
        "cycle",
        forged(architecture(lambda s: NODES(s)[1].update(inputs=[3])), SPEC),
        ["network.architecture.json"],
        3,
    ),
    Case(
        64,
        "width 0",
        forged(architecture(lambda s: NODES(s)[1].update(width=0)), SPEC),
        ["network.architecture.json"],
        3,
    ),
    Case(
        64,
        "10**9 parameters",
        forged(architecture(lambda s: NODES(s)[1].update(width=10**8)), SPEC),
        ANY,
        3,
    ),
    Case(65, "step -1", manifest(lambda m: m.update(k=-1)), ["network.json"], 3),
    Case(65, "step is text", manifest(lambda m: m.update(k="9")), ["network.json"], 3),
]


def _written(folder: Path, file: str, text: str) -> list[str]:
    (folder / file).write_text(text)
    return trained(folder)


# --- data sets -------------------------------------------------------------------------------


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def images(count: int) -> list[bytes]:
    draw = np.random.default_rng(0).integers(0, 256, (count, 8, 8), dtype=np.uint8)
    return [png(image) for image in draw]


def reads(folder: Path, **data: object) -> list[str]:
    return ["prepare", "--config", json.dumps(data), "--out", str(folder / "new")]


def _folder(folder: Path, classes: Mapping[str, int], extra: Mapping[str, bytes] = {}) -> list[str]:
    """Class folders with so many pictures, and files beside them."""
    for name, count in classes.items():
        (folder / "photos" / name).mkdir(parents=True)
        for index, content in enumerate(images(count)):
            (folder / "photos" / name / f"{index}.png").write_bytes(content)
    for file, content in extra.items():
        (folder / "photos" / file).write_bytes(content)
    return reads(folder, source="folder", train=str(folder / "photos"))


def pictured(name: str, content: bytes) -> Make:
    """Two classes of sound pictures, and one more file in the first."""
    return lambda folder: _folder(folder, {"a": 4, "b": 4}, {f"a/{name}": content})


def shards(labels: Any, count: int | None = None) -> Make:
    """A Parquet file with those labels."""

    def make(folder: Path) -> list[str]:
        contents = images(len(labels) if count is None else count)
        table = pa.table({"image": pa.array(contents, pa.binary()), "label": labels})
        pq.write_table(table, folder / "a.parquet")
        return reads(folder, source="parquet", train=str(folder / "a.parquet"))

    return make


def split(images: np.ndarray, labels: np.ndarray) -> Make:
    """Prepared data that someone wrote by hand, checksums included."""

    def make(folder: Path) -> list[str]:
        facts = json.loads((folder / "data/data.json").read_text())
        parts = dict.fromkeys(("train", "validation", "test"), (images, labels))
        write_splits(folder / "data", parts, facts)
        return list(pretrain({"batch_size": 2})(folder))  # type: ignore[arg-type]

    return make


def huge(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises so many pixels."""
    content = bytearray(png(np.zeros((1, 1), dtype=np.uint8)))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def _flipped(folder: Path) -> list[str]:
    file = folder / "data/train.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    return list(pretrain({})(folder))  # type: ignore[arg-type]


def _archive(member: str) -> Make:
    """CIFAR-10 as an archive with the right checksum that reaches out of its folder."""

    def make(folder: Path) -> Callable[[], object]:
        import torchvision

        kind, root = torchvision.datasets.CIFAR10, folder / "root"
        root.mkdir()
        with tarfile.open(root / kind.filename, "w:gz") as tar:
            info = tarfile.TarInfo(member.format(folder=folder))
            info.size = 5
            tar.addfile(info, io.BytesIO(b"PWNED"))
        digest = hashlib.md5((root / kind.filename).read_bytes()).hexdigest()

        def call() -> int:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(kind, "tgz_md5", digest)
                return main(reads(folder, source="cifar10", root=str(root), download=True))

        return call

    return make


def _repeated(folder: Path) -> Callable[[], object]:
    """A picture that a dictionary holds once and 50,000 rows name."""
    picture = pa.array([images(1)[0] + bytes(2000)])
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, np.int32)), picture)
    table = pa.table({"image": column, "label": np.arange(50_000) % 2})
    pq.write_table(table, folder / "a.parquet", store_schema=False)

    def call() -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encoded, "UNPACKED", 10_000_000)
            return main(reads(folder, source="parquet", train=str(folder / "a.parquet")))

    return call


def _special(folder: Path) -> list[str]:
    """Reading a pipe would never end."""
    options = _folder(folder, {"a": 4, "b": 4})
    os.mkfifo(folder / "photos/a/pipe.png")
    return options


UINT8 = np.zeros((6, 8, 8, 1), dtype=np.uint8)
LABELS = np.arange(6) % 3
NO_ARRAYS = "pictures are encoded files, which say their shape and have 8 bits a channel"
NO_NPY = "x.npy: no picture; expected one of PNG"
DATA = [
    Case(66, "wrong sha256", _flipped, ["train.safetensors: sha256"], 3),
    Case(66, "page for a picture", pictured("x.png", b"<!doctype html>"), ["x.png", "HTML"]),
    Case(66, "archive with ../", _archive("../evil"), ["data.root: CIFAR10", "outside the dest"]),
    Case(66, "archive with /", _archive("{folder}/evil"), ["data.root: CIFAR10"]),
    Case(67, "HWC for CHW in pictures", NO_ARRAYS),
    Case(
        67,
        "CHW for HWC in prepared data",
        split(UINT8.transpose(0, 3, 1, 2), LABELS),
        ["train.safetensors: images", "(6, 1, 8, 8)", "(8, 8, 1)"],
        3,
    ),
    Case(68, "16 bits", pictured("x.png", png(np.full((8, 8), 40000, np.uint16))), ["8 bits"]),
    Case(
        68,
        "floats in prepared data",
        split(UINT8 / 255, LABELS),
        ["train.safetensors", "float64"],
        3,
    ),
    Case(68, "NaN pixel", NO_ARRAYS),
    Case(68, "constant images", "are normalised by a deviation of at least 0.001 and trained on"),
    Case(69, "label -1", shards([0, 1, -1, 0, 1, 0]), ["row 2: label -1; expected 0 or more"]),
    Case(69, "label -100", shards([0, 1, -100, 0, 1, 0]), ["row 2: label -100"]),
    Case(69, "label C", split(UINT8, LABELS + 1), ["train.safetensors"], 3),
    Case(69, "float labels", shards([0.0, 1.0] * 3), ["type double; expected whole numbers"]),
    Case(69, "one-hot labels", shards([[0, 1]] * 6), ["column 'label'", "expected whole numbers"]),
    Case(
        69, "fewer labels than images", split(UINT8, LABELS[1:]), ["train.safetensors", "labels"], 3
    ),
    Case(70, "no image", shards(pa.array([], pa.int64())), ["no images; expected some"]),
    Case(70, "one image", shards([0]), ["1 class; expected 2 or more"]),
    Case(70, "one image a class", shards([0, 1]), ["data.test_fraction: 0.2 of 2 images is none"]),
    Case(70, "a class is absent", shards([0, 2] * 3), ["no train image of class 1"]),
    Case(70, "duplicates between splits", "data.json counts them, nothing is refused"),
    Case(70, "objects in .npy", pictured("x.npy", pickle.dumps(Exploit())), [NO_NPY]),
    Case(70, "bomb", pictured("x.png", huge(60000, 60000)), ["x.png: too large", "60000"]),
    Case(70, "pixels", pictured("x.png", huge(9000, 9000)), ["x.png: too large (9000 x 9000"]),
    Case(70, "warned of", pictured("x.png", huge(12000, 9000)), ["too large (12000 x 9000"]),
    Case(70, "side", pictured("x.png", huge(1025, 8)), ["too large", "data.size resizes"]),
    Case(70, "picture in many rows", _repeated, ["a.parquet: more than", "split it"]),
    Case(70, "pipe for a picture", _special, ["pipe.png: no regular file"]),
]


# --- Parquet ---------------------------------------------------------------------------------

ROW: dict[str, Any] = dict.fromkeys(PARTICLES.names, 1) | {"restarted": False}
ROWS = [ROW | {"step": step, "node": node} for step in (1, 2) for node in (0, 1)]


def recorded(change: Callable[[bytes], bytes]) -> Make:
    """A table of a round with other bytes."""

    def make(folder: Path) -> Callable[[], object]:
        file = folder / "particles.parquet"
        write_table(file, ROWS)
        file.write_bytes(change(file.read_bytes()))
        return functools.partial(read_table, file)

    return make


def sealed(change: Callable[[bytes], bytes]) -> Make:
    """What no single file shows: read once it is the one whose sha256 the status holds."""

    def make(folder: Path) -> Callable[[], object]:
        file = folder / "particles.parquet"
        sha256 = write_table(file, ROWS)
        file.write_bytes(change(file.read_bytes()))
        return lambda: (verified(file, sha256), read_table(file))

    return make


def rows(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Make:
    def other(_: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(change(ROWS), schema=PARTICLES), sink)
        return bytes(sink.getvalue().to_pybytes())

    return sealed(other)


def columns(change: Callable[[pa.Table], pa.Table]) -> Make:
    def make(folder: Path) -> Callable[[], object]:
        file = folder / "particles.parquet"
        table = change(pa.Table.from_pylist(ROWS, schema=SCHEMAS[file.name]))
        pq.write_table(table, file, write_page_checksum=True)
        return functools.partial(read_table, file)

    return make


def _nan(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("energy")
    return table.set_column(place, "energy", [[float("nan")] * len(table)])


def shard(change: Callable[[bytes], bytes]) -> Make:
    """A Parquet file of pictures with other bytes."""

    def make(folder: Path) -> list[str]:
        options = shards([0, 1] * 3)(folder)
        file = folder / "a.parquet"
        file.write_bytes(change(file.read_bytes()))
        return list(options)  # type: ignore[arg-type]

    return make


def _middle(content: bytes) -> bytes:
    return content[:40] + bytes([content[40] ^ 1]) + content[41:]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "0 bytes": lambda _: b"",
    "PAR1": lambda _: b"PAR1",
    "text": lambda _: b"step,node\n1,0\n",
    "footer cut": lambda b: b[:-20],
    "footer of 2**31": lambda b: b[:-8] + struct.pack("<I", 2**31) + b[-4:],
    "trailing newline": lambda b: b + b"\n",
}
NAMED = ["particles.parquet"]
PARQUET = [
    *(Case(71, name, recorded(change), NAMED, 3) for name, change in BROKEN.items()),
    Case(71, "flipped bit", recorded(_middle), NAMED, 3),
    Case(71, "two files in one", sealed(lambda b: b + b), NAMED, 3),
    *(Case(71, f"pictures, {n}", shard(c), ["a.parquet: no readable"]) for n, c in BROKEN.items()),
    Case(72, "column missing", columns(lambda t: t.drop_columns(["tau"])), NAMED, 3),
    Case(72, "column too many", columns(lambda t: t.append_column("x", [[1] * 4])), NAMED, 3),
    Case(72, "NaN", columns(_nan), NAMED, 3),
    Case(72, "column of text", columns(lambda t: t.set_column(0, "step", [["1"] * 4])), NAMED, 3),
    Case(72, "step and node twice", rows(lambda r: r + r), NAMED, 3),
    Case(72, "step and node missing", rows(lambda r: r[:3]), NAMED, 3),
    Case(72, "rows of another run", rows(lambda r: [row | {"k": 9} for row in r]), NAMED, 3),
]
CASES = [*CONFIG, *CHECKPOINT, *DATA, *PARQUET]
# Readers of checkpoints, splits and tables that take these for sound, or end with a traceback.

# --- the tests -------------------------------------------------------------------------------


@pytest.fixture
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy of the prepared folder, in which commands run."""
    monkeypatch.chdir(folder)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.parent.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def answer(call: Sequence[str] | Callable[[], object], capfd: Any) -> tuple[int, list[str]]:
    """Exit code and lines of error; a reader without a stage of its own answers as `main` would."""
    capfd.readouterr()
    if not callable(call):
        return main(call), capfd.readouterr().err.splitlines()
    try:
        code = call()
    except CorruptFile as error:
        return 3, [f"nasflow: {line}" for line in str(error).splitlines()]
    return int(code) if isinstance(code, int) else 0, capfd.readouterr().err.splitlines()


def test_the_list_is_complete() -> None:
    assert sorted({case.number for case in CASES}) == list(range(1, 73))


def parameter(case: Case) -> Any:
    name = f"{case.number} {case.name}"
    return pytest.param(case, id=name)


@pytest.mark.parametrize("case", map(parameter, CASES))
def test_bad_input_is_one_line(case: Case, folder: Path, capfd: Any) -> None:
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


def keys(section: Mapping[str, Any], where: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in section.items():
        yield (*where, name)
        if isinstance(value, Mapping):
            yield from keys(value, (*where, name))


def misspelt(name: str) -> Iterator[str]:
    """One letter dropped, doubled, or swapped with the next."""
    for i in range(len(name)):
        yield name[:i] + name[i + 1 :]
        yield name[:i] + name[i] + name[i:]
        yield name[:i] + name[i + 1 : i + 2] + name[i : i + 1] + name[i + 2 :]


KEYS = list(keys(plain(parse(Experiment, {"budget": {"rounds": 1}}))))


def nested(path: Sequence[str], value: object) -> Any:
    return {path[0]: nested(path[1:], value)} if path else value


def test_every_misspelt_key_is_refused_with_the_right_one() -> None:
    for path in KEYS:
        beside = {key[-1] for key in KEYS if key[:-1] == path[:-1]}
        for wrong in {*misspelt(path[-1])} - beside - {""}:
            with pytest.raises(ConfigError) as caught:
                parse(Experiment, nested([*path[:-1], wrong], 1))
            said = f"{'.'.join([*path[:-1], wrong])}: unknown key; did you mean '{path[-1]}'?"
            assert said in str(caught.value)


@pytest.mark.parametrize("path", KEYS[::6], ids=".".join)
def test_a_misspelt_key_of_a_file_ends_with_2(path: Any, folder: Path, capfd: Any) -> None:
    wrong = [*path[:-1], path[-1] + path[-1][-1]]
    case = Case(6, "", config(yaml.safe_dump(nested(wrong, 1))))
    test_bad_input_is_one_line(
        case._replace(words=[f"{'.'.join(wrong)}: unknown key; did you mean '{path[-1]}'?"]),
        folder,
        capfd,
    )


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_name_or_key_is_one_line(value: str, folder: Path, capfd: Any) -> None:
    for text in ({"experiment": value}, {value: 1}, {"compare": {"ablations": {value: {}}}}):
        case = Case(22, "", config(json.dumps(text)), ["mine.yaml: "])
        test_bad_input_is_one_line(case, folder, capfd)


def test_hostile_folders_and_files_run_nothing(folder: Path, capfd: Any) -> None:
    names = [value.replace("/", "_") for value in HOSTILE]
    for name in names:
        for index, picture in enumerate(images(4)):
            file = folder / "photos" / name / f"{index}{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture)
    options = reads(folder, source="folder", train=str(folder / "photos"))
    assert main(options) == 0
    assert json.loads((folder / "new/data.json").read_text())["classes"] == sorted(names)
    assert {path.name for path in (folder / "new").iterdir()} == {
        *(f"{part}.safetensors" for part in ("train", "validation", "test")),
        "data.json",
        "split.csv",
    }
    shutil.rmtree(folder / "new")
    for name in names:
        (folder / "photos" / name / f"x{name}").write_text("no picture")
        code, lines = answer(options, capfd)
        assert (code, len(lines)) == (2, 1)
        assert "no picture" in lines[0] and lines[0].isprintable()
        (folder / "photos" / name / f"x{name}").unlink()
    assert not list(folder.rglob("PWNED")) + list(folder.rglob("new"))


def test_a_large_picture_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    for size in (None, 32):
        with pytest.raises(ValueError, match=r"a: too large \(9000 x 9000 pixels\)"):
            pictures.decode(["a"], [huge(9000, 9000)], size)


# --- as Snakemake meets it -------------------------------------------------------------------


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--cores", "1", "--dry-run", *arguments]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, cwd=folder, text=True, timeout=120, **options)


def written(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if path.parts[0] != ".snakemake")


SNAKEMAKE: list[tuple[str, str, int, str]] = [
    ("no YAML", "experiment: [a\nseeds: 1\n", 1, "not valid JSON or YAML"),
    ("tab", "data:\n\tsize: 8\n", 1, "whitespace and tab indentation"),
    ("empty", "", 1, "keys at top level"),
    ("tag", "experiment: !!python/object/apply:os.system ['touch PWNED']", 1, "not valid"),
    ("duplicate", "seeds: [1]\nseeds: [2]\n", 2, "mine.yaml: seeds: stands twice"),
    ("bomb", bomb(), 2, "values once its aliases are unfolded"),
    ("hostile", json.dumps({"experiment": HOSTILE[6], HOSTILE[0]: 1}), 2, "$(touch PWNED)"),
]


@pytest.mark.workflow
@pytest.mark.parametrize(("name", "text", "code", "said"), SNAKEMAKE)
def test_snakemake_with_a_bad_file(
    name: str, text: str, code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    result = snakemake(tmp_path, "--configfile", "mine.yaml")
    assert (result.returncode, "Traceback" in result.stdout) == (code, False), result.stdout
    assert said in result.stdout
    assert written(tmp_path) == ["mine.yaml"]


@pytest.mark.workflow
def test_snakemake_without_its_file(tmp_path: Path) -> None:
    """Snakemake 9.27 ends with a traceback of its own; `nasflow check` is case 42."""
    result = snakemake(tmp_path, "--configfile", "absent.yaml")
    assert (result.returncode, "No such file or directory: 'absent.yaml'" in result.stdout) == (
        1,
        True,
    )
    assert not written(tmp_path)


@pytest.mark.workflow
@pytest.mark.parametrize(
    "target",
    [
        "results/digits/-rf/seed_0/final/metrics.json",
        "results/digits/nasgd/seed_0/search/round_1/../../../../../../evil",
        "results/digits/nasgd/seed_\u0660/final/metrics.json",
    ],
)
def test_a_hostile_wildcard_belongs_to_no_rule(target: str, tmp_path: Path) -> None:
    result = snakemake(tmp_path, "--", target)
    assert (result.returncode, "MissingRuleException" in result.stdout) == (1, True)
    assert not written(tmp_path)
