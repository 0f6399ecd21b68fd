"""The table of all commands of `nasflow`, with their arguments and examples.

A command calls the function of the same name in its module, with its arguments. Modules stand here
by name and are imported when their command is called, so that a search imports only what it needs.
"""

from __future__ import annotations

from pathlib import Path

from nasflow.command.command import COMPUTE, LOG, PEOPLE, Command, argument, stage
from nasflow.command.pick_arguments import PICK

NETWORK = argument(
    "network", type=Path, help="a checkpoint, such as results/digits/nasgd/seed_0/final/network"
)
FACTS = argument(
    "--data",
    type=Path,
    help="data.json of its training, where it lies neither beside the network nor in its results",
)
FIT = (
    argument("photos", help="a folder of class folders, Parquet files, or digits, cifar10, ..."),
    argument("--minutes", type=float, help="wall-clock minutes for everything (default: 20)"),
    argument("--out", type=Path, help="folder of the experiment (default: PHOTOS_nasflow)"),
    argument("--test", help="test images, as PHOTOS; without them 20 %% are held out"),
    argument("--size", type=int, help="resize to so many pixels per side (default: decided)"),
    argument(
        *("--set", "-s"),
        action="append",
        metavar="KEY=VALUE",
        help="another value of a configuration key, as final.batch_size=64; may be repeated",
    ),
    argument("--algorithm", help="nasgd, nasagd, nash, ... (default: nasgd)"),
    argument("--seeds", type=int, help="number of searches, which share the minutes (default: 1)"),
    argument("--device", help="cpu, cuda or cuda:N (default: cpu)"),
    argument("--cores", type=int, help="cores to use (default: all of this machine)"),
    argument(
        "--with-baseline",
        action="store_true",
        help="half of the time trains a fixed network, to compare with",
    ),
    argument("--plan-only", action="store_true", help="write the folder and stop, as init does"),
    argument("--details", action="store_true", help="show particles and step sizes, too"),
)
FOUND = "results/digits/nasgd/seed_0"
FORMS = ("onnx", "pt2", "python", "torch")  # of `nasflow.command.formats`

COMMANDS: dict[str, Command] = {
    "fit": Command(
        "from pictures to a trained network: plan, search, train, test, report",
        FIT,
        "nasflow.command.fit",
        examples=(
            ("nasflow fit photos --minutes 20", "photos/CLASS/PICTURE; results: photos_nasflow"),
            ("nasflow fit photos --minutes 20", "again: goes on after a stop"),
            ("nasflow fit digits --minutes 3 --with-baseline", "a built-in data set"),
        ),
    ),
    "init": Command(
        "make a folder for a new experiment, from flags or a few questions",
        (
            argument("folder", type=Path, help="the folder to make; it must be new or empty"),
            argument("--data", help="the images: digits, cifar10, ..., folder or parquet"),
            argument(
                "--train",
                help="own images: a folder of class folders, or a Parquet file or glob",
            ),
            argument("--test", help="the same for the test set; without it 20 %% are held out"),
            argument("--minutes", type=float, help="minutes for the whole search (default: 20)"),
            argument("--algorithm", help="nasgd, nasagd, nash, ... (default: nasgd)"),
            argument("--device", help="cpu, cuda or cuda:N (default: cpu)"),
            argument("--cores", type=int, help="cores to use (default: all of this machine)"),
        ),
        "nasflow.command.init",
        examples=(
            ("nasflow init leaves --data folder --train photos --minutes 30", "with own images"),
            ("nasflow init try", "ask for what is missing"),
        ),
    ),
    "check": Command(
        "report each problem of a configuration and of its pictures in one line",
        (argument("files", type=Path, nargs="+", help="files as for Snakemake's --configfile"),),
        "nasflow.command.checking",
        examples=(("nasflow check leaves/config.yaml", "before anything runs"),),
    ),
    "show": Command(
        "print an experiment, a search, a round or a network",
        (
            argument("path", type=Path, help="a folder of results, or a file of a checkpoint"),
            argument("--all", action="store_true", help="show every child of every round"),
            argument("--json", action="store_true", help="print JSON, for programs"),
        ),
        "nasflow.command.show",
        examples=(
            ("nasflow show results/digits", "the searches of an experiment"),
            (f"nasflow show {FOUND}", "the path of the centre, round by round"),
            (f"nasflow show {FOUND}/search/round_1", "the children of a round"),
            (f"nasflow show {FOUND}/final/network", "layers, sizes, a picture"),
        ),
    ),
    "report": Command(
        "write the page about an experiment, finished or not",
        (
            argument("results", type=Path, help="folder of the experiment, such as results/digits"),
            argument(
                "--config", help="the whole configuration as JSON; without it the page says less"
            ),
            argument("--out", type=Path, help="file to write (default: RESULTS/report.html)"),
            LOG,
        ),
        "nasflow.stages.pages",
        examples=(("nasflow report results/digits", "also while the search runs"),),
    ),
    "pick": Command(
        "choose a network within bounds of size and speed, and print how to export it",
        PICK,
        "nasflow.command.pick",
        examples=(
            ("nasflow pick results/digits --max-flash 10k", "the most accurate one that fits"),
            ("nasflow pick results/digits --max-latency 2 --min-accuracy 0.97", "the cheapest one"),
            ("nasflow pick results/digits results/digits_pruned", "networks of both compete"),
        ),
    ),
    "predict": Command(
        "print the label and the probability of images",
        (
            argument(
                "network",
                type=Path,
                help="a checkpoint, as results/digits/nasgd/seed_0/final, or an exported .onnx",
            ),
            argument("images", type=Path, nargs="+", help="image files, or folders of them"),
            argument(
                "--top", type=int, default=1, metavar="K", help="classes per image (default: 1)"
            ),
            argument("--csv", action="store_true", help="print a table of all probabilities"),
            argument("--json", action="store_true", help="print JSON, for programs"),
            argument("--mirror", action="store_true", help="look at the mirror images, too"),
            FACTS,
        ),
        "nasflow.command.predict",
        examples=(
            (f"nasflow predict {FOUND}/final/network pictures --top 3", ""),
            ("nasflow predict small.onnx pictures", "a file of nasflow export --to onnx"),
        ),
    ),
    "export": Command(
        "write a network for use without nasflow: ONNX, torch.export or plain PyTorch",
        (
            NETWORK,
            argument("--to", required=True, choices=FORMS, help="the format; torch means python"),
            argument(
                "--out",
                type=Path,
                required=True,
                help="the file to write (python, torch: the folder); it must be new",
            ),
            argument("--uint8", action="store_true", help="take uint8, and not float32 in 0..1"),
            argument("--logits", action="store_true", help="give logits, and not probabilities"),
            argument(
                "--int8",
                action="store_true",
                help="onnx: weights and maps of eight bits, calibrated on training images",
            ),
            argument(
                "--max-drop",
                type=float,
                metavar="POINTS",
                help="percentage points of accuracy that --int8 may cost (default: 1)",
            ),
            FACTS,
        ),
        "nasflow.command.export",
        examples=(
            (f"nasflow export {FOUND}/final/network --to python --out digits_net", ""),
            (f"nasflow export {FOUND}/final/network --to onnx --out digits.onnx", ""),
            (f"nasflow export {FOUND}/final/network --to onnx --int8 --out small.onnx", ""),
        ),
    ),
    "latency": Command(
        "measure how long networks take on this machine, for search.constraints.max_latency",
        (
            argument("--out", type=Path, required=True, help="the table to write, a JSON file"),
            argument(
                "--precision", choices=("int8", "float32"), help="number format (default: int8)"
            ),
            argument("--channels", type=int, help="channels of an image (default: 3)"),
            argument("--size", type=int, help="pixels per side of an image (default: 32)"),
            argument(
                "--data", type=Path, help="folder of prepared images, in the place of the two"
            ),
            argument("--table", type=Path, help="check and copy this table, and measure nothing"),
            LOG,
        ),
        "nasflow.stages.latency",
        examples=(
            ("nasflow latency --out board.json --channels 1 --size 8", "in a minute"),
            ("nasflow latency --out laptop.json --data results/digits/data", ""),
        ),
    ),
    "verify": Command(
        "check every file under a folder of results",
        (
            argument("results", type=Path, help="results, or a folder below it"),
            argument("-v", "--verbose", action="store_true", help="also name unknown files"),
        ),
        "nasflow.records.verify",
        examples=(("nasflow verify results", "exit code 3 if a file is damaged"),),
    ),
    "resume": Command(
        "after a crash: unlock the folder, then run Snakemake with these arguments",
        (),
        "nasflow.storage.resume",
        examples=(("nasflow resume --cores 2 --configfile leaves/config.yaml -- final_model", ""),),
        passes=True,
    ),
    "track": stage(
        "tracking.command",
        "copy results to MLflow: all of a folder, or one stage",
        *("uri", "all", "kind", "source", "experiment", "algorithm", "seed", "round", "out"),
        required=False,
        group=PEOPLE,
        examples=(("nasflow track --all results", "copy all results again"),),
    ),
    "ui": stage(
        *("tracking.command", "show MLflow's pages on http://127.0.0.1:5000", "uri", "port"),
        required=False,
        group=PEOPLE,
    ),
    "prepare": stage("stages.preparation", "read, check and split the images", "config", "out"),
    "pretrain": stage(
        "stages.training",
        "train the base network",
        *("config", "algorithm", "data", "seed", "out", *COMPUTE),
    ),
    "plan": stage("stages.selecting", "write the budget to a file", "config", "out"),
    "search_round": stage(
        "stages.rounds",
        "run one round: children train, particles move, one child may win",
        *("config", "algorithm", "data", "parent", "budget", "seed", "round", "out"),
        *(*COMPUTE, "ranks", "rounds_per_job"),
        finished="stages.finished_round",
    ),
    "select_winner": stage(
        "stages.selecting",
        "take the network of the last round",
        *("algorithm", "pretrain", "rounds", "plan", "out"),
    ),
    "prune_round": stage(
        "stages.prune_rounds",
        "run one round behind the search, whose children are smaller",
        *("config", "algorithm", "data", "parent", "seed", "round", "out", *COMPUTE, "ranks"),
    ),
    "select_front": stage(
        "stages.front_plan",
        "choose the networks of the front, from the smallest to the largest",
        *("config", "pretrain", "search", "rounds", "prune", "out"),
    ),
    "final_train": stage(
        "stages.training",
        "train the found network to convergence",
        *("config", "data", "parent", "front", "teacher", "seed", "out", *COMPUTE),
    ),
    "evaluate": stage(
        "stages.evaluation",
        "measure the final network on the test set, once",
        *("config", "data", "network", "search", "pretrain", "out", *COMPUTE),
    ),
    "front_evaluate": stage(
        "stages.evaluation",
        "measure another network of the front on the test set, once",
        *("config", "data", "network", "out", *COMPUTE),
    ),
    "measure_front": stage(
        "stages.front_measures",
        "measure the latencies of the networks of the front, and compare them",
        *("data", "plan", "out"),
    ),
    "compare": stage(
        "stages.pages",
        "write tables and figures that compare algorithms",
        *("config", "results", "methods", "out"),
    ),
    "suite_files": stage(
        "stages.suites",
        "write the configuration files of a data set of a suite",
        *("config", "name", "out"),
    ),
    "sitting": stage(
        "stages.suites",
        "record the finished runs of a data set of a suite",
        *("config", "name", "out"),
    ),
    "suite": stage(
        "stages.suites",
        "write tables and a page that compare algorithms on several data sets",
        *("config", "sittings", "out"),
    ),
}
