"""The trust sheet's figures (docs/reliability.md), measured again.

    python tests/torture.py               # all parts, some 15 minutes on two cores
    python tests/torture.py kills steps   # these parts
    python tests/torture.py --fast        # a slice of each, under a minute

Prints one row for each claim. The exit code is 1 when a claim does not hold, or when a planted bug
goes unnoticed.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import damage
import foreign
import numpy as np
import small
import torch
import tree
from cases import images, network
from killing import command, ends, killed_until_done, newest, no_bar, ranks_of
from lacking import LACKING, reader
from PIL import Image
from powercut import Journal, code_of, die_at, inside
from small import LONG, STAGES, STATUS, Run, results

from nasflow.stages import rounds, training
from nasflow.storage import attempt, checkpoint, generations, splits
from nasflow.storage.attempt import Attempt
from nasflow.storage.interruption import Stopped
from nasflow.training import batches, optim
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import Snapshot

ALONE_AND_TWO = (
    *(("pretrain", 1), ("nasgd", 2), ("nasagd", 1), ("nash", 2), ("final", 1)),
    *(("nasagd", 2), ("nasgd", 1), ("nash", 1)),
)


class Row(NamedTuple):
    claim: str
    figure: str
    holds: bool


class Bench(NamedTuple):
    """Data, a pretrained network, and the undisturbed results of every stage of LONG and of
    STAGES."""

    folder: Path
    long: dict[str, dict[str, bytes]]
    short: dict[str, dict[str, bytes]]
    fast: bool
    rng: np.random.Generator

    def some(self, few: int, many: int) -> int:
        return few if self.fast else many


def kills(bench: Bench) -> Iterator[Row]:
    """Send SIGKILL at random moments, some of them in the middle of a save."""
    wanted, least = bench.some(8, 200), bench.some(3, 24)
    done, halves, runs, resumed, wrong = 0, 0, 0, set(), 0
    on_two = 0
    durations: dict[tuple[str, int], float] = {}
    while done < wanted or runs < least:
        case = name, ranks = ALONE_AND_TWO[runs % len(ALONE_AND_TWO)]
        out = bench.folder / "killed" / str(runs)
        out.parent.mkdir(exist_ok=True)
        if case not in durations:
            undisturbed = out.with_name(f"{name}_{ranks}")
            durations[case] = ends(LONG[name], bench.folder, undisturbed, ranks)
            wrong += results(undisturbed) != bench.long[name]
        tally = killed_until_done(
            LONG[name], bench.folder, out, ranks, durations[case] / 2, bench.rng
        )
        wrong += results(out) != bench.long[name]
        runs, done, halves = runs + 1, done + tally.kills, halves + tally.halves
        on_two += tally.kills * (ranks == 2)
        resumed |= {(name, ranks, step) for step in tally.resumed}
    yield Row(
        "killed with SIGKILL at any moment, a stage ends in the same bytes",
        f"{done} kills ({on_two} with two ranks, {halves} in the midst of a save) in {runs} runs, "
        f"gone on from {len(resumed)} different places; {wrong} runs differ",
        not wrong,
    )
    if not bench.fast:
        yield _commands_killed(bench)


def _commands_killed(bench: Bench) -> Row:
    """Kill the command itself, also under the launcher of several ranks."""
    whole, out = bench.folder / "command", bench.folder / "commands"
    many = {"max_steps": 400, "min_lead": 10.0}
    small.one_round(bench.folder, whole, **many)
    deaths = 0
    for ranks in (2, 1, 2):
        before = newest(out)
        process = command(
            small.options(bench.folder, out, **many), ranks, NASFLOW_CHECKPOINT_SECONDS="0"
        )
        while newest(out) <= before + 5 and process.poll() is None:
            time.sleep(0.01)
        victims = ranks_of(process.pid) if ranks > 1 else [process.pid]
        os.kill(victims[bench.rng.integers(len(victims))], signal.SIGKILL)
        process.communicate()
        deaths += process.returncode != 0
    done = command(small.options(bench.folder, out, **many))
    done.communicate()
    same = done.returncode == 0 and results(out) == results(whole)
    return Row(
        "so does the command, alone or with `--ranks 2` when a rank is killed",
        f"{deaths} kills in 1 run of 400 steps; {int(not same)} runs differ",
        same and deaths == 3,
    )


def steps(bench: Bench) -> Iterator[Row]:
    """Stop a stage by SIGTERM after every step, once for each step."""
    tried, wrong = 0, 0
    for name, run in ({"nasagd": STAGES["nasagd"]} if bench.fast else LONG).items():
        whole = (bench.short if bench.fast else bench.long)[name]
        for step in range(1, json.loads(whole[STATUS])["steps"]):
            out = bench.folder / "stopped" / f"{name}_{step}"
            _stop_after(step, run, bench.folder, out)
            run(bench.folder, out)
            tried, wrong = tried + 1, wrong + (results(out) != whole)
    yield Row(
        "stopped after any step, a stage ends in the same bytes",
        f"{tried} of {tried} steps tried; {wrong} differ",
        not wrong,
    )


def deaths(bench: Bench) -> Iterator[Row]:
    """End a process at every file operation, and cut the power there (a model, see
    powercut.py)."""
    for what, cut in (("death", False), ("power cut (modelled)", True)):
        lots = bench.some(1, 5) if cut else 1
        saves = [_saving(bench, cut) for _ in range(lots)]
        operations, wrong = np.sum(saves, 0)
        yield Row(
            f"{what} at any file operation of a save: the old or the new state stands",
            f"{operations} deaths; {wrong} with neither",
            not wrong,
        )
        names, every = ("nasagd",) if bench.fast else ("nasagd", "final"), bench.some(6, 1)
        found = [_ending(bench, name, cut, every) for name in names for _ in range(lots)]
        operations, wrong, differ = np.sum(found, 0)
        yield Row(
            f"{what} at any file operation of a stage's end: every file is whole or absent, "
            "status.json the last; the same command ends in the same bytes",
            f"{operations} deaths; {wrong} left a file that is neither, {differ} ends differ",
            not wrong + differ,
        )


def damages(bench: Bench) -> Iterator[Row]:
    """Flip bits, cut files and write holes at random places in files that are read back."""
    found = _damage(bench, bench.some(4, 100))
    for name, outcomes in found.items():
        accepted, refused = outcomes["accepted"], outcomes["refused"]
        other = outcomes.total() - accepted - refused
        yield Row(
            f"damage is refused: {name}",
            f"{outcomes.total()} tried; {accepted} accepted, {other} not in one line",
            not accepted + other,
        )


def planted(bench: Bench) -> Iterator[Row]:
    """Plant bugs that the parts above must see."""
    caught = {}
    for what, loss in LACKING.items():
        if bench.fast and not what.endswith((" v.", " buffers.", "rows")):
            continue
        name, out = what.split()[0], bench.folder / "lacking" / what.replace(" ", "_")
        _stop_after(5, STAGES[name], bench.folder, out)
        with mock.patch.object(attempt, "generations", reader(loss)):
            STAGES[name](bench.folder, out)
        caught[f"without {what.split(maxsplit=1)[1]} in a kept {name}"] = (
            results(out) != bench.short[name]
        )
    for what in ("files", "folders"):
        caught[f"fsync of {what} skipped in a save"] = any(
            _saving(bench, True, (what,))[1]
            for _ in range(10)  # a lot may let it pass
        )
        caught[f"fsync of {what} skipped at a stage's end"] = any(
            _ending(bench, "nasagd", True, bench.some(6, 1), (what,))[1] for _ in range(5)
        )
    with mock.patch.object(os, "replace", _copied):
        every = bench.some(6, 1)
        caught["files written in place"] = _ending(bench, "nasagd", True, every)[1] > 0
    for module in (checkpoint, splits, generations):
        with mock.patch.object(module, "verified", lambda path, *_: path.read_bytes()):
            found = _damage(bench, 4)
        accepted = sum(outcomes["accepted"] for outcomes in found.values())
        caught[f"sha256 not compared by {module.__name__}"] = accepted > 0
    for what, bug in {"two torch threads": _two_threads, "numbers by process": _by_process}.items():
        out = bench.folder / "planted" / what.replace(" ", "_")
        assert not code_of(inside(functools.partial(bug, bench, out)))
        caught[what] = results(out) != bench.long["nasgd"]
    unseen = [what for what, seen in caught.items() if not seen]
    yield Row(
        "planted bugs are noticed",
        f"{len(caught) - len(unseen)} of {len(caught)}" + "".join(f"; unseen: {w}" for w in unseen),
        not unseen,
    )


def same(bench: Bench) -> Iterator[Row]:
    """Class A: the same surroundings give the same bytes."""
    elsewhere = bench.folder / "elsewhere"
    for part in ("data", "pretrain"):
        shutil.copytree(bench.folder / part, elsewhere / part)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    equal: dict[str, bool] = {}
    for name, run in LONG.items():
        run(elsewhere, elsewhere / "whole" / name)
        equal[f"{name}: another folder, other global seeds"] = (
            results(elsewhere / "whole" / name) == bench.long[name]
        )
    for name, ranks in ALONE_AND_TWO:
        out = elsewhere / f"{name}_{ranks}"
        ends(LONG[name], bench.folder, out, ranks, every="60")
        equal[f"{name}: another process, {ranks} ranks"] = results(out) == bench.long[name]
    for ranks, threads in () if bench.fast else ((1, 1), (1, 2), (2, 1), (2, 2)):
        out = elsewhere / f"command_{ranks}_{threads}"
        given = small.options(bench.folder, out, max_steps=35, min_lead=10.0)
        process = command(given, ranks, threads, PYTHONHASHSEED=str(ranks + threads))
        process.communicate()
        equal[f"nasgd: the command, {ranks} ranks of {threads} workers"] = (
            process.returncode == 0 and results(out) == bench.long["nasgd"]
        )
    equal["siblings in another order"] = _order()
    differ = [what for what, is_equal in equal.items() if not is_equal]
    yield Row(
        "another folder, another process, 1 or 2 ranks or workers, siblings in another order: the "
        "same bytes",
        f"{len(equal)} pairs; {len(differ)} differ" + "".join(f"; {what}" for what in differ),
        not differ,
    )


def _stop_after(step: int, run: Run, folder: Path, out: Path) -> None:
    real = Attempt.keep

    def keep(self: Attempt, at: int, make: Callable[[], Snapshot]) -> None:
        if at == step:
            os.kill(os.getpid(), signal.SIGTERM)
        real(self, at, make)

    with mock.patch.object(Attempt, "keep", keep), contextlib.suppress(Stopped):
        run(folder, out)
        raise AssertionError("was not stopped")


def _saving(bench: Bench, cut: bool, forgets: tuple[str, ...] = ()) -> tuple[int, int]:
    """End a save of step 3, after those of steps 1 and 2, at each of its file operations.

    Returns how often that was, and how often the state found afterwards is neither 2 nor 3.
    """
    top = Path(tempfile.mkdtemp(dir=bench.folder))
    wrong = 0
    for operation in range(1, 1000):
        here = top / str(operation)
        for step in (1, 2):
            generations.write_generation(here, small.sketch(step), {})
        journal = Journal(here, top / f"{operation}.journal", forgets) if cut else None
        save = functools.partial(generations.write_generation, here, small.sketch(3), {})
        died = die_at(operation, save, journal)
        if journal:
            journal.cut(bench.rng)
        with contextlib.redirect_stderr(io.StringIO()):
            found = [g.snapshot for g in generations.generations(here)]
        allowed = (2, 3) if died else (3,)  # 3 must be there once the save is over
        good = bool(found) and found[0].step in allowed and found[0].arrays["a"][0] == 1.0
        wrong += not good
        if not died:
            return operation - 1, wrong
    raise AssertionError("a save without an end")


def _ending(
    bench: Bench, name: str, cut: bool, every: int = 1, forgets: tuple[str, ...] = ()
) -> tuple[int, int, int]:
    """End a stage's last step at each of its file operations, or at every `every`-th of them.

    Returns how often that was, how often a file was left that is neither whole nor absent, and how
    often the next attempt ends in other results.
    """
    top, whole, run = Path(tempfile.mkdtemp(dir=bench.folder)), bench.short[name], STAGES[name]
    _stop_after(json.loads(whole[STATUS])["steps"] - 1, run, bench.folder, top / "almost")
    wrong, differ = 0, 0
    for tried, operation in enumerate(range(1, 1000, every)):
        out = top / str(operation)
        shutil.copytree(top / "almost", out)
        journal = Journal(out, top / f"{operation}.journal", forgets) if cut else None
        work = functools.partial(_quiet, run, bench.folder, out)
        died = die_at(operation, work, journal)
        if journal:
            journal.cut(bench.rng)
        wrong += not _whole_or_absent(out, whole)
        _quiet(run, bench.folder, out)
        differ += results(out) != whole
        if not died:
            return tried, wrong, differ
    raise AssertionError("a stage without an end")


def _whole_or_absent(out: Path, whole: dict[str, bytes]) -> bool:
    """Return whether each file is whole or absent, and all are there once status.json is."""
    found = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file() and p.name[0] != "."}
    status = found.pop(STATUS, None)
    if any(content != whole[name] for name, content in found.items()):
        return False
    return status is None or (set(found) == set(whole) - {STATUS} and status.endswith(b"}\n"))


def _quiet(run: Run, folder: Path, out: Path) -> None:
    """Run a stage without its lines about states that a power cut damaged."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.ExitStack() as stack:
        for module in (rounds, training):
            stack.enter_context(mock.patch.object(module, "progress", no_bar))
        run(folder, out)


def _damage(bench: Bench, trials: int) -> dict[str, Counter[str]]:
    out = Path(tempfile.mkdtemp(dir=bench.folder)) / "state"
    _stop_after(5, STAGES["nasagd"], bench.folder, out)
    return damage.count(bench.folder, out / ".resume", trials, bench.rng)


def _copied(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    os.unlink(source)


def _two_threads(bench: Bench, out: Path) -> None:
    torch.set_num_threads(2)
    with mock.patch.object(torch, "set_num_threads"):
        _quiet(LONG["nasgd"], bench.folder, out)


def _by_process(bench: Bench, out: Path) -> None:
    own = np.random.default_rng(os.getpid())
    with mock.patch.object(batches, "generator", return_value=own):
        _quiet(LONG["nasgd"], bench.folder, out)


def _order() -> bool:
    """Compare losses and networks of five siblings that train forwards and backwards."""
    family = [network(seed, 1) for seed in range(5)]
    step = optim.heavy_ball(friction=1.0, weight_decay=0.0)
    batch = (images(16), torch.arange(16) % 5)
    ended = []
    for order in (family, family[::-1]):
        with Siblings(order, step, average=4) as live:
            losses = [np.stack(live.step([batch], [batch], 0.1), 1) for _ in range(12)]
            ended.append((np.stack(losses, 1), [live.network(i) for i in range(5)]))
    (losses, networks), (others, back) = ended
    return bool(np.array_equal(losses, others[::-1])) and all(
        torch.equal(a.x[n], b.x[n]) and torch.equal(a.v[n], b.v[n])
        for a, b in zip(networks, back[::-1], strict=True)
        for n in a.x
    )


def records(bench: Bench) -> Iterator[Row]:
    """Read records as somebody else may write them, with digests that agree."""
    experiment = tree.finished(Path(tempfile.mkdtemp(dir=bench.folder)) / "tiny")
    Image.new("L", (8, 8), 99).save(experiment / "picture.png")
    draw, trials = random.Random(int(bench.rng.integers(2**63))), bench.some(20, 5000)
    for name in foreign.READERS:  # imports, and the programs of the report, which take seconds once
        assert foreign.code_of(name, experiment) == 0, name
    (experiment / "page.html").unlink()
    wrong: list[foreign.Trial] = []
    slowest = largest = 0.0
    for _ in range(trials):
        found, seconds, megabytes = measured(lambda: foreign.trial(experiment, draw))
        slowest, largest = max(slowest, seconds), max(largest, megabytes)
        if found.code not in foreign.CODES or seconds > 5.0 or megabytes > 500.0:
            wrong.append(found)
    figure = f"{len(wrong)} of {trials}; at most {slowest:.1f} s and {largest:.0f} MB"
    claim = "a changed record that ends a command with a traceback, or takes above 5 s or 500 MB"
    yield Row(claim, figure + "".join(f"; {one}" for one in wrong[:3]), not wrong)


def measured(call: Callable[[], foreign.Trial]) -> tuple[foreign.Trial, float, float]:
    """Return what a call returns, its seconds, and how many MB it took at its peak."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what the process holds
    before, began = _megabytes("VmRSS"), time.monotonic()
    found = call()
    return found, time.monotonic() - began, _megabytes("VmHWM") - before


def _megabytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 1024


PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "kills": kills,
    "steps": steps,
    "deaths": deaths,
    "damage": damages,
    "planted": planted,
    "same": same,
    "records": records,
}


def prepare(folder: Path, fast: bool, seed: int) -> Bench:
    small.prepare(folder)
    found: list[dict[str, Any]] = []
    for where, runs in (("whole", LONG), ("short", STAGES)):
        for name, run in runs.items():
            run(folder, folder / where / name)
        found.append({name: results(folder / where / name) for name in runs})
    return Bench(folder, found[0], found[1], fast, np.random.default_rng(seed))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--fast", action="store_true", help="a slice of each")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and places")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(unknown)}; expected {', '.join(PARTS)}")
    torch.set_num_threads(1)
    holds = True
    with (
        tempfile.TemporaryDirectory() as folder,
        open(os.devnull, "w") as nothing,
        contextlib.redirect_stderr(nothing),
    ):
        bench = prepare(Path(folder), arguments.fast, arguments.seed)
        print("| part | claim | figure | holds |\n| --- | --- | --- | --- |", flush=True)
        for part in arguments.parts or PARTS:
            began = time.monotonic()
            for row in PARTS[part](bench):
                holds &= row.holds
                verdict = "yes" if row.holds else "NO"
                print(f"| {part} | {row.claim} | {row.figure} | {verdict} |", flush=True)
            print(f"| {part} | | {time.monotonic() - began:.0f} s | |", flush=True)
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
