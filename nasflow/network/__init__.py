"""Networks with weights, and the morphisms that change a network without changing its function.

This room may import architectures and the kernels.
It offers `network` (a network as a tuple of tensors, with a pure `forward`), `morphisms` (the table
of all morphisms), `rewrite` (the one transfer of weights that all morphisms share), and networks as
torch modules (`torch_module`, `deployable`).
"""
