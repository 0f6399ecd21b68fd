"""Operations that have no deterministic algorithm on a GPU.

The list is that of the documentation of torch.use_deterministic_algorithms (torch 2.14), under
"will throw a RuntimeError", by the names of the operations below torch's functions. An operation
with `weights`, such as bincount, is listed although it is allowed without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

UNDETERMINED = re.compile(
    r"avg_pool3d_backward|_?adaptive_(avg|max)_pool[23]d_backward|fractional_max_pool[23]d_backward"
    r"|max_unpool[123]d|(_?upsample_|grid_sampler_|reflection_pad|.*replication_pad).*backward"
    r"|nll_loss2d_forward|_?(cudnn_)?ctc_loss(_backward)?|_embedding_bag.*|put_?|histc|bincount"
    r"|median|nanmedian|kthvalue|scatter_reduce_?"
)


def undetermined(names: Iterable[str]) -> set[str]:
    """Return those of the operations that a GPU cannot repeat bit for bit."""
    return {name for name in names if UNDETERMINED.fullmatch(name)}
