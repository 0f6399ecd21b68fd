"""The arguments of the command `nasflow pick`: folders of results, and bounds."""

from __future__ import annotations

from pathlib import Path

from nasflow.command.amounts import count, fraction, positive, size
from nasflow.command.command import argument

PICK = (
    argument("folders", type=Path, nargs="+", help="experiments, searches or folders of them"),
    argument("--max-latency", type=positive, metavar="MS", help="milliseconds for one image"),
    argument("--max-flash", type=size, metavar="BYTES", help="bytes of the weights, such as 64k"),
    argument("--max-ram", type=size, metavar="BYTES", help="bytes of the maps of one image"),
    argument("--max-parameters", type=count, metavar="N", help="parameters, such as 10k"),
    argument("--max-flops", type=count, metavar="N", help="FLOPs for one image, such as 2e6"),
    argument(
        "--min-accuracy",
        type=fraction,
        metavar="PART",
        help="validation accuracy, such as 0.97; then the cheapest network is chosen, and without"
        " it the most accurate one",
    ),
    argument(
        "--precision",
        choices=("int8", "float32"),
        default="int8",
        help="number format of latency, flash, RAM and accuracy (default: int8)",
    ),
    argument("--json", action="store_true", help="print JSON, for programs"),
)
