"""Files that are written whole or not at all, and that are checked when they are read.

This room may import search, training and networks, because it writes and reads their values.
It offers `checkpoint` (a network on disk), `tables` (Parquet with exact columns), `splits` (the
images of an experiment), and `attempt` (the state from which an interrupted stage goes on).
"""
