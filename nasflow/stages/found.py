"""What a search in memory has found: a short summary, and what people do with a network.

It classifies arrays and files of pictures, is kept as files that the commands `nasflow predict`,
`export` and `show` read, and is exported for use without nasflow.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from nasflow.config.experiment import Experiment
from nasflow.data import class_names
from nasflow.data.image_facts import NAME, image_facts
from nasflow.data.pictures import resize
from nasflow.deployment.figures import figures, words
from nasflow.network.network import Network, forward
from nasflow.printable import printable, shown
from nasflow.search.round import Round
from nasflow.stages.arrays import as_pixels
from nasflow.storage.checkpoint import write_checkpoint
from nasflow.storage.files import write_json
from nasflow.training.batches import Split
from nasflow.training.training_course import Row

if TYPE_CHECKING:
    from nasflow.command.export import Exported

Json = dict[str, Any]  # what a status file holds
Pictures = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
CHUNK = 250
WIDEST = 96  # characters of a line of the summary


class Found(NamedTuple):
    """What comes out of a search; shown as a summary of some ten lines.

    Attributes:
        base: g_0 after its pretraining.
        rounds: what came out of each round.
        lineage: the status of each round, as status.json has it.
        winner: the network of the last round.
        network: the winner, trained to convergence.
        history: rows of the final training, as history.parquet has them.
        done: facts about the final training, such as its validation accuracy.
        train: the training images.
        validation: the validation images.
        facts: what data.json would say about the images, the names of the classes among it.
        experiment: the whole configuration of the search.
        seconds: how long pretraining, rounds and final training took.
    """

    base: Network
    rounds: list[Round]
    lineage: list[Json]
    winner: Network
    network: Network
    history: list[Row]
    done: Row
    train: Split
    validation: Split
    facts: Json
    experiment: Experiment
    seconds: float

    def __repr__(self) -> str:
        """Summarise the search: how the network was found, how large and how good it is."""
        g = self.network.architecture
        names = [printable(str(name)) for name in self.facts["classes"]]
        rows = {
            "path": self._path(),
            "size": f"{g.parameters:,} parameters, {g.flops:,} FLOPs per image,"
            f" {len(g.convs)} convolutions",
            "deployment": words(figures(g)),
            "validation": self._accuracy(),
            "images": f"{len(self.train):,} training, {len(self.validation):,} validation,"
            f" {' x '.join(map(str, self.train.images.shape[1:]))}",
            "classes": f"{len(names)}: {', '.join(names)}",
            "seconds": f"{self.seconds:.1f}",
            "use it": "predict(images), score(images, labels), save(folder), export(to=, out=)",
        }
        moved = sum(status["winner"] != 0 for status in self.lineage)
        rounds = f"{len(self.rounds)} round{'s' * (len(self.rounds) != 1)}"
        lines = [f"nasflow: {rounds}, of which {moved} changed the network"]
        lines += [
            f"  {name:11} {textwrap.shorten(text, WIDEST - 14, placeholder=' ...')}"
            for name, text in rows.items()
        ]
        return "\n".join(lines)

    def _path(self) -> str:
        """The path of winners, by their parameters and by what made each of them."""
        steps = [f"{self.base.architecture.parameters:,} parameters"]
        steps += [
            f"{status['morphism']} {status['site']}".strip() + f": {status['parameters']:,}"
            for status in self.lineage
            if status["winner"] != 0
        ]
        return " -> ".join(steps)

    def _accuracy(self) -> str:
        """The accuracy on the validation images, and whether they were trained on."""
        accuracy = self.done["validation_accuracy"]
        text = "not measured" if accuracy is None else f"{accuracy:.2%} accuracy"
        if not self.experiment.final.use_validation:
            return text
        before = self.lineage[-1]["validation_accuracy"] if self.lineage else None
        seen = "the final training used these images"
        return seen if before is None else f"{before:.2%} after the last round; then {seen}"

    def probabilities(self, images: npt.ArrayLike | Pictures) -> npt.NDArray[np.float32]:
        """Return the probability of each class, (n, classes).

        Args:
            images: uint8 (n, height, width) or (n, height, width, channels); or the path of a
                picture, or several paths. Pictures, and arrays of another size than the network
                takes, are resized as `nasflow predict` resizes them.

        Raises:
            ValueError: if the images do not fit the network, or a picture cannot be read.
        """
        device = self.train.mean.device
        g, x, buffers, _ = self.network
        with torch.no_grad():
            parts = [
                forward(
                    g, x, buffers, self.train.normalise(part.to(device)), training=False
                ).softmax(1)
                for part in torch.split(torch.from_numpy(self._pixels(images)), CHUNK)
            ]
        result: npt.NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return result

    def predict(self, images: npt.ArrayLike | Pictures) -> npt.NDArray[Any]:
        """Return the most probable class of each image, (n,).

        Args:
            images: as for `probabilities`.
        """
        likeliest: npt.NDArray[Any] = np.asarray(self.facts["classes"])[
            self.probabilities(images).argmax(1)
        ]
        return likeliest

    def score(self, images: npt.ArrayLike | Pictures, labels: npt.ArrayLike) -> float:
        """Return the part of the images that are classified correctly, between 0 and 1.

        Args:
            images: as for `probabilities`.
            labels: the true classes, (n,).
        """
        return float(np.mean(self.predict(images) == np.asarray(labels)))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the network as files that `nasflow predict`, `export` and `show` take.

        Args:
            folder: gets the checkpoint `network.*` and images.json; it must be new or empty.

        Returns:
            The folder.

        Raises:
            ValueError: if the folder is not empty, or the name of a class cannot be written.
        """
        to = Path(folder)
        if os.path.lexists(to) and (not to.is_dir() or any(to.iterdir())):
            raise ValueError(f"{shown(str(to))}: not empty; expected a new or an empty folder")
        write_json(to / NAME, {"schema": 1, **self._facts()})
        write_checkpoint(to / "network", self.network, 0, self.experiment.final.optimizer)
        return to

    def export(
        self,
        *,
        to: str,
        out: str | os.PathLike[str],
        uint8: bool = False,
        logits: bool = False,
        int8: bool = False,
        max_drop: float | None = None,
    ) -> Exported:
        """Write the network for use without nasflow, as the command `nasflow export` does.

        Args:
            to: onnx, pt2 (a torch.export file), or python, which is also called torch.
            out: the file to write (python: the folder); it must be new.
            uint8: whether the written network takes uint8, and not float32.
            logits: whether it gives logits, and not probabilities.
            int8: whether weights and maps have eight bits (onnx only). They are calibrated on
                training images, and the accuracy is measured on validation images.
            max_drop: the percentage points of accuracy that eight bits may cost; 1 by default.

        Returns:
            The path, the largest difference between the outputs of nasflow and of what was
            written, and as `eight_bits` what int8 costs.

        Raises:
            ValueError: if an argument is wrong, if the outputs differ, or if int8 costs more
                accuracy than is allowed; then nothing is kept.
        """
        from nasflow.command.eight_bits import MAX_DROP, in_memory
        from nasflow.command.export import check, exported

        check(to, Path(out), uint8=uint8, int8=int8, max_drop=max_drop, flags="")
        done = exported(
            *(self.network.to("cpu"), self._facts(), to, Path(out)),
            uint8=uint8,
            logits=logits,
            samples=in_memory(self.train, self.validation) if int8 else None,
            max_drop=MAX_DROP if max_drop is None else max_drop,
        )
        if not done.kept:
            raise ValueError(done.note.removeprefix("nasflow: "))
        return done

    def _facts(self) -> Json:
        """What images.json says; all names of classes are texts in it."""
        names = [str(name) for name in self.facts["classes"]]
        class_names.check(names, "labels")
        return image_facts(self.facts) | {"classes": names}

    def _pixels(self, images: npt.ArrayLike | Pictures) -> npt.NDArray[np.uint8]:
        """Return images as the network takes them, uint8 (n, height, width, channels)."""
        given: Any = images
        if isinstance(given, np.ndarray) and given.dtype.kind in "UO":
            given = given.tolist()
        paths = [given] if isinstance(given, str | os.PathLike) else given
        if isinstance(paths, Sequence) and paths and isinstance(paths[0], str | os.PathLike):
            return self._read([Path(path) for path in paths])
        pixels = as_pixels(given)
        channels, height, width = self._shape
        if pixels.shape[3] not in (1, channels):
            raise ValueError(f"images: {pixels.shape[3]} channels; the network takes {channels}")
        if pixels.shape[1:3] != (height, width):
            if height != width or channels not in (1, 3):
                raise ValueError(
                    f"images: {pixels.shape[1]} x {pixels.shape[2]} pixels; the network takes "
                    f"{height} x {width} (height x width); resize them"
                )
            pixels = resize(pixels, height)
        return np.repeat(pixels, channels // pixels.shape[3], axis=3)

    def _read(self, files: list[Path]) -> npt.NDArray[np.uint8]:
        """Read pictures from files."""
        from nasflow.command.predict import read_pictures
        from nasflow.deployment.deployable import Deployable

        folder = next((file for file in files if file.is_dir()), None)
        if folder is not None:
            raise ValueError(
                f"{shown(str(folder))}: a folder; expected pictures; give the paths of its files"
            )
        return read_pictures(files, Deployable(self.network.to("cpu"), self.facts))

    @property
    def _shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image of the network."""
        g = self.network.architecture
        return g.shapes[g.image.id]
