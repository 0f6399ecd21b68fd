"""
Morph a network of your own
===========================

nasflow can change a network that was trained with torch: it makes it deeper or wider, or adds skip
connections, and the network still computes the same function. Training then goes on from there.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

import nasflow

torch.manual_seed(0)
torch.set_num_threads(1)
digits = load_digits()
images = torch.tensor(digits.images[:, None] / 8 - 1, dtype=torch.float32)  # (1797, 1, 8, 8)
labels = torch.tensor(digits.target)


def fit(module: nn.Module, steps: int, rate: float = 0.05) -> list[float]:
    """Train by SGD with momentum, and return the loss of each step."""
    optimizer, losses = torch.optim.SGD(module.parameters(), rate, momentum=0.9), []
    for step in range(steps):
        batch = torch.from_numpy(np.random.default_rng(step).integers(0, 1400, 64))
        loss = F.cross_entropy(module.train()(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def accuracy(module: nn.Module) -> float:
    """Measure the accuracy on the images that are not trained on."""
    with torch.no_grad():
        said = module.eval()(images[1400:]).argmax(1)
    return float((said == labels[1400:]).float().mean())


# %%
# A module made of torch's own layers, trained for 100 steps.

mine = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
)  # fmt: skip
before = fit(mine, 100)
print(f"{sum(p.numel() for p in mine.parameters()):,} parameters, accuracy {accuracy(mine):.1%}")

# %%
# The module as a network of nasflow, and the sites where each morphism can change it. A site names
# nodes, then the option: ``(3, 5)`` of ``deepen`` is a new convolution with kernel 5 behind node 3.

network = nasflow.from_torch(mine, size=(8, 8))
for name, sites in nasflow.sites(network.architecture).items():
    print(f"{name:15} {sites}")

# %%
# Three morphisms, one after another. Each gives a new network and leaves the old one as it is.

larger = nasflow.morph(network, "deepen", (3, 3))
larger = nasflow.morph(larger, "widen", (1, 2))
larger = nasflow.morph(larger, "connect_add", (3, 5))
larger.architecture

# %%
# The output has not changed, although there are many more parameters.

grown = nasflow.Module(larger)
with torch.no_grad():
    change = (grown.eval()(images) - mine.eval()(images)).abs().max()
print(f"{larger.architecture.parameters:,} parameters, accuracy {accuracy(grown):.1%}")
print(f"largest change of a logit {change:.1e}")

# %%
# Both networks learn on from the same loss. A network of the larger shape with random weights has
# to learn everything first.

fresh = nasflow.Module(nasflow.initialise(larger.architecture, np.random.default_rng(0)))
for label, module in {"as it was": mine, "morphed": grown, "from scratch": fresh}.items():
    losses = np.convolve(fit(module, 150), np.ones(10) / 10, "valid")
    plt.plot(losses, label=f"{label}: accuracy {accuracy(module):.1%}")
plt.xlabel("step")
plt.ylabel("training loss, mean of 10 steps")
plt.yscale("log")
plt.legend()

# %%
# ``grown.network()`` is a network of nasflow again, for more morphisms or as the ``start`` of a
# search.

print(grown.network().architecture.describe())
