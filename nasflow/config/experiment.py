"""The experiment's configuration: one frozen model for each section, each key with its bounds.

Everything that may stand in a YAML file stands in this room and nowhere else: types, defaults,
allowed ranges and one line of meaning with the symbol of the paper. The schema file
`workflow/schemas/config.schema.yaml` is written from these models, and a test compares the two.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from nasflow.config import compare, suite
from nasflow.config.base import Base
from nasflow.config.baselines import Baselines
from nasflow.config.budget import Budget
from nasflow.config.compare import Compare
from nasflow.config.data import Augment, Data
from nasflow.config.kinds import Algorithm, Source
from nasflow.config.prune import PART, Prune
from nasflow.config.reading import ConfigError, parse
from nasflow.config.search import Search
from nasflow.config.section import Section, different, key, plain
from nasflow.config.suite import Length, Method, Seed, Suite
from nasflow.config.tracking import Tracking
from nasflow.config.training import Final, Pretrain, Training

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
DEVICE = r"^(cpu|cuda(:[0-9]+)?)$"
LENGTHS = ("epochs", "flops", "total_epochs", "total_seconds")


class Experiment(Section):
    """The whole configuration of an experiment."""

    experiment: str = key("digits", "name, folder under results/", pattern=NAME)
    algorithms: Annotated[tuple[Method, ...], AfterValidator(different)] = key(
        (Algorithm.NASGD,), "what to run", min_length=1, strict=False
    )
    seeds: Annotated[tuple[Seed, ...], AfterValidator(different)] = key(
        (0,), "one search per seed", min_length=1, strict=False
    )
    device: str = key("cpu", "where networks live", pattern=DEVICE)
    deterministic: bool = key(
        False, "on a GPU, only algorithms that give the same bits in each run; slower"
    )
    threads: int = key(2, "cores that a stage takes; changes no result", low=1, high=1024)
    rounds_per_job: int = key(
        1, "rounds that one job computes in a row; changes no result", low=1, high=1000
    )
    data: Data = Data()
    augment: Augment = Augment()
    base: Base = Base()
    pretrain: Pretrain = Pretrain()
    search: Search = Search()
    baselines: Baselines = Baselines()
    budget: Budget = Budget()
    final: Final = Final()
    prune: Prune = Prune()
    compare: Compare = Compare()
    suite: Suite = Suite()
    tracking: Tracking = Tracking()

    def variant(self, name: str) -> Experiment:
        """Return the experiment as an algorithm or an ablation (`nasgd-log`) runs it.

        Args:
            name: the algorithm, which changes nothing, or the ablation.

        Raises:
            ConfigError: if an option of the ablation is unknown or not allowed.
        """
        changed = {}
        for section, options in compare.overrides(self.compare, name).items():
            before: Section = getattr(self, section)
            changed[section] = parse(type(before), compare.merged(plain(before), options), section)
        return self.model_copy(update=changed)

    @property
    def prune_seconds(self) -> float | None:
        """The seconds of one prune round at most; None without a bound.

        With `final.total_seconds` all prune rounds together get a part (`prune.PART`) of what the
        budget of the search leaves, where `prune.seconds` says nothing else.
        """
        total, rounds = self.final.total_seconds, self.prune.rounds
        if self.prune.seconds is not None or total is None or not rounds:
            return self.prune.seconds
        return max(PART * (total - (self.budget.seconds or 0.0)), 1.0) / rounds

    def of_set(self, name: str, length: Length) -> Experiment:
        """Return the experiment that has the runs of one set of the suite at equal seconds.

        Args:
            name: the name of the set, one of `suite.sets`.
            length: one of `suite.lengths`.

        Raises:
            ConfigError: if an option of the set is unknown or not allowed.
        """
        return parse(Experiment, suite.laid_over(plain(self), self.suite, name, length))

    def problems(self) -> list[str]:
        """List what is wrong between keys that are each valid, one line per problem."""
        problems = [
            *self._problems_of_sources(),
            *self._problems_of_start(),
            *self._problems_of_lengths(),
            *self._problems_of_front(),
            *self._problems_of_step_sizes(),
            *self._problems_of_search(),
            *self._problems_of_ablations(),
            *self.suite.problems_of_methods(self.compare.of),
        ]
        return problems or self._problems_of_sets()

    def _problems_of_sources(self) -> list[str]:
        source = self.data.source
        if source not in (Source.FOLDER, Source.PARQUET) or self.data.train is not None:
            return []
        return [f"data.train: null; expected a path, since data.source is {source}"]

    def _problems_of_start(self) -> list[str]:
        portfolio, problems = self.base.portfolio, []
        if portfolio and self.base.network is not None:
            problems.append("base.portfolio: expected [] together with base.network")
        if portfolio and self.pretrain.epochs:
            problems.append(
                f"pretrain.epochs: {self.pretrain.epochs}; expected 0 with base.portfolio, whose "
                "networks all begin with random weights in round 1"
            )
        if Algorithm.RACE in self.algorithms and len(portfolio) < 2:
            problems.append(
                "base.portfolio: race needs two networks or more, such as [chain6, chain7]"
            )
        return problems

    def _problems_of_lengths(self) -> list[str]:
        problems = []
        if sum(getattr(self.final, name) is not None for name in LENGTHS) != 1:
            problems.append(
                f"final.epochs: set exactly one of final.{', final.'.join(LENGTHS)}, "
                "the others to null"
            )
        if self.final.resize < 1.0 and self.final.flops is not None:
            problems.append(
                f"final.resize: {self.final.resize}; expected 1 together with final.flops, which "
                "counts FLOPs of images of their own size; set another length, such as final.epochs"
            )
        if self.final.patience is not None and self.final.use_validation:
            problems.append(
                f"final.patience: {self.final.patience}; expected null together with "
                "final.use_validation: true, which leaves no images on which a plateau could be "
                "seen; set use_validation to false, or patience to null"
            )
        if all(bound is None for _, bound in self.budget):
            problems.append(
                "budget: no bound is set, the search would never end; set for example budget.rounds"
            )
        return problems

    def _problems_of_front(self) -> list[str]:
        if self.final.front == 1 or not self.final.use_validation:
            return []
        return [
            f"final.front: {self.final.front}; expected 1 together with final.use_validation: true,"
            " since the validation images tell which networks are on the front; set use_validation"
            " to false"
        ]

    def _problems_of_step_sizes(self) -> list[str]:
        stages: dict[str, Training | Baselines] = {
            "pretrain": self.pretrain,
            "search": self.search,
            "baselines": self.baselines,
            "final": self.final,
        }
        return [
            f"{name}.lambda_final: {stage.lambda_final}; "
            f"expected at most lambda_start, {stage.lambda_start}"
            for name, stage in stages.items()
            if stage.lambda_final > stage.lambda_start
        ]

    def _problems_of_search(self) -> list[str]:
        search, problems = self.search, []
        if search.constraints.min_filters > search.constraints.max_filters:
            problems.append(
                f"search.constraints.min_filters: {search.constraints.min_filters}; "
                f"expected at most max_filters, {search.constraints.max_filters}"
            )
        if search.burn_in and search.burn_in >= search.warmup_steps:  # particles would see one step
            problems.append(
                f"search.burn_in: {search.burn_in}; "
                f"expected below warmup_steps, {search.warmup_steps}"
            )
        if not any(search.drawn.values()):
            problems.append(
                f"search.morphisms: all weights of {search.moves} moves are 0; "
                "expected at least one above 0"
            )
        return problems

    def _problems_of_ablations(self) -> list[str]:
        problems = []
        for name in compare.names(self.compare):
            where = f"compare.ablations.{name.partition('-')[2]}"
            try:
                search = self.variant(name).search
            except ConfigError as error:
                problems += [f"{where}.{line}" for line in str(error).splitlines()]
                continue
            if search.timed and search.table_of_latencies != self.search.table_of_latencies:
                problems.append(
                    f"{where}.search.constraints: expected the precision and the latency_table of "
                    "the experiment, which has one table of latencies"
                )
        return problems

    def _problems_of_sets(self) -> list[str]:
        """Try each set, where nothing else is wrong; a problem of both lengths is listed once."""
        problems = []
        for name in self.suite.sets:
            for length in self.suite.lengths:
                try:
                    self.of_set(name, length)
                except ConfigError as error:
                    problems += [f"suite.sets.{name}.{line}" for line in str(error).splitlines()]
        return list(dict.fromkeys(problems))
