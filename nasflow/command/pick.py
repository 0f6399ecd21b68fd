"""The command `nasflow pick`: choose a network that keeps bounds, from all that were trained.

It reads the fronts of all searches below some folders, so that networks of several searches compete
with one another. The test images decide nothing: their accuracies are told after the choice.
"""

from __future__ import annotations

import json as formats
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType

from nasflow.command.terminal import Cell, count, mega, percent, say, styled, table
from nasflow.config.kinds import Stored
from nasflow.printable import printable
from nasflow.records.front import COSTS, STORED, Network
from nasflow.records.picking import Bounds, Pick, amount
from nasflow.records.picking import pick as picked
from nasflow.records.pool import Pool, pool
from nasflow.storage import places
from nasflow.storage.files import consistent

LOSS = 0.01  # a loss of accuracy by eight bits that is told as such
TESTED = ("test_accuracy", "test_accuracy_int8")


def pick(
    *,
    folders: list[Path],
    precision: str = Stored.INT8,
    max_latency: float | None = None,
    max_flash: float | None = None,
    max_ram: float | None = None,
    max_parameters: float | None = None,
    max_flops: float | None = None,
    min_accuracy: float | None = None,
    json: bool = False,
) -> int:
    """Choose a network and print how to get it.

    Args:
        folders: experiments, searches, or folders of them.
        precision: the number format in which latency, flash, RAM and accuracy are meant.
        max_latency: milliseconds for one image, at most.
        max_flash: bytes of the weights, at most.
        max_ram: bytes of the maps of one image, at most.
        max_parameters: parameters, at most.
        max_flops: FLOPs for one image, at most.
        min_accuracy: validation accuracy between 0 and 1, at least.
        json: whether to print JSON.

    Returns:
        0; or 1 where no network keeps all bounds.

    Raises:
        ValueError: if the folders hold no networks that could compete.
    """
    limits = (max_latency, max_flash, max_ram, max_parameters, max_flops, min_accuracy)
    bounds = Bounds(*limits, Stored(precision))
    for folder in folders:
        places.tell(places.found(folder))
    with consistent(folders[0]):
        there = pool(folders)
        choice = picked(there.networks, bounds)
        for note in there.notes:
            print(printable(f"nasflow: {note}"), file=sys.stderr)
        if json:
            print(as_json(there, choice, bounds))
        elif choice.chosen:
            say(lines(there, choice, bounds))
        if choice.nearest:
            print(printable(f"nasflow: {_missed(there, choice)}"), file=sys.stderr)
    return 0 if choice.chosen else 1


def lines(there: Pool, choice: Pick, bounds: Bounds) -> Iterator[RenderableType]:
    """The networks that competed as a table, the chosen one, and how to export it.

    Args:
        there: the networks.
        choice: what was chosen among them; it must be one.
        bounds: the bounds that it keeps.
    """
    chosen = choice.chosen
    assert chosen is not None
    fitting = sum(not broken for broken in choice.broken)
    fit = f"{fitting} fit{'s' * (fitting == 1)}"
    yield styled(
        f"{_some(len(choice.broken))} in {bounds.stored}; {_limits(bounds)}: {fit}", "bold"
    )
    yield _table(there, choice, bounds.stored)
    yield styled(f"chosen: {there.names[chosen.folder]}, {choice.why}", "bold green")
    yield from _tested(there, chosen, bounds.stored)
    yield f"its files: {chosen.folder}"
    yield export_command(chosen, bounds.stored)


def export_command(network: Network, stored: Stored) -> str:
    """The command that writes the network as an ONNX file, for a shell."""
    experiment = network.search.absolute().parents[1].name
    name = "_".join([experiment, *network.name.split()])
    safe = "".join(c if (c.isalnum() and c.isascii()) or c in "_-" else "_" for c in name)
    words = ["nasflow", "export", str(network.folder), "--to", "onnx"]
    words += ["--int8"] if stored is Stored.INT8 else []
    return shlex.join([*words, "--out", f"{safe}.onnx"])


def as_json(there: Pool, choice: Pick, bounds: Bounds) -> str:
    """The networks and the choice as JSON; only the chosen one has its accuracy on test images."""
    facts = [_facts(there, one) for one in there.networks]
    rows = [
        {key: value for key, value in fact.items() if key not in TESTED}
        | {"broken": [one.text for one in broken], "chosen": network is choice.chosen}
        for fact, broken, network in zip(facts, choice.broken, there.networks, strict=True)
    ]
    chosen = None
    if choice.chosen:
        export = {"export": export_command(choice.chosen, bounds.stored)}
        chosen = _facts(there, choice.chosen) | {"why": choice.why} | export
    return formats.dumps({"bounds": bounds._asdict(), "networks": rows, "chosen": chosen}, indent=1)


def _facts(there: Pool, network: Network) -> dict[str, object]:
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in network._asdict().items()}
    return plain | {"name": there.names[network.folder]}


def _table(there: Pool, choice: Pick, stored: Stored) -> RenderableType:
    columns = ["", "network", " parameters", " MFLOPs", " flash, bytes", " RAM, bytes"]
    rows: list[tuple[Cell, ...]] = []
    for one, broken in zip(there.networks, choice.broken, strict=True):
        mine = one is choice.chosen
        flash, ram, latency = (_cost(one, name, stored) for name in STORED)
        cells = (
            *("*" if mine else "", there.names[one.folder], count(one.parameters)),
            *(mega(one.flops), flash, ram, latency, percent(one.accuracy(stored), 2)),
            ", ".join(found.what for found in broken),
        )
        style = "bold green" if mine else "dim" if broken else ""
        rows.append(tuple(styled(cell, style) for cell in cells))
    return table([*columns, " latency, ms", " validation", "misses the bound of"], rows)


def _cost(network: Network, name: str, stored: Stored) -> str:
    value = network.cost(name, stored)
    return "-" if value is None else amount(name, value).split()[0]


def _some(networks: int) -> str:
    return f"{networks} network" + "s" * (networks != 1)


def _limits(bounds: Bounds) -> str:
    """The bounds in words."""
    given = [
        f"{name} at most {amount(name, most)}"
        for name in COSTS
        if (most := getattr(bounds, name)) is not None
    ]
    if bounds.accuracy is not None:
        given.append(f"validation accuracy at least {bounds.accuracy:.2%}")
    return ", ".join(given) or "no bounds"


def _tested(there: Pool, chosen: Network, stored: Stored) -> Iterator[str]:
    """What the chosen network reaches on the test images, and that this decided nothing."""
    exact, rounded = chosen.test_accuracy, chosen.test_accuracy_int8
    said = [f"{exact:.2%} in float32"] if exact is not None else []
    said += [f"{rounded:.2%} in int8"] if rounded is not None else []
    images = next(one.test_images for one in there.fronts if one.search == chosen.search)
    if said:
        on = f" on {images:,} images" if images else ""
        yield f"test accuracy: {', '.join(said)}{on}; the test images took no part in the choice"
    if stored is Stored.INT8 and chosen.validation_accuracy_int8 is None:
        yield "the choice went by validation accuracy in float32; that in int8 was not measured"
    elif chosen.validation_accuracy - chosen.accuracy(stored) > LOSS:
        lost = 100.0 * (chosen.validation_accuracy - chosen.accuracy(stored))
        yield f"eight bits cost it {lost:.1f} points of validation accuracy"


def _missed(there: Pool, choice: Pick) -> str:
    """Say which network comes nearest where none keeps all bounds, and what it breaks."""
    assert choice.nearest is not None
    broken = choice.broken[there.networks.index(choice.nearest)]
    return (
        f"no network of {len(choice.broken)} keeps all bounds; the nearest is "
        f"{there.names[choice.nearest.folder]}: {', '.join(one.text for one in broken)}"
    )
