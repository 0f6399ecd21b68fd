"""One round of a search: the children of a network, their training, and which of them wins.

This room may import training, networks and particles; it opens no files.
It offers `particle_round` (a round of NASGD or NASAGD), `baselines` (rounds of the methods that
these are compared with), `recipe` (how a round is put together from the configuration),
`neighbourhood` (how children are drawn), and `budget` (when a search ends).
"""
