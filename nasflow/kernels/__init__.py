"""Fast layers for the CPU: BatchNorm with ReLU and pooling, averages and sums of feature maps.

This room imports numpy, numba and torch, and nothing else of nasflow.
It offers the functions `batch_norm.activated`, `global_average`, `max_pool` and `mixing.mixed`.
They take and give torch tensors, and they compute the same numbers as torch's own operations up to
rounding, in less time and memory. The kernels are numba functions; `maps` and `rows` say how they
see the memory of a tensor.
"""
