"""One torch thread: small operations on two threads are many times slower."""

import torch

torch.set_num_threads(1)
