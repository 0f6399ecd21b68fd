"""The module `nasflow.particles.flow` under the name by which users import it."""

import sys

from nasflow.particles import flow

sys.modules[__name__] = flow
