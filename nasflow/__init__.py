"""Neural architecture search by gradient descent on the space of architectures (NASGD)."""

__version__ = "0.1.0"
