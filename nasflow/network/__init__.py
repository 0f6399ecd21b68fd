"""Networks with weights, and the morphisms, which make a child network from a parent network.

This room may import architectures, the kernels and the configuration.
It offers `network` (a network as a tuple of tensors, with a pure `forward`), `morphisms` (the table
of all morphisms), and a network as a torch module (`torch_module`). The morphisms
themselves stand in `depth`, `width`, `skips`, `kernel_size`, `pools`, `heads` and `stages`; all of
them carry the weights over by the same function, `rewrite.transfer`. `width` and `skips` also use
`channels`.
"""
