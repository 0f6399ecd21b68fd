"""Networks with weights, and the morphisms that change a network without changing its function.

This room may import architectures and the kernels.
It offers `network` (a network as a tuple of tensors, with a pure `forward`), `morphisms` (the table
of all morphisms), and networks as torch modules (`torch_module`, `deployable`). The morphisms
themselves stand in `depth`, `width`, `skips`, `kernel_size` and `pools`; all of them carry the
weights over by the same function, `rewrite.transfer`, and two of them by way of `channels`.
"""
