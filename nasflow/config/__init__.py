"""What a configuration file may say: one frozen model for each section, with bounds and defaults.

This room imports only the ground (`printable`, `version`, `randomness`).
It offers the models (`experiment.Experiment` and its sections), `reading.parse`, which turns plain
data into a model or lists every problem in it, and `files`, which does the same for the text of
configuration files.
"""
