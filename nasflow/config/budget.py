"""The section `budget`: when a search ends."""

from __future__ import annotations

from nasflow.config.section import Section, key


class Budget(Section):
    """When the search ends: at whichever of these bounds comes first; null is no bound."""

    cycles: float | None = key(None, "n_steps: restarts of the cosine of tau", above=0.0)
    epochs: float | None = key(None, "passes over the training images", above=0.0)
    network_epochs: float | None = key(
        None, "passes over the training images, those of all networks added up", above=0.0
    )
    steps: int | None = key(None, "steps k of all siblings together", low=1)
    seconds: float | None = key(None, "wall clock of the rounds; results then vary", above=0.0)
    rounds: int | None = key(None, "rounds; 0 trains the base net alone", low=0, high=10**9 - 1)
    conv_layers: int | None = key(None, "size threshold: convolutions of g_r", low=1)
    parameters: int | None = key(None, "size threshold: parameters of g_r", low=1)
    flops: float | None = key(None, "size threshold: FLOPs per image of g_r", above=0.0)
    patience: int | None = key(
        None, "rounds in a row that do not move to a child; their time is left over", low=1
    )
