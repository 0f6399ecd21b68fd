"""The only code that reads results: it turns files of finished and running searches into facts.

This room may import storage, data and everything below them.
It offers `story` (the searches of an experiment), `curves`, `summaries`, `costs`, `predictions`,
`class_accuracy` and `intervals` to all code that shows results, and `verify`, which checks the
files of results.
"""
