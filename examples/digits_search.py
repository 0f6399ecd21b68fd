"""
A search on digits
==================

``run_search`` takes arrays and gives a network. It does the pretraining, the rounds of NASGD and
the final training, all in memory. For searches that take hours, use the pipeline: it keeps its
state on disk and goes on after a crash. With the same images, configuration and seed it finds the
same networks, bit for bit.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import nasflow

digits = load_digits()
images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8)
test, train = slice(0, 360), slice(360, None)

# %%
# The keyword arguments are the sections of a configuration file, with the same keys, checks and
# defaults. A tenth of the images is kept for validation.

found = nasflow.run_search(
    images[train],
    digits.target[train],
    pretrain={"epochs": 5.0},
    search={"n_neigh": 5},
    budget={"rounds": 2},
    final={"epochs": 15.0},
)

# %%
# The result is shown as a summary: the path of the networks that won, size, accuracy and time.

print(found)

# %%
# What the rounds did: why each one ended, which morphism made its winner, and how accurate the
# winner is on the validation images.

for status in found.lineage:
    print(
        f"round {status['round']}: {status['reason']} after {status['steps']} steps, "
        f"{status['morphism'] or 'the parent'}, {status['validation_accuracy']:.1%}"
    )
print(f"test accuracy {found.score(images[test], digits.target[test]):.1%}")

# %%
# Particles start on the current network and flow to children with a lower loss. A round ends when a
# child holds twice as many particles as its parent.

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
# A notebook shows an architecture as a drawing.

found.network.architecture

# %%
# ``found.save(folder)`` keeps the network for the commands ``nasflow predict`` and ``export``, and
# ``found.export(to="python", out=folder)`` writes it for use without nasflow.
#
# Digits that the network takes for other digits:

wrong = np.flatnonzero(found.predict(images[test]) != digits.target[test])[:8]
sure = found.probabilities(images[wrong])
figure, axes = plt.subplots(1, 8, figsize=(9, 1.7))
for axis in axes:
    axis.axis("off")
for axis, index, probabilities in zip(axes, wrong, sure, strict=False):
    axis.imshow(images[index], cmap="gray_r")
    axis.set_title(f"{digits.target[index]} as {probabilities.argmax()}", fontsize=9)
figure.tight_layout()
