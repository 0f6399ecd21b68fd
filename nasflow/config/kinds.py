"""Names that a configuration chooses between, one enumeration for each key.

A member is also the text that stands in a file: `Optimizer.MUON == "muon"`. `Optimizer("muno")`
raises ValueError, so that no part of the program can fall back to some other choice silently.
"""

from __future__ import annotations

from enum import StrEnum


class Algorithm(StrEnum):
    """How an architecture is searched for."""

    NASGD = "nasgd"
    NASAGD = "nasagd"
    NASH = "nash"
    NASGRAPH = "nasgraph"
    RANDOM = "random"
    HALVING = "halving"
    MOST_FLOPS = "most_flops"
    RACE = "race"
    NONE = "none"
    CHAIN6 = "chain6"
    CHAIN7 = "chain7"
    RESNET20 = "resnet20"
    AIRBENCH = "airbench"


class Template(StrEnum):
    """A network to begin with (module `architecture.templates`); x2 has twice as many filters."""

    CHAIN6 = "chain6"
    CHAIN7 = "chain7"
    RESNET20 = "resnet20"
    AIRBENCH = "airbench"
    CHAIN6_X1_5 = "chain6_x1.5"
    CHAIN7_X1_5 = "chain7_x1.5"
    RESNET20_X1_5 = "resnet20_x1.5"
    AIRBENCH_X1_5 = "airbench_x1.5"
    CHAIN6_X2 = "chain6_x2"
    CHAIN7_X2 = "chain7_x2"
    RESNET20_X2 = "resnet20_x2"
    AIRBENCH_X2 = "airbench_x2"


class Source(StrEnum):
    """Where the images come from."""

    DIGITS = "digits"
    CIFAR10 = "cifar10"
    CIFAR100 = "cifar100"
    FASHION_MNIST = "fashion_mnist"
    SVHN = "svhn"
    FOLDER = "folder"
    PARQUET = "parquet"


class Head(StrEnum):
    """What the last linear layer reads: the mean of each feature map, or every value of it."""

    GLOBAL_AVERAGE = "global_average"
    FLATTEN = "flatten"


class Schedule(StrEnum):
    """How the step size falls from its first to its last value."""

    COSINE = "cosine"
    LINEAR = "linear"


class Equal(StrEnum):
    """What all siblings of a round get the same amount of."""

    STEPS = "steps"
    FLOPS = "flops"
    SECONDS = "seconds"


class Optimizer(StrEnum):
    """The update rule of a training step."""

    HEAVY_BALL = "heavy_ball"
    SGD = "sgd"
    MUON = "muon"


class Stored(StrEnum):
    """The number format of a network where it is used."""

    FLOAT32 = "float32"
    INT8 = "int8"


class Precision(StrEnum):
    """The number format in which convolutions and the head compute."""

    FLOAT32 = "float32"
    TF32 = "tf32"
    BFLOAT16 = "bfloat16"


class Proposal(StrEnum):
    """How the children of a round are chosen among all that are possible."""

    UNIFORM = "uniform"
    GRADIENT = "gradient"


class Moves(StrEnum):
    """How much of a network a morphism changes: one layer, or all layers or stages at once."""

    SINGLE = "single"
    COMPOUND = "compound"


class Weights(StrEnum):
    """Whether children take over the weights of their parent."""

    INHERITED = "inherited"
    FRESH = "fresh"


class Validation(StrEnum):
    """Whether all siblings of a round see the same batches."""

    PAIRED = "paired"
    INDEPENDENT = "independent"


class Graph(StrEnum):
    """Between which siblings particles may move."""

    COMPLETE = "complete"
    STAR = "star"


class Potential(StrEnum):
    """The entropy term U'(f) of the energy."""

    POWER = "power"
    LOG = "log"
    NONE = "none"


class Scaling(StrEnum):
    """Whether the entropy weight follows the measured losses and their noise or stays constant."""

    AUTO = "auto"
    TIED = "tied"
    PAPER = "paper"


class OnOutOfMemory(StrEnum):
    """What happens when memory runs out in the training step of a child."""

    FAIL = "fail"
    DROP = "drop"


class Restart(StrEnum):
    """When the potential phi of NASAGD returns to zero."""

    FREE_ENERGY = "free_energy"
    SIGNED = "signed"
    PAPER = "paper"
    NEVER = "never"


BASELINES = (Algorithm.NASH, Algorithm.NASGRAPH, Algorithm.RANDOM, Algorithm.HALVING)
# Networks that nobody searches for: the templates of usual width.
FIXED = (Algorithm.CHAIN6, Algorithm.CHAIN7, Algorithm.RESNET20, Algorithm.AIRBENCH)
PARTICLES = (Algorithm.NASGD, Algorithm.NASAGD)
STARTS = (*PARTICLES, Algorithm.RACE)  # algorithms whose first round chooses in the portfolio
