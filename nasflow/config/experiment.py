"""The experiment's configuration: one frozen dataclass a section, each key with its bounds.

Everything that may stand in a YAML file stands here and in search_config, and nowhere else: types,
defaults, allowed ranges and one line of meaning with the paper's symbol.
`workflow/schemas/config.schema.yaml` is written from these classes (`python tests/test_config.py`),
and a test holds the two together.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from nasflow.config import compare as compare_config
from nasflow.config.baselines import Baselines
from nasflow.config.compare import Compare, algorithm_of
from nasflow.config.search import MORPHISMS, OPTIMIZERS, PRECISIONS, Constraints, Search
from nasflow.config.sections import ConfigError, key, parse, plain, schema
from nasflow.printable import printable, shown

__all__ = [
    "MORPHISMS",
    "Baselines",
    "Compare",
    "ConfigError",
    "Constraints",
    "Experiment",
    "Search",
    "algorithm_of",
    "parse",
    "plain",
    "printable",
    "schema",
]

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
BASELINES = ("nash", "nasgraph", "random", "halving")
ALGORITHMS = ("nasgd", "nasagd", *BASELINES, "none")


@dataclass(frozen=True)
class Data:
    """Where the images come from and how they are split (stage `prepare`)."""

    source: str = key(
        "digits",
        "where images come from",
        choices=(
            "digits",
            "cifar10",
            "cifar100",
            "fashion_mnist",
            "svhn",
            "folder",
            "parquet",
        ),
    )
    root: str = key("data", "folder that torchvision downloads into")
    download: bool = key(True, "let torchvision download what is missing")
    train: str | None = key(None, "folder: directory of class directories; parquet: file or glob")
    test: str | None = key(None, "the same for the test set; without it test_fraction is held out")
    validation: str | None = key(None, "the same for Y_k; without it validation_fraction is")
    split: str | None = key(
        None, "CSV that says of each image of train which split it is in, such as a saved split.csv"
    )
    size: int | None = key(
        None, "resize to size x size pixels; needed when sizes differ", low=4, high=1024
    )
    validation_fraction: float = key(
        0.1, "share of the training images used for Y_k", above=0.0, high=0.9
    )
    test_fraction: float = key(
        0.2,
        "share held out as test set where the source has none",
        above=0.0,
        high=0.9,
    )
    split_seed: int = key(
        0, "seed of the splits, shared by all algorithms and seeds", low=0, high=2**63 - 1
    )


@dataclass(frozen=True)
class Augment:
    """Random changes of a training image, the same for all siblings."""

    flip: bool = key(False, "mirror half of the images")
    shift: int = key(1, "shift by up to this many pixels, zeros moved in", low=0, high=64)


@dataclass(frozen=True)
class Base:
    """g_0: Conv-MaxPool-Conv-MaxPool-Conv-head (more or fewer widths: as many convolutions)."""

    widths: tuple[int, ...] = key([8, 16, 32], "filters of the convolutions", low=1, high=8192)
    kernel: int = key(3, "kernel of the convolutions", choices=(1, 3, 5, 7))
    head: str = key(
        "global_average",
        "what the last linear layer reads: the mean of each map, or all of it",
        choices=("global_average", "flatten"),
    )
    network: str | None = key(
        None, "checkpoint to start from instead, such as results/E/A/seed_0/final/network"
    )


@dataclass(frozen=True)
class Pretrain:
    """Training of g_0 before the search (paper: 20 epochs, 0.5 -> 1e-7)."""

    epochs: float = key(10.0, "passes over the training images", low=0.0, high=1e5)
    batch_size: int = key(64, "S_X", low=2, high=65536)
    optimizer: str = key(
        "heavy_ball", "heavy_ball is D.1, sgd Nesterov, muon orthogonalised", choices=OPTIMIZERS
    )
    precision: str = key("float32", "of convolutions and head; tf32 on a GPU", choices=PRECISIONS)
    lambda_start: float = key(
        0.5,
        "cosine from here (tau of the heavy ball, learning rate of sgd)",
        above=0.0,
        high=10.0,
    )
    lambda_final: float = key(1e-7, "cosine to here", low=0.0, high=10.0)
    friction: float = key(1.0, "gamma of the heavy ball", low=0.0, high=100.0)
    momentum: float = key(0.9, "of sgd and muon", low=0.0, high=0.9999)
    weight_decay: float = key(0.0, "added to the gradient as weight_decay * x", low=0.0, high=1.0)
    label_smoothing: float = key(
        0.0, "share of the target spread over all classes", low=0.0, high=0.9
    )
    shards: int = key(2, "parts of a batch, each with its own BatchNorm statistics", low=1, high=64)


@dataclass(frozen=True)
class Final:
    """Training of the winner to convergence (stage `final_train`)."""

    epochs: float | None = key(
        60.0, "passes over the training images, or none with a flops budget", above=0.0, high=1e5
    )
    flops: float | None = key(
        None,
        "compute budget instead of epochs: forward FLOPs x 3 x images seen",
        above=0.0,
    )
    total_epochs: float | None = key(
        None,
        "instead: passes of all networks that pretraining, search and final training have together",
        above=0.0,
        high=1e6,
    )
    total_seconds: float | None = key(
        None, "instead: the same as wall clock; results then vary", above=0.0
    )
    batch_size: int = key(64, "images a step", low=2, high=65536)
    optimizer: str = key("sgd", "heavy_ball, sgd or muon", choices=OPTIMIZERS)
    precision: str = key("float32", "of convolutions and head; tf32 on a GPU", choices=PRECISIONS)
    lambda_start: float = key(0.05, "cosine from here", above=0.0, high=10.0)
    lambda_final: float = key(1e-7, "cosine to here", low=0.0, high=10.0)
    warmup: float = key(
        0.0, "share of the steps in which the rate rises linearly from zero", low=0.0, high=0.9
    )
    friction: float = key(1.0, "gamma of the heavy ball", low=0.0, high=100.0)
    momentum: float = key(0.9, "of sgd and muon", low=0.0, high=0.9999)
    weight_decay: float = key(5e-4, "added to the gradient as weight_decay * x", low=0.0, high=1.0)
    label_smoothing: float = key(
        0.0, "share of the target spread over all classes", low=0.0, high=0.9
    )
    cutout: int = key(0, "side of a square set to the mean colour, pixels", low=0, high=1024)
    shards: int = key(2, "parts of a batch, each with its own BatchNorm statistics", low=1, high=64)
    alternating_flip: bool = key(
        False, "with augment.flip: mirror an image in every second epoch instead of by chance"
    )
    weight_average: int = key(
        1, "steps over which the result's weights are averaged; 1: the last ones", low=1, high=10**6
    )
    use_validation: bool = key(False, "train on the validation images too")


@dataclass(frozen=True)
class Budget:
    """When the search ends: whichever of these comes first; null is no bound."""

    cycles: float | None = key(None, "n_steps: restarts of the cosine clock", above=0.0)
    epochs: float | None = key(None, "passes over the training images", above=0.0)
    network_epochs: float | None = key(
        None, "passes over the training images, those of all networks added up", above=0.0
    )
    steps: int | None = key(None, "steps k of all siblings together", low=1)
    seconds: float | None = key(None, "wall clock of the rounds; results then vary", above=0.0)
    rounds: int | None = key(None, "rounds; 0 trains the base net alone", low=0, high=10**9 - 1)
    conv_layers: int | None = key(None, "size threshold: convolutions of g_r", low=1)
    parameters: int | None = key(None, "size threshold: parameters of g_r", low=1)
    flops: float | None = key(None, "size threshold: FLOPs an image of g_r", above=0.0)


@dataclass(frozen=True)
class Tracking:
    """The MLflow mirror. Never changes a result."""

    enabled: bool = key(True, "mirror the records to MLflow")
    uri: str = key(
        "sqlite:///results/mlflow.db", "tracking server", pattern=r"^(sqlite:///|https?://).+"
    )


@dataclass(frozen=True)
class Experiment:
    """The whole file."""

    experiment: str = key("digits", "name, folder under results/", pattern=NAME)
    algorithms: tuple[str, ...] = key(["nasgd"], "what to run", choices=ALGORITHMS)
    seeds: tuple[int, ...] = key([0], "one search a seed", low=0, high=2**63 - 1)
    device: str = key("cpu", "where networks live", pattern=r"^(cpu|cuda(:[0-9]+)?)$")
    threads: int = key(2, "cores that a stage takes; changes no result", low=1, high=1024)
    data: Data = field(default_factory=Data)
    augment: Augment = field(default_factory=Augment)
    base: Base = field(default_factory=Base)
    pretrain: Pretrain = field(default_factory=Pretrain)
    search: Search = field(default_factory=Search)
    baselines: Baselines = field(default_factory=Baselines)
    budget: Budget = field(default_factory=Budget)
    final: Final = field(default_factory=Final)
    compare: Compare = field(default_factory=Compare)
    tracking: Tracking = field(default_factory=Tracking)

    def variant(self, name: str) -> Experiment:
        """The experiment as the algorithm or the ablation (`nasgd-log`) of that name runs it."""
        changed = {
            section: parse(
                type(getattr(self, section)),
                compare_config.merged(plain(getattr(self, section)), options),
                section,
            )
            for section, options in compare_config.overrides(self.compare, name).items()
        }
        return dataclasses.replace(self, **changed)

    def problems(self) -> list[str]:
        """What is wrong between keys."""
        problems = []
        data, search, final = self.data, self.search, self.final
        if data.source in ("folder", "parquet") and data.train is None:
            problems.append(
                f"data.train: null; expected a path, since data.source is {data.source}"
            )
        lengths = ("epochs", "flops", "total_epochs", "total_seconds")
        if sum(getattr(final, name) is not None for name in lengths) != 1:
            problems.append(
                f"final.epochs: set exactly one of final.{', final.'.join(lengths)}, "
                "the others to null"
            )
        if all(getattr(self.budget, f.name) is None for f in dataclasses.fields(Budget)):
            problems.append(
                "budget: no bound is set, the search would never end; set for example budget.rounds"
            )
        for name in ("pretrain", "search", "baselines", "final"):
            stage = getattr(self, name)
            if stage.lambda_final > stage.lambda_start:
                problems.append(
                    f"{name}.lambda_final: {stage.lambda_final}; "
                    f"expected at most lambda_start, {stage.lambda_start}"
                )
        if search.constraints.min_filters > search.constraints.max_filters:
            problems.append(
                f"search.constraints.min_filters: {search.constraints.min_filters}; "
                f"expected at most max_filters, {search.constraints.max_filters}"
            )
        if search.burn_in and search.burn_in >= search.warmup_steps:  # particles see one step
            problems.append(
                f"search.burn_in: {search.burn_in}; "
                f"expected below warmup_steps, {search.warmup_steps}"
            )
        if not any(search.morphisms.values()):
            problems.append("search.morphisms: all weights are 0; expected at least one above 0")
        return problems + self._problems_of_ablations()

    def _problems_of_ablations(self) -> list[str]:
        if self.compare.of not in ALGORITHMS:
            known = ", ".join(ALGORITHMS)
            return [f"compare.of: {shown(self.compare.of)}; expected one of {known}"]
        problems = []
        for name in compare_config.names(self.compare):
            try:
                self.variant(name)
            except ConfigError as error:
                where = f"compare.ablations.{name.partition('-')[2]}"
                problems += [f"{where}.{line}" for line in str(error).splitlines()]
        return problems
