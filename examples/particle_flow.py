"""
The flow on a graph of your own
===============================

In a search, particles move between networks by a flow on a graph. The flow works on every other
graph too, as long as its nodes have losses and its edges have weights. Here the graph is a map of
places, made by networkx.
"""

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

import nasflow

G = nx.random_geometric_graph(60, 0.22, seed=1)
G = nx.convert_node_labels_to_integers(G.subgraph(max(nx.connected_components(G), key=len)))
place = np.array([G.nodes[node]["pos"] for node in G])

# %%
# The loss is a landscape with a shallow well at the left and a deep one at the right.


def well(x: float, y: float, width: float) -> np.ndarray:
    """Return the depth of a well around (x, y) at all places."""
    return np.exp(-((place - [x, y]) ** 2).sum(1) / (2 * width**2))


V = 1.0 - 0.6 * well(0.2, 0.3, 0.15) - 1.0 * well(0.8, 0.7, 0.15)
K = nx.to_numpy_array(G, weight=None)
start = np.full(len(G), 0.05 / len(G))
start[np.argmin(((place - [0.1, 0.6]) ** 2).sum(1))] += 0.95

# %%
# Mass flows along an edge from i to j at the rate ``K_ij [E_i − E_j]⁺`` with ``E = w log f + V``,
# where f is the mass on each node and V is its loss. The entropy ``w log f`` carries mass over
# barriers.

options = {"f": start, "weight": 0.2, "tau": 0.01, "steps": 10_000}
path = nasflow.run_flow(V, K, kind="log", **options)


def draw(axis: plt.Axes, f: np.ndarray, title: str) -> None:
    """Draw the graph with the mass f on its nodes."""
    nx.draw_networkx_edges(G, place, ax=axis, edge_color="#c8cdd6")
    axis.scatter(*place.T, s=12 + 1500 * f, c=V, cmap="viridis", edgecolors="#333", linewidths=0.4)
    axis.set(title=title, xticks=[], yticks=[])


figure, axes = plt.subplots(1, 3, figsize=(10, 3.4))
for axis, time in zip(axes, (0, 10, 100), strict=True):
    draw(axis, path.f[time * 100], f"time {time}")
figure.tight_layout()

# %%
# Large nodes hold much mass, and dark nodes have a low loss. The state at the end is known in
# advance: ``f = exp(−V / w) / Z``.

gibbs = np.exp(-V / 0.2) / np.exp(-V / 0.2).sum()
print(f"largest distance from that state at time 100: {np.abs(path.f[-1] - gibbs).max():.3f}")

# %%
# With the potential ``w f^β`` of the paper's experiments a node can run empty, and then mass stays
# in the first well. A search avoids that by a complete graph, in which all children are neighbours
# of one another.

stuck = nasflow.run_flow(V, K, kind="power", **options)
right = place[:, 0] > 0.5
for name, end in {"w log f": path.f[-1], "w f": stuck.f[-1], "known in advance": gibbs}.items():
    print(f"{name:16} {end[right].sum():5.1%} of the mass at the right")

# %%
# A search moves whole particles instead of real-valued mass. With ``order=2`` the flow is that of
# NASAGD, in which mass has momentum and friction.

figure, (curves, places) = plt.subplots(1, 2, figsize=(10, 3.4), width_ratios=(1.4, 1))
for label, more in {
    "second order, friction 2": {"order": 2, "friction": 2.0},
    "first order": {},
    "first order, 1,000 particles": {"particles": 1000},
}.items():
    other = nasflow.run_flow(V, K, kind="log", **options, **more)
    curves.plot(other.t, other.f @ V, label=label)
curves.set(xlabel="time", ylabel="mean loss", xscale="log", xlim=(0.1, 100))
curves.legend(fontsize=8)
draw(places, other.f[-1], "1,000 particles at time 100")
figure.tight_layout()
