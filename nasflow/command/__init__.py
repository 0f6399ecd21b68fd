"""The command line, and those commands that are not stages of the pipeline.

This package may import `records` and everything below it, but not `comparison`, `report` or
`tracking`: the function of a command is imported when the command is called.
It offers `commands` (the table of all commands), `arguments` (how the command line is read), and
the commands `init`, `show`, `predict` and `export`.
"""
