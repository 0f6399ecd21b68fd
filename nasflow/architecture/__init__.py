"""Architectures as graphs of layers, without weights, and pictures of these graphs.

This room needs nothing but the standard library and the ground.
It offers `architecture` (nodes, shapes, sizes, fingerprints and JSON), `difference` (what a child
changed in its parent), and a drawing of both as SVG (`diagram`) and as text (`text_diagram`).
"""
