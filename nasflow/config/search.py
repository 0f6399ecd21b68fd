"""The section `search`: a round, what its children must keep, and what only NASAGD has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from nasflow.config.kinds import (
    Equal,
    Graph,
    Moves,
    OnOutOfMemory,
    Potential,
    Proposal,
    Restart,
    Scaling,
    Stored,
    Validation,
    Weights,
)
from nasflow.config.section import Kernel, Plain, Section, choice, key, named, one_of, over, plain
from nasflow.config.training import Training

# Morphisms of a network as a whole; those that make it smaller are drawn in prune rounds.
GROWING = (
    *("deepen_stages", "add_stage", "grow", "widen_all", "widen_late"),
    *("skip_all", "enlarge_all", "flatten_head"),
)
SHRINKING = (
    *("narrow_all", "narrow_late", "shallow_stages", "remove_stage", "shrink_all"),
    "average_head",
)
COMPOUND_WEIGHTS = {**dict.fromkeys(GROWING, 1.0), **dict.fromkeys(SHRINKING, 0.0)}
NEGATIVE = ("shallow", "narrow", "disconnect", "shrink_kernel", *SHRINKING)
MORPHISM_WEIGHTS = {
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
    **COMPOUND_WEIGHTS,
}
MORPHISMS = tuple(MORPHISM_WEIGHTS)
SMALLER = ("add_pool", "remove_pool", *NEGATIVE)  # they shrink a network, or its maps
EDGES = (*MORPHISMS, "siblings")
EDGE_WEIGHTS = dict.fromkeys(EDGES, 1.0)


class Constraints(Section):
    """What a child must not exceed (paper 4.3)."""

    max_conv_layers: int = key(20, "convolutions", low=1)
    max_filters: int = key(512, "filters of one convolution", low=1, high=65536)
    min_filters: int = key(4, "filters of one convolution", low=1, high=65536)
    max_kernel: Kernel = key(7, "kernel")
    max_inputs: int = key(2, "connections into one layer", low=1, high=64)
    max_pools: int = key(4, "pools", low=0, high=64)
    max_last_filters: int | None = key(None, "filters of a convolution that the head reads", low=1)
    max_last_inputs: int | None = key(
        None, "connections into a convolution that the head reads", low=1, high=64
    )
    max_parameters: int | None = key(None, "parameters", low=1)
    max_flops: float | None = key(None, "FLOPs per image", above=0.0)
    precision: Stored = choice(
        Stored.INT8, "number format where the network is used; the next three bounds hold for it"
    )
    max_flash: int | None = key(None, "bytes of the weights, BatchNorm folded in", low=1)
    max_ram: int | None = key(None, "bytes of the maps that one image needs at once", low=1)
    max_latency: float | None = key(
        None, "milliseconds for one image on one core, as latency_table predicts them", above=0.0
    )
    latency_table: str | None = key(
        None, "file of `nasflow latency`; null: one is measured on this machine", min_length=1
    )


def of_board(constraints: Constraints) -> dict[str, Plain]:
    """Return the bounds of a board with which the found network is compared, by their section.

    It is empty without such bounds, so that what was made without these keys is kept.

    Args:
        constraints: the section `search.constraints`.
    """
    found = {name: plain(constraints)[name] for name in ("max_flash", "max_ram", "max_latency")}
    if all(bound is None for bound in found.values()):
        return {}
    return {"constraints": {**found, "precision": plain(constraints)["precision"]}}


class SecondOrder(Section):
    """What only NASAGD has (paper 2.2 and appendix D.2)."""

    friction: float | None = key(
        None,
        "gamma of phi; with auto 1 just avoids overshoot; null: 1 with auto, 0 with paper",
        low=0.0,
        high=100.0,
    )
    paper_coefficient: bool = key(
        False, "1 before the squared differences of phi, as printed; 1/2 conserves energy"
    )
    kinetic: bool = key(False, "add |v_i|^2 / 2 to E_i (section 2.2; D.2 drops it)")
    restart: Restart = choice(
        Restart.FREE_ENERGY,
        "phi returns to 0 when the flow raises the free energy (free_energy) or the mean loss"
        " (signed), or when any particle climbs (paper)",
    )


class Search(Training):
    """One round of NASGD (paper 2.1, D.1) or NASAGD (2.2, D.2)."""

    n_neigh: int = key(8, "children of a round", low=1, high=100_000)
    n_morphisms: int = key(1, "morphisms that make a child (n_NM of NASH)", low=1, high=100)
    proposal: Proposal = choice(
        Proposal.UNIFORM,
        "gradient draws 4 n_neigh candidates and keeps those whose loss falls steepest",
    )
    weights: Weights = choice(
        Weights.INHERITED,
        "children inherit the weights of their parent, or all networks start from random ones",
    )
    particles: int = key(1000, "N, particles on g_r at the start of a round", low=2, high=10**12)
    epochs_neigh: float = key(18.0, "length of a cosine cycle, epochs", above=0.0, high=1e5)
    equal: Equal = choice(
        Equal.STEPS,
        "what siblings get alike: steps, counted FLOPs, or seconds (measured; results then vary)",
    )
    validation_batch_size: int = key(
        32,
        "validation images per step (S_Y); 32 or less is lowered to the number of images",
        low=1,
        high=65536,
    )
    validation: Validation = choice(
        Validation.PAIRED, "the same Y_k (and X_k) for all siblings, or their own (the paper's)"
    )
    graph: Graph = choice(Graph.COMPLETE, "K: an edge between every pair, or parent-child only")
    edge_weights: Annotated[
        Mapping[Annotated[str, one_of(EDGES)], Annotated[float, Field(gt=0.0, le=1e6)]],
        over(EDGE_WEIGHTS),
    ] = key(
        EDGE_WEIGHTS,
        "weights of K: g_r to a child by its morphism (product over several), child to child",
        json_schema_extra=named(EDGES, exclusiveMinimum=0.0, maximum=1e6),
    )
    potential: Potential = choice(
        Potential.POWER, "U'(f): f^beta, log f, or 0 with the time step that power has"
    )
    beta: float = key(1.0, "exponent of the power potential", above=0.0, high=100.0)
    scaling: Scaling = choice(
        Scaling.AUTO,
        "auto fits entropy weight and mobility to the losses and their noise; tied does so as if"
        " all children but the best were equal; paper keeps constants",
    )
    confidence: float = key(
        1.75,
        "standard errors by which a child must lead in one look; auto adds what more looks need",
        above=0.0,
        high=100.0,
    )
    min_lead: float = key(
        0.003,
        "auto, tied: nats by which a child must lead, however small the errors",
        low=0.0,
        high=10.0,
    )
    retire: float = key(
        0.0,
        "standard errors behind the best network after which a child that does not catch up stops; "
        "0: never",
        low=0.0,
        high=1000.0,
    )
    mobility: float = key(
        0.5,
        "auto: part of g_r's particles that leave in the first step of a round",
        above=0.0,
        high=1.0,
    )
    size_weight: float = key(
        0.0,
        "nats that half the parameters are worth: subtracted from V_i per halving",
        low=0.0,
        high=10.0,
    )
    ram_weight: float = key(
        0.0, "nats that half the memory for maps is worth, as size_weight", low=0.0, high=10.0
    )
    latency_weight: float = key(
        0.0, "nats that half the predicted latency is worth, as size_weight", low=0.0, high=10.0
    )
    kappa: float = key(1.0, "paper: mutation coefficient", above=0.0, high=1e9)
    entropy_weight: float = key(1.0, "paper: w before U'(f)", low=0.0, high=1e9)
    weight_average: int = key(
        30,
        "validation uses x averaged over so many steps; 1 takes the last x, as the paper does",
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
        "MB of all networks of a round, by estimate; a child above an equal part is not drawn",
        above=0.0,
    )
    on_oom: OnOutOfMemory = choice(
        OnOutOfMemory.FAIL,
        "what happens when memory runs out in a child's step (on a GPU it always fails)",
    )
    moves: Moves = choice(
        Moves.SINGLE,
        "children differ from g_r in one layer (single) or as a whole (compound)",
    )
    morphisms: Annotated[
        Mapping[Annotated[str, one_of(MORPHISMS)], Annotated[float, Field(ge=0.0)]],
        over(MORPHISM_WEIGHTS),
    ] = key(
        MORPHISM_WEIGHTS,
        "weight of each kind when children are drawn; 0 leaves it out",
        json_schema_extra=named(MORPHISMS, minimum=0.0),
    )
    second_order: SecondOrder = SecondOrder()
    constraints: Constraints = Constraints()

    @property
    def drawn(self) -> dict[str, float]:
        """The weights of the morphisms that `moves` allows: compound ones only, or all others."""
        compound = self.moves == Moves.COMPOUND
        return {m: w for m, w in self.morphisms.items() if (m in COMPOUND_WEIGHTS) == compound}

    @property
    def timed(self) -> bool:
        """Whether rounds need a table of latencies."""
        return self.constraints.max_latency is not None or self.latency_weight > 0.0

    @property
    def table_of_latencies(self) -> tuple[Stored, str | None]:
        """What decides which table of latencies rounds read: its precision, and its file."""
        return self.constraints.precision, self.constraints.latency_table
