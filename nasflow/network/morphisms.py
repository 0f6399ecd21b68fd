"""The table of all morphisms, by name.

The type numbers in the modules of the morphisms are those of Elsken et al. 2017 (arXiv 1711.04528).
Positive morphisms (`preserves`) keep the function of the network: exactly in eval mode, and in
train mode too, except `deepen`, which keeps it nearly there. "Exactly" means up to rounding.

The other morphisms change the function. `narrow` drops the weakest filters, so that it changes the
function as little as it can; `disconnect` keeps the main path and `shrink_kernel` the middle of the
kernel.
"""

from __future__ import annotations

from nasflow.network import depth, kernel_size, pools, skips, width
from nasflow.network.depth import rectified_moments as rectified_moments
from nasflow.network.morphism import Morphism as Morphism
from nasflow.network.morphism import Site as Site

MORPHISMS = {
    m.name: m
    for m in (
        Morphism("deepen", True, depth.deepen_sites, depth.deepen),
        Morphism("widen", True, width.widen_sites, width.widen),
        Morphism("connect_concat", True, skips.concat_sites, skips.connect_concat),
        Morphism("connect_add", True, skips.add_sites, skips.connect_add),
        Morphism("enlarge_kernel", True, kernel_size.enlarge_sites, kernel_size.change_kernel),
        Morphism("add_pool", False, pools.add_sites, pools.add_pool),
        Morphism("remove_pool", False, pools.remove_sites, pools.remove_pool),
        Morphism("shallow", False, depth.shallow_sites, depth.shallow),
        Morphism("narrow", False, width.narrow_sites, width.narrow),
        Morphism("disconnect", False, skips.disconnect_sites, skips.disconnect),
        Morphism("shrink_kernel", False, kernel_size.shrink_sites, kernel_size.change_kernel),
    )
}
