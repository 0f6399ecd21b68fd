"""The section `search` of the configuration: a round, what its children must keep, NASAGD's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nasflow.config.sections import key

MORPHISMS = (
    "deepen",
    "widen",
    "connect_concat",
    "connect_add",
    "enlarge_kernel",
    "add_pool",
    "remove_pool",
    "shallow",
    "narrow",
    "disconnect",
    "shrink_kernel",
)
OPTIMIZERS = ("heavy_ball", "sgd", "muon")
PRECISIONS = ("float32", "tf32", "bfloat16")


@dataclass(frozen=True)
class Constraints:
    """What a child must not exceed (paper 4.3)."""

    max_conv_layers: int = key(20, "convolutions", low=1)
    max_filters: int = key(512, "filters of one convolution", low=1, high=65536)
    min_filters: int = key(4, "filters of one convolution", low=1, high=65536)
    max_kernel: int = key(7, "kernel", choices=(1, 3, 5, 7))
    max_inputs: int = key(2, "connections into one layer", low=1, high=64)
    max_pools: int = key(4, "pools", low=0, high=64)
    max_last_filters: int | None = key(None, "filters of a convolution the head reads", low=1)
    max_last_inputs: int | None = key(
        None, "connections into a convolution the head reads", low=1, high=64
    )
    max_parameters: int | None = key(None, "parameters", low=1)
    max_flops: float | None = key(None, "FLOPs an image", above=0.0)


@dataclass(frozen=True)
class SecondOrder:
    """NASAGD alone (paper 2.2 and appendix D.2)."""

    friction: float | None = key(
        None,
        "gamma of phi; auto: in units that just avoid overshoot; null: 1 with auto, 0 with paper",
        low=0.0,
        high=100.0,
    )
    paper_coefficient: bool = key(
        False, "1 before the squared differences of phi, as printed; 1/2 conserves energy"
    )
    kinetic: bool = key(False, "add |v_i|^2 / 2 to E_i (section 2.2; D.2 drops it)")
    restart: str = key(
        "signed",
        "phi returns to 0 when the mean loss rises (signed), when any particle climbs (paper)",
        choices=("signed", "paper", "never"),
    )


@dataclass(frozen=True)
class Search:
    """One round of NASGD (paper 2.1, D.1) or NASAGD (2.2, D.2)."""

    n_neigh: int = key(8, "children of a round", low=1, high=100_000)
    n_morphisms: int = key(1, "morphisms that make a child (n_NM of NASH)", low=1, high=100)
    proposal: str = key(
        "uniform",
        "gradient draws 4 n_neigh candidates and keeps those with the steepest loss",
        choices=("uniform", "gradient"),
    )
    weights: str = key(
        "inherited",
        "children take their parent's weights, or all networks of a round start from random ones",
        choices=("inherited", "fresh"),
    )
    particles: int = key(1000, "N, particles on g_r at the start of a round", low=2, high=10**12)
    epochs_neigh: float = key(
        18.0, "length of a cycle of the cosine clock, epochs", above=0.0, high=1e5
    )
    lambda_start: float = key(0.05, "tau at the start of a cycle", above=0.0, high=10.0)
    lambda_final: float = key(1e-7, "tau at the end of a cycle", low=0.0, high=10.0)
    batch_size: int = key(64, "S_X", low=2, high=65536)
    validation_batch_size: int = key(32, "S_Y", low=1, high=65536)
    validation: str = key(
        "paired",
        "the same Y_k (and X_k) for all siblings, or their own (the paper's)",
        choices=("paired", "independent"),
    )
    optimizer: str = key(
        "heavy_ball", "heavy_ball is D.1, sgd Nesterov, muon orthogonalised", choices=OPTIMIZERS
    )
    precision: str = key("float32", "of convolutions and head; tf32 on a GPU", choices=PRECISIONS)
    friction: float = key(1.0, "gamma of the heavy ball", low=0.0, high=100.0)
    momentum: float = key(0.9, "of sgd and muon", low=0.0, high=0.9999)
    weight_decay: float = key(0.0, "added to the gradient as weight_decay * x", low=0.0, high=1.0)
    graph: str = key(
        "complete", "K: every pair, or parent-child only", choices=("complete", "star")
    )
    edge_weights: Mapping[str, float] = key(
        dict.fromkeys((*MORPHISMS, "siblings"), 1.0),
        "weights of K: g_r to a child by its morphism (product over several), child to child",
        above=0.0,
        high=1e6,
        keys=(*MORPHISMS, "siblings"),
    )
    potential: str = key(
        "power",
        "U'(f): f^beta, log f, or 0, with the clock that power has",
        choices=("power", "log", "none"),
    )
    beta: float = key(1.0, "exponent of the power potential", above=0.0, high=100.0)
    scaling: str = key(
        "auto",
        "auto ties entropy weight and mobility to the measured noise; paper keeps constants",
        choices=("auto", "paper"),
    )
    confidence: float = key(
        2.5, "auto: standard errors by which a child must lead", above=0.0, high=100.0
    )
    min_lead: float = key(
        0.003, "auto: nats by which a child must lead, however small the errors", low=0.0, high=10.0
    )
    mobility: float = key(
        0.5,
        "auto: share of g_r's particles that leave in a round's first step",
        above=0.0,
        high=1.0,
    )
    size_weight: float = key(
        0.0,
        "nats that half the parameters are worth: subtracted from V_i per halving",
        low=0.0,
        high=10.0,
    )
    kappa: float = key(1.0, "paper: mutation coefficient", above=0.0, high=1e9)
    entropy_weight: float = key(1.0, "paper: w before U'(f)", low=0.0, high=1e9)
    weight_average: int = key(
        30,
        "validation looks at x averaged over so many steps; 1: at the last x, as the paper does",
        low=1,
        high=10**9,
    )
    window: int = key(100, "running average of the validation loss, steps", low=1, high=10**9)
    burn_in: int = key(
        0,
        "steps of a round after which the averages begin anew, without what morphisms disturb",
        low=0,
        high=10**9,
    )
    warmup_steps: int = key(50, "steps of a round before particles move", low=0, high=10**9)
    max_steps: int = key(
        300, "steps after which a round ends without a new centre", low=1, high=10**8
    )
    max_memory: float | None = key(
        None,
        "MB of all networks of a round, by estimate; children above an even share are not drawn",
        above=0.0,
    )
    on_oom: str = key(
        "fail",
        "memory runs out in a child's step: the round fails, or drops the child (on a GPU: fails)",
        choices=("fail", "drop"),
    )
    morphisms: Mapping[str, float] = key(
        {
            "deepen": 1.0,
            "widen": 1.0,
            "connect_concat": 1.0,
            "connect_add": 1.0,
            "enlarge_kernel": 1.0,
            "add_pool": 0.25,
            "remove_pool": 0.25,
            "shallow": 0.25,
            "narrow": 0.25,
            "disconnect": 0.25,
            "shrink_kernel": 0.25,
        },
        "weight of each kind when children are drawn; 0 leaves it out",
        low=0.0,
        keys=MORPHISMS,
    )
    second_order: SecondOrder = field(default_factory=SecondOrder)
    constraints: Constraints = field(default_factory=Constraints)
