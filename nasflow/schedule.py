"""The module `nasflow.training.schedule` under the name by which users import it."""

import sys

from nasflow.training import schedule

sys.modules[__name__] = schedule
