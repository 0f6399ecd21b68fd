"""The comparison of several algorithms: tables, intervals, figures and one page.

This room may import `records`, `charts` and everything below them, but not `report`, `tracking` or
`command`.
It offers `comparing.compared`, which makes all files of a comparison from finished searches, and
`suite.suite`, which does the same for several data sets.
"""
