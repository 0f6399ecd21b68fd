"""The stages of the pipeline: one function for each rule of the Snakefile.

This room stands above all others except the face of the package; a stage is a function of its input
files, its own section of the configuration and the seed, and writes its status last.
It offers the stages under the names of the rules, `in_memory.run_search` (the same without files),
and `launch`, which starts a stage as several processes.
"""
