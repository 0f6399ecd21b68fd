"""What `nasflow fit` is made of: the wish of a person, the run of Snakemake, and what is shown.

This room may import `planning`, `records` and everything below them.
It offers `request` (the record of what was asked for, so that the same command goes on), `pipeline`
(Snakemake as a child process), `milestones` (one line for each stage that ended), and `display`
(the picture of the whole run on a terminal).
"""
