"""The command `nasflow export`: write a network as a file that needs no nasflow.

The file is checked before it gets its name: it is run on random images, and must give what nasflow
gives. A file in int8 is checked by its accuracy as well.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nasflow.command.eight_bits import MAX_DROP, REMEDY, EightBits, Samples, eight_bits, samples_of
from nasflow.command.formats import ALIASES, FORMS, NAMES, write_message
from nasflow.command.standalone_pictures import FILTER
from nasflow.command.terminal import say
from nasflow.data.image_facts import facts_of, stem_of
from nasflow.deployment.deployable import Deployable
from nasflow.network.network import Network, forward
from nasflow.printable import shown
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import consistent
from nasflow.training.batches import Split

IMAGES = 64  # number of images in the check
ALLOWED = 1e-4  # largest difference of probabilities; for logits it is times the largest logit


class Exported(NamedTuple):
    """What became of an export.

    Attributes:
        out: the new file or folder.
        difference: the largest difference between its output and that of nasflow, on IMAGES images.
        allowed: the largest difference that is allowed.
        note: the difference and what the images must be, one line for each, for people.
        eight_bits: what int8 costs; None for an export in float32, whose difference stands above.
        max_drop: the percentage points of accuracy that int8 may cost.
    """

    out: Path
    difference: float
    allowed: float
    note: str
    eight_bits: EightBits | None = None
    max_drop: float = MAX_DROP

    @property
    def alike(self) -> bool:
        """Whether the network in float32 computes what nasflow computes."""
        return self.difference <= self.allowed  # false for NaN

    @property
    def kept(self) -> bool:
        """Whether the file is there: it is alike, and int8 costs no more than is allowed."""
        return self.alike and (self.eight_bits is None or self.eight_bits.drop <= self.max_drop)


def export(
    *,
    network: Path,
    to: str,
    out: Path,
    uint8: bool = False,
    logits: bool = False,
    int8: bool = False,
    max_drop: float | None = None,
    data: Path | None = None,
) -> int:
    """Write a network for use without nasflow, and check it.

    Args:
        network: a checkpoint's stem, one of its files, or the folder of its stage.
        to: the format, a key of FORMS, or `torch`, which is another name of `python`.
        out: the file to write (python: the folder); it must be new.
        uint8: whether the written network takes uint8, and not float32.
        logits: whether it gives logits, and not probabilities.
        int8: whether its weights and maps have eight bits.
        max_drop: the percentage points of accuracy that eight bits may cost (default: MAX_DROP).
        data: data.json of the training, or its folder, where it is not found.

    Returns:
        0; or 1 if the written network computes something else, or eight bits cost more accuracy
        than is allowed, and then nothing is kept.

    Raises:
        ValueError: if `out` exists, or an option does not fit the format.
    """
    check(to, out, uint8=uint8, int8=int8, max_drop=max_drop)
    stem = stem_of(network)
    with consistent(stem):
        facts = facts_of(stem, data)
        trained = read_checkpoint(stem).network
    samples = samples_of(stem, facts, data) if int8 else None
    done = exported(
        *(trained, facts, to, out),
        uint8=uint8,
        logits=logits,
        samples=samples,
        max_drop=MAX_DROP if max_drop is None else max_drop,
    )
    say([done.eight_bits.table()] if done.eight_bits else [])
    print(done.note)
    return 0 if done.kept else 1


def check(
    to: str,
    out: Path,
    *,
    uint8: bool,
    int8: bool = False,
    max_drop: float | None = None,
    flags: str = "--",
) -> None:
    """Raise ValueError for arguments of an export that are wrong.

    Args:
        to: the format.
        out: what to write.
        uint8: whether the written network shall take uint8.
        int8: whether its weights and maps shall have eight bits.
        max_drop: the percentage points of accuracy that these may cost, where they are given.
        flags: what stands before the names of arguments in messages.
    """
    if to not in NAMES:
        raise ValueError(f"{flags}to: {shown(to)}; expected one of {', '.join(NAMES)}")
    if os.path.lexists(out):
        raise ValueError(f"{flags}out: {out} is there already; name a new one")
    if uint8 and ALIASES.get(to, to) == "python":
        raise ValueError(
            f"{flags}uint8: a Python module takes both uint8 and float32; leave it out"
        )
    if int8 and to != "onnx":
        raise ValueError(f"{flags}int8: {to} has no eight bits; expected {flags}to onnx")
    if max_drop is not None and not int8:
        raise ValueError(f"{flags}max-drop: it says what eight bits may cost; add {flags}int8")
    if max_drop is not None and not 0.0 <= max_drop <= 100.0:  # NaN, too
        raise ValueError(
            f"{flags}max-drop: {max_drop}; expected 0 to 100, percentage points of accuracy"
        )


def exported(
    network: Network,
    facts: dict[str, Any],
    to: str,
    out: Path,
    *,
    uint8: bool,
    logits: bool,
    samples: Samples | None = None,
    max_drop: float = MAX_DROP,
) -> Exported:
    """Write a network, and keep it if it computes what nasflow computes.

    Args:
        network: the trained network, on the CPU.
        facts: what images.json says about its images.
        to: the format, one of NAMES.
        out: the file to write (python: the folder); it must be new.
        uint8: whether the written network takes uint8, and not float32.
        logits: whether it gives logits, and not probabilities.
        samples: the images to quantise by, which makes the network int8; only with onnx.
        max_drop: the percentage points of accuracy that eight bits may cost.
    """
    to = ALIASES.get(to, to)
    module = Deployable(network, facts, probabilities=not logits)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        draft = Path(folder) / out.name
        told = facts | {"resize": FILTER}
        note = FORMS[to][0](module, told, draft, module.example(2, integers=uint8))
        done = _compared(draft, to, network, module, uint8)
        if done.alike and samples is not None:
            done, note = _quantised(done, draft, samples, uint8, max_drop)
        if not done.kept:
            return done
        os.replace(draft, out)
    takes = "uint8 0..255" if uint8 else "float32 0..1" + (" or uint8" if to == "python" else "")
    shape = " x ".join(map(str, module.example(1, integers=uint8).shape[1:]))
    more = f"nasflow: {out}: images (n x {shape}) {takes}, normalised inside{note}"
    return done._replace(out=out, note=f"{done.note}\n{more}")


def _compared(draft: Path, to: str, trained: Network, module: Deployable, uint8: bool) -> Exported:
    """Compare what the written network and nasflow compute."""
    expected = _expected(trained, module)
    images = module.example(IMAGES, integers=uint8, seed=1)
    apart = float((FORMS[to][1](draft, images) - expected).abs().max())
    done = Exported(draft, apart, ALLOWED * max(1.0, float(expected.abs().max())), "")
    verdict = "alike" if done.alike else "NOT alike; nothing is kept"
    what = "probabilities" if module.probabilities else "logits"
    note = (
        f"nasflow: {IMAGES} random images, largest difference {apart:.1e} of the "
        f"{what} (allowed {done.allowed:.1e}): {verdict}"
    )
    return done._replace(note=note)


def _quantised(
    done: Exported, draft: Path, samples: Samples, uint8: bool, max_drop: float
) -> tuple[Exported, str]:
    """Write the network in int8 over the one in float32, and measure what that costs."""
    import onnx

    eight = eight_bits(onnx.load(draft), samples, uint8=uint8)
    draft.unlink()
    more = write_message(eight.model, draft)
    done = done._replace(eight_bits=eight, max_drop=max_drop)
    note = done.note.replace("nasflow: ", "nasflow: before, in float32: ", 1) + "\n" + eight.note()
    if not done.kept:
        note += (
            f"\nnasflow: int8 costs {eight.drop:.2f} points of accuracy, more than --max-drop "
            f"{max_drop:g}; nothing is kept; {REMEDY}"
        )
    return done._replace(note=note), f"; int8{more}"


def _expected(network: Network, module: Deployable) -> Tensor:
    """What nasflow's own engine computes from the images of the check."""
    pixels = module.example(IMAGES, integers=True, seed=1).permute(0, 2, 3, 1)
    labels = torch.zeros(IMAGES, dtype=torch.int64)
    split = Split(pixels, labels, module.mean.flatten(), module.std.flatten())
    g, x, buffers, _ = network
    with torch.no_grad():
        logits = forward(g, x, buffers, split.normalise(pixels), training=False)
    return logits.softmax(1) if module.probabilities else logits
