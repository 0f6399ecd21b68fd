"""Networks as they run where they are used: their files, and what they take there.

This room may import networks, architectures and the configuration.
It offers `flash` and `ram` (the bytes of a network's weights and of its maps), `figures` (both as
facts and in words), `latency_table` (how long a network takes, as it is predicted), `deployable` (a
network as a torch module of plain layers), `onnx_model` (the network as a message of ONNX),
`onnx_session` (running such a message, and measuring its latency) and `int8` (the same network with
whole numbers of eight bits, whose ranges `map_ranges` finds).
"""
