"""Bad configurations, cases 1 to 42 of the list: each is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from bad_input import HOSTILE, Case, Make, bomb, config, one_line, parameter, photos_of, pretrain
from rounds import arguments

from nasflow.__main__ import main
from nasflow.config.experiment import Experiment
from nasflow.config.reading import ConfigError, parse
from nasflow.config.section import plain


def check(name: str) -> Make:
    return lambda folder: ["check", str(folder / name)]


def search(*options: str, **section: object) -> Make:
    """Run a round on the sound data and network."""

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
        33, "one class", lambda folder: photos_of(folder, {"a": 4}), ["1 class; expected 2 or more"]
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


@pytest.mark.parametrize("case", map(parameter, CONFIG))
def test_a_bad_configuration_is_refused_in_one_line(case: Case, folder: Path, capfd: Any) -> None:
    one_line(case, folder, capfd)


def test_the_list_of_bad_configurations_is_complete() -> None:
    assert sorted({case.number for case in CONFIG}) == list(range(1, 43))


def keys(section: Mapping[str, Any], where: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in section.items():
        yield (*where, name)
        if isinstance(value, Mapping):
            yield from keys(value, (*where, name))


def misspelt(name: str) -> Iterator[str]:
    """Yield a name with one letter dropped, doubled, or swapped with the next one."""
    for i in range(len(name)):
        yield name[:i] + name[i + 1 :]
        yield name[:i] + name[i] + name[i:]
        yield name[:i] + name[i + 1 : i + 2] + name[i : i + 1] + name[i + 2 :]


KEYS = list(keys(plain(parse(Experiment, {"budget": {"rounds": 1}}))))


def nested(path: Sequence[str], value: object) -> Any:
    return {path[0]: nested(path[1:], value)} if path else value


def test_every_misspelt_key_is_refused_with_the_right_one() -> None:
    assert len(KEYS) > 100
    for path in KEYS:
        beside = {key[-1] for key in KEYS if key[:-1] == path[:-1]}
        wrongs = {*misspelt(path[-1])} - beside - {""}
        assert wrongs
        for wrong in wrongs:
            with pytest.raises(ConfigError) as caught:
                parse(Experiment, nested([*path[:-1], wrong], 1))
            said = f"{'.'.join([*path[:-1], wrong])}: unknown key; did you mean '{path[-1]}'?"
            assert said in str(caught.value)


@pytest.mark.parametrize("path", KEYS[::6], ids=".".join)
def test_a_misspelt_key_of_a_file_ends_with_2(path: Any, folder: Path, capfd: Any) -> None:
    wrong = [*path[:-1], path[-1] + path[-1][-1]]
    case = Case(6, "", config(yaml.safe_dump(nested(wrong, 1))))
    one_line(
        case._replace(words=[f"{'.'.join(wrong)}: unknown key; did you mean '{path[-1]}'?"]),
        folder,
        capfd,
    )


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_name_or_key_is_one_line(value: str, folder: Path, capfd: Any) -> None:
    for text in ({"experiment": value}, {value: 1}, {"compare": {"ablations": {value: {}}}}):
        case = Case(22, "", config(json.dumps(text)), ["mine.yaml: "])
        one_line(case, folder, capfd)
