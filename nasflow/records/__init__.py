"""The one reader of results: it turns the files of finished and running searches into facts.

This room may import storage, data and everything below them.
It offers `story` (the searches of an experiment), `curves`, `summaries`, `costs`, `predictions`,
`class_accuracy` and `intervals` for whoever shows results, and `verify`, which checks them.
"""
