"""The table of all morphisms, by name.

The type numbers in the modules of the morphisms are those of Elsken et al. 2017 (arXiv 1711.04528).
Positive morphisms (`preserves`) keep the function of the network: exactly in eval mode, and in
train mode too, except `deepen` and what contains it, which keep it nearly there. "Exactly" means up
to rounding.

Compound morphisms change a network as a whole: they are compositions of the others, over all layers
or stages.

The other morphisms change the function. `narrow` drops the weakest filters, so that it changes the
function as little as it can; `disconnect` keeps the main path and `shrink_kernel` the middle of the
kernel.
"""

from __future__ import annotations

from nasflow.network import depth, heads, kernel_size, pools, removal, skips, stages, width
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
        # Compound morphisms; nasflow.config.search lists them too.
        Morphism("deepen_stages", True, stages.deepen_sites, stages.deepen_stages),
        Morphism("add_stage", True, stages.stage_sites, stages.add_stage),
        Morphism("grow", True, stages.grow_sites, stages.grow),
        Morphism("widen_all", True, width.widen_all_sites, width.widen_all),
        Morphism("widen_late", True, width.widen_late_sites, width.widen_late),
        Morphism("skip_all", True, skips.skip_all_sites, skips.skip_all),
        Morphism("enlarge_all", True, kernel_size.enlarge_all_sites, kernel_size.enlarge_all),
        Morphism("flatten_head", True, heads.flatten_sites, heads.flatten_head),
        Morphism("narrow_all", False, width.narrow_all_sites, width.narrow_all),
        Morphism("narrow_late", False, width.narrow_late_sites, width.narrow_late),
        Morphism("shallow_stages", False, removal.shallow_stages_sites, removal.shallow_stages),
        Morphism("remove_stage", False, removal.remove_stage_sites, removal.remove_stage),
        Morphism("shrink_all", False, kernel_size.shrink_all_sites, kernel_size.shrink_all),
        Morphism("average_head", False, heads.average_sites, heads.average_head),
    )
}
