"""Training of several networks side by side, on one device, on several threads or processes.

This room may import networks, the mathematics of the particles for its types, and the
configuration; it opens no files.
It offers `siblings` (live networks that train and validate together), `loop` (the one training
loop), `train` (one network from start to end), and what these are made of: batches, optimisers,
schedules, workers and ranks.
"""
