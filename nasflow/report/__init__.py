"""The searches of an experiment as one HTML page, which loads nothing from the network.

This room may import records and charts and everything below them, but not `comparison`, `tracking`
or `command`.
It offers `page.page`, which makes the page.
"""
