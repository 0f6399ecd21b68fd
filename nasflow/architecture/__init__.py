"""Architectures as graphs of layers, without weights, and pictures of these graphs.

This room imports the standard library only.
It offers `architecture` (the graph with its shapes, sizes, fingerprint and JSON), `node` (one layer
of it), `difference` (what differs between a child and its parent), and drawings of a graph as SVG
(`diagram`) and as text (`text_diagram`).
"""
