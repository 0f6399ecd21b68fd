"""Experiments about the search itself, which the benchmarks and the documentation use.

This room may import `search` and everything below it; no stage of the pipeline uses it.
It offers `selection` (does a round choose the best child?), `simulation` (the same on simulated
losses), and searches on published tables of architectures (`table`, `searches`, `particle_search`,
`nasbench201`).
"""
