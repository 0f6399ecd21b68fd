"""The release of nasflow, in the one place from which everything else reads it."""

__version__ = "0.1.0"
