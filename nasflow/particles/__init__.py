"""The mathematics of NASGD and NASAGD: particles that move between the nodes of a graph.

This room knows numpy and the configuration of a search, but no networks, no torch and no files.
It offers `flow` (every formula of the paper as a pure function), `scaling` (how strong the entropy
is), `average` (running averages of losses), `particles` (one step of the particles of a round),
and `dynamics` and `ideal` (the deterministic flow that the particles approximate).
"""
