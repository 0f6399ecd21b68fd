"""What is decided before a search: what the images are, how fast the machine is, and what follows.

This room may import `data`, `training` and everything below them.
It offers `plan.plan`, which looks at images and returns the files of an experiment, and the parts
that it is made of: where the images are (`source`), what a person wants (`choices`), what the
images are (`survey`, `symmetry`, `augmenting`), how long everything takes (`speed`, `sizing`), and
the texts of the files (`experiment_files`).
"""
