"""
The flow on a graph of your own
===============================

What moves particles between networks in a search is a flow on a graph, and it works on any other:
nodes with losses, edges with weights. Here the graph is a map of places, made by networkx.
"""

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

import nasflow

G = nx.random_geometric_graph(120, 0.16, seed=3)
G = nx.convert_node_labels_to_integers(G.subgraph(max(nx.connected_components(G), key=len)))
place = np.array([G.nodes[node]["pos"] for node in G])

# %%
# The loss is a landscape with a shallow well at the left and a deep one at the right.


def well(x: float, y: float, width: float) -> np.ndarray:
    return np.exp(-((place - [x, y]) ** 2).sum(1) / (2 * width**2))


V = 1.0 - 0.6 * well(0.2, 0.3, 0.15) - 1.0 * well(0.8, 0.7, 0.15)
K = nx.to_numpy_array(G, weight=None)
start = np.zeros(len(G))
start[np.argmin(((place - [0.1, 0.9]) ** 2).sum(1))] = 1.0

# %%
# Mass goes along an edge from i to j at the rate :math:`K_{ij} [E_i - E_j]^+` with
# :math:`E = w \log f + V`. The entropy :math:`w \log f` drives mass over barriers.

path = nasflow.run_flow(V, K, f=start, kind="log", weight=0.05, tau=0.01, steps=4000)


def draw(axis: plt.Axes, f: np.ndarray, title: str) -> None:
    nx.draw_networkx_edges(G, place, ax=axis, edge_color="#c8cdd6")
    axis.scatter(*place.T, s=12 + 2500 * f, c=V, cmap="viridis_r", edgecolors="#333", linewidths=0.4)
    axis.set(title=title, xticks=[], yticks=[])


figure, axes = plt.subplots(1, 3, figsize=(10, 3.4))
for axis, step in zip(axes, (0, 400, 4000), strict=True):
    draw(axis, path.f[step], f"t = {path.t[step]:g}")
figure.tight_layout()

# %%
# Size is mass, dark is low loss. The end is known in advance: :math:`f = e^{-V/w} / Z`.

gibbs = np.exp(-V / 0.05) / np.exp(-V / 0.05).sum()
print(f"largest distance to it: {np.abs(path.f[-1] - gibbs).max():.4f}")

# %%
# Without entropy's help over barriers the mass stays in the first well that it meets: here with the
# potential :math:`f^\beta` of the paper, which lets a node run empty.

stuck = nasflow.run_flow(V, K, f=start, kind="power", weight=0.05, tau=0.01, steps=4000)
right = place[:, 0] > 0.5
print(f"mass at the right: {path.f[-1][right].sum():.1%} with log f, {stuck.f[-1][right].sum():.1%} with f")

# %%
# Second order (NASAGD) gives the mass momentum. Particles instead of real-valued mass show what a
# search sees: counts, and noise of the order of one over the root of their number.

figure, (left, right_axis) = plt.subplots(1, 2, figsize=(10, 3.4))
options = {"f": start, "kind": "log", "weight": 0.05, "tau": 0.01, "steps": 4000}
for label, more in {
    "first order": {},
    "second order, friction 1": {"order": 2},
    "first order, 1,000 particles": {"particles": 1000},
}.items():
    other = nasflow.run_flow(V, K, **options, **more)
    left.plot(other.t, other.f @ V, label=label)
left.set(xlabel="time", ylabel="mean loss", title="The mean loss falls")
left.legend(fontsize=8)
draw(right_axis, other.f[-1], "1,000 particles at the end")
figure.tight_layout()
