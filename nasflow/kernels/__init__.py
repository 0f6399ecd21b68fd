"""Fast layers for the CPU: BatchNorm with ReLU and pooling, averages and sums of feature maps.

This room imports numpy, numba and torch and nothing else of nasflow.
It offers torch functions that give the same numbers as torch's own operations up to rounding, in
less time and memory.
"""
