"""The mirror of the results in MLflow.

This room may import `records`, `charts` and everything below them, but not `comparison`, `report`
or `command`; it is the only room that imports mlflow.
It offers the commands `track` and `ui` (module `command`), and the module `mirror`, which writes
the runs.
"""
