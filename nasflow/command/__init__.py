"""What people type: the command line, and the commands that are no stages of the pipeline.

This room may import records and everything below them, but not `comparison`, `report` or
`tracking`; other rooms are loaded by name when a command is called.
It offers `commands` (the table of all commands), `arguments` (how the command line is read), and
the commands `init`, `show`, `predict` and `export`.
"""
