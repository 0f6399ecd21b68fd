"""Bad checkpoints, cases 43 to 65 of the list: each is refused in one line."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bad_input import STEM, Case, Exploit, Make, config, one_line, parameter, trained
from safetensors.torch import load, save

from nasflow.storage.files import write_json

TENSORS, SPEC, MANIFEST = f"{STEM}.safetensors", f"{STEM}.architecture.json", f"{STEM}.json"


def damaged(change: Callable[[bytes], bytes], file: str = TENSORS) -> Make:
    """Give a file of the checkpoint other bytes than its manifest says."""

    def make(folder: Path) -> list[str]:
        path = folder / file
        path.write_bytes(change(path.read_bytes()))
        return trained(folder)

    return make


def forged(change: Callable[[bytes], bytes], file: str = TENSORS) -> Make:
    """Do the same, with a manifest that agrees: someone wrote both by hand."""

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
    """Put another header before the same numbers."""

    def changed(content: bytes) -> bytes:
        (length,) = struct.unpack("<Q", content[:8])
        new = change(content[8 : 8 + length])
        return struct.pack("<Q", len(new)) + new + content[8 + length :]

    return changed


def first(**facts: Any) -> Callable[[bytes], bytes]:
    """Write a header with other facts about the first tensor."""

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
    """Write a manifest that names a file elsewhere."""
    return manifest(lambda facts: facts.update(files={target: "0" * 64}))  # type: ignore[return-value]


def _swapped(folder: Path) -> list[str]:
    """Put the files of one network beside the manifest of another one."""
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
    """Write a file of torch.save where the checkpoint lacks its manifest."""
    torch.save({"a": torch.zeros(1)}, folder / "pretrain/network.pt")
    return _removed(MANIFEST)(folder)  # type: ignore[return-value]


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


@pytest.mark.parametrize("case", map(parameter, CHECKPOINT))
def test_a_bad_checkpoint_is_refused_in_one_line(case: Case, folder: Path, capfd: Any) -> None:
    one_line(case, folder, capfd)


def test_the_list_of_bad_checkpoints_is_complete() -> None:
    assert sorted({case.number for case in CHECKPOINT}) == list(range(43, 66))
