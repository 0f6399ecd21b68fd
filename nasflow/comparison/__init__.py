"""Several algorithms side by side: tables, intervals, figures and a page.

This room may import records and charts and everything below them, but not `report`, `tracking` or
`command`.
It offers `comparing.compared`, which makes all files of a comparison from finished searches.
"""
