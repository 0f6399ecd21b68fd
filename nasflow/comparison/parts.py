"""The parts of the comparison page: what each heading, paragraph and column says to its reader.

The CSV files keep the short column names of module `tables`; the page shows longer ones, which a
reader who is new understands without the paragraph above the table.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from nasflow.comparison import fixed, tables
from nasflow.comparison.page import Part
from nasflow.config.experiment import Experiment

COLUMNS = {  # of a table's CSV file -> on the page
    "seconds": "seconds in all",
    "of these search": "seconds of the search alone",
    "epochs of all networks": "epochs, all networks added up",
    "over random %": "accuracy gain over random, %",
    "rounds that moved": "rounds that moved the centre",
    "architectures / h": "children trained per hour",
    "ratio to nash": "children per hour, ratio to nash",
    "n_NM": "morphisms per child (n_NM)",
    "networks a round": "networks per round",
    "λ_start → λ_final": "tau, first → last (λ_start → λ_final)",
    "clock": "cosine of tau",
    "N": "particles (N)",
    "U'(f)": "entropy term U'(f)",
    "a round ends": "how a round ends",
    "differs by": "options that differ",
}


def parts(
    experiment: Experiment,
    runs: pd.DataFrame,
    frames: Mapping[str, pd.DataFrame],
    drawn: Mapping[str, bytes],
) -> list[Part]:
    """Return the parts of the page in their order.

    Args:
        experiment: the configuration of the comparison.
        runs: the runs as `tables.runs` returns them.
        frames: the tables `results`, `methods`, `ablations` and `checklist`.
        drawn: the figures `anytime.png` and `errors.png` as PNG.
    """
    of = experiment.compare.of
    return [
        Part("Results", _results(experiment), _headed(frames["results"], of)),
        Part(
            "What no search would have given",
            f"{fixed.verdict(runs, experiment)} {NO_SEARCH}",
            fixed.table(runs, experiment),
        ),
        Part("Accuracy over time", ANYTIME, ("anytime.png", drawn["anytime.png"])),
        Part("Errors", ERRORS, ("errors.png", drawn["errors.png"])),
        Part("Methods", METHODS, _headed(frames["methods"], of)),
        Part(f"Ablations of {of}", _ablations(of), _headed(frames["ablations"], of)),
        Part("The paper's numbers", PUBLISHED, tables.PAPER),
        Part("NAS best practices", CHECKLIST, frames["checklist"]),
    ]


def seeds(experiment: Experiment) -> str:
    """Say how many seeds there are: `one seed` or `3 seeds`."""
    count = len(experiment.seeds)
    return "one seed" if count == 1 else f"{count} seeds"


def _headed(frame: pd.DataFrame, of: str) -> pd.DataFrame:
    difference = {f"error − {of}'s, points": f"error minus that of {of}, percentage points"}
    return frame.rename(columns={**COLUMNS, **difference})


def _results(experiment: Experiment) -> str:
    level, of = f"{experiment.compare.level:.0%}", experiment.compare.of
    return (
        f"Budget: {tables.equal(experiment)}. Each number is the mean over {seeds(experiment)}; "
        "after ± stands the standard deviation over the seeds. "
        f"Errors are compared with those of {of} seed by seed, since all methods share the splits, "
        "the pretrained network and the order of the images of a seed. "
        f"In brackets stands the {level} interval of the mean difference by the percentile "
        "bootstrap. It is too narrow for few seeds: with three seeds, an interval of 95% holds the "
        "true difference about three times in four. "
        f"After it, ± is half the width of the {level} interval by Student's t distribution, which "
        f"holds the true difference in {level} of all cases if the differences are normally "
        "distributed, with few seeds too. "
        "The accuracy gain over random is 100 (a − r) / r, where a and r are the mean test "
        "accuracies of the method and of the method random. "
        "A round moves the centre when its winner is a child: the child becomes the network that "
        "the next round starts from. "
        "Children per hour are counted over the seconds of the search alone; the paper claims 40 "
        "times as many as NASH. "
        "A dash says that there is no value."
    )


NO_SEARCH = (
    "A fixed network is one that a person could pick without a search, such as chain6 or resnet20, "
    "or the base network alone (none). It is trained by the same code and recipe, and has the "
    "whole budget of a search. The best of them is the one with the lowest mean test error here; "
    "this choice favours the fixed networks. The difference is paired by seed, as in the table of "
    "results; below zero the search is better."
)
ANYTIME = (
    "The best validation accuracy that each method has reached so far, over seconds and over "
    "epochs. An epoch is one pass over the training images; the epochs of all networks are added "
    "up. Both axes are logarithmic. They count from the start of pretraining and show what comes "
    "after its end, from where on the methods differ. A line is the mean over the seeds; its band "
    "reaches from the worst seed to the best. Where the final training also trains on the "
    "validation images, the curves end with the last round."
)
ERRORS = "The test error of every run: one dot per seed. The vertical line is the method's mean."
METHODS = (
    "The settings that each method ran with. A round starts from one network, the centre; a "
    "morphism is one edit that makes a child from it. Tau is the step size of training; it follows "
    "a cosine. epochs_neigh is the length of the cosine in epochs. Halving trains the networks of "
    "a round in rungs (levels). After each rung only the best networks go on. Every rung gets the "
    "same number of epochs, added up over its networks, and all rungs together get as many as nash "
    "would spend. "
    "Gradient ageing multiplies the gradient of a layer by exp(−d² / 2s²), where d is its distance "
    "in layers to the nearest new layer. Particles and U'(f), the entropy term of their energy, "
    "belong to nasgd and nasagd alone; f is the share of all particles that stand on a network. A "
    "dash says that the method has no such setting."
)
PUBLISHED = (
    "CIFAR-10 on one GPU, as the paper reports it. A question mark says that the number comes from "
    "memory or from a replica and is unconfirmed. Do not compare these numbers with the table "
    "above: the budgets and machines differ. n_steps counts the rounds of NASH and NASGraph, and "
    "the cosine cycles of NASGD and NASAGD. n_NM is the number of morphisms per child. n_neigh is "
    "the number of networks per round, for NASGD and NASAGD the number of children. epochs_neigh "
    "is the length of one cosine in epochs, from step size λ_start to λ_final."
)
CHECKLIST = (
    "The checklist of Lindauer & Hutter 2020 (JMLR 21:243), answered from the records of this "
    "comparison. The answer is open where no record shows it."
)


def _ablations(of: str) -> str:
    second = (
        " nasagd is nasgd of second order: its particles have momentum." if of == "nasgd" else ""
    )
    return (
        f"An ablation is {of} with the named options changed and all else equal.{second} Errors "
        f"are compared with those of {of} as in the table of results."
    )
