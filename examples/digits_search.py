"""
A search on digits
==================

Arrays go in, a network comes out: pretraining, rounds of NASGD and the final training, in memory.
For searches of hours take the pipeline, which keeps its state and goes on after a crash; with the
same images, config and seed it finds the same networks, to the bit.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import nasflow

digits = load_digits()
images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8)
test, train = slice(0, 360), slice(360, None)

# %%
# Keyword arguments are the sections of a config file, with the same keys, checks and defaults. A
# tenth of the images is held out for validation.

found = nasflow.run_search(
    images[train],
    digits.target[train],
    pretrain={"epochs": 5.0},
    search={"n_neigh": 5},
    budget={"rounds": 2},
    final={"epochs": 15.0},
)

# %%
# What the rounds did: why each ended, by which morphism its winner was made, and how accurate that
# is on the validation images.

for status in found.lineage:
    print(
        f"round {status['round']}: {status['reason']} after {status['steps']} steps, "
        f"{status['morphism'] or 'the parent'}, {status['validation_accuracy']:.1%}"
    )
print(f"test accuracy {found.score(images[test], digits.target[test]):.1%}")

# %%
# Particles start on the current network and flow to children with a lower loss. A round ends when a
# child holds twice as many as its parent.

figure, axes = plt.subplots(1, len(found.rounds), figsize=(9, 3), sharey=True, squeeze=False)
for number, (axis, done) in enumerate(zip(axes[0], found.rounds, strict=True), 1):
    nodes = len(done.architectures)
    shares = np.array([row["share"] for row in done.particles]).reshape(-1, nodes).T
    names = [row["morphism"] or "parent" for row in done.architectures]
    axis.stackplot(np.arange(1, done.steps + 1), shares, labels=names, alpha=0.85)
    axis.set(title=f"round {number}", xlabel="step", xlim=(1, done.steps), ylim=(0, 1))
    axis.legend(fontsize=7, loc="lower left")
axes[0, 0].set_ylabel("share of the particles")
figure.tight_layout()

# %%
# In a notebook an architecture shows itself.

found.network.architecture

# %%
# The digits that it takes for others:

wrong = np.flatnonzero(found.predict(images[test]) != digits.target[test])[:8]
sure = found.probabilities(images[wrong])
figure, axes = plt.subplots(1, 8, figsize=(9, 1.7))
for axis in axes:
    axis.axis("off")
for axis, index, probabilities in zip(axes, wrong, sure, strict=False):
    axis.imshow(images[index], cmap="gray_r")
    axis.set_title(f"{digits.target[index]} as {probabilities.argmax()}", fontsize=9)
figure.tight_layout()
