"""One function a rule: files in, files out. The rule, the subcommand and the function share a name.

A stage is a function of its input files, its own config section and the seed. Each writes its
status (or manifest) last. A module loads what its own stages need: those that only move facts
start without torch.
"""
