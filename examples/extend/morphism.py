"""A morphism of your own: a convolution gets half as many filters more."""

from collections.abc import Iterator

import numpy as np

import nasflow
from nasflow.network.channels import resize
from nasflow.network.morphisms import Site


# [morphism]
def sites(g: nasflow.Architecture) -> Iterator[Site]:
    """List the convolutions whose width may change, each with the number of its new filters."""
    return ((conv.id, conv.width // 2) for conv in g.convs if g.resizable(conv.id))


def apply(network: nasflow.Network, site: Site, rng: np.random.Generator) -> nasflow.Network:
    """Add filters. They are random, and what reads them has weights of zero: same function."""
    conv, more = site
    width = network.architecture[conv].width
    return resize(network, conv, (*range(width), *[-1] * more), rng)


nasflow.MORPHISMS["widen_half"] = nasflow.Morphism("widen_half", True, sites, apply)
# [end of morphism]


# [search]
def with_widen_half(parent, k, setting, progress):  # type: ignore[no-untyped-def]
    """Do a round of NASGD that draws the new morphism as often as the usual ones."""
    own, search = {"widen_half": 1.0}, setting.search
    search = search.model_copy(
        update={
            "morphisms": {**search.morphisms, **own},
            "edge_weights": {**search.edge_weights, **own},
        }
    )
    return nasflow.run_round(parent, k, setting._replace(search=search), progress)


# [end of search]

if __name__ == "__main__":
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    found = nasflow.run_search(
        images,
        digits.target,
        algorithm=with_widen_half,
        pretrain={"epochs": 2.0},
        search={"n_neigh": 12, "max_steps": 60},
        budget={"rounds": 1},
        final={"epochs": 1.0},
    )
    for row in found.rounds[0].architectures:
        print(f"{row['morphism'] or 'parent':15} {row['site']:6} {row['share']:6.1%}")
