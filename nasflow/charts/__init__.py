"""Charts of searches and rounds, which the report shows and which MLflow keeps as pictures.

This room may import records and everything below them.
It offers one function for each chart, which takes records and returns a `charts.Figure`.
"""
