"""The configuration of a run: frozen dataclasses, one for each part, and the fields that all share.

A recipe (`lambda_fast/configs`) is a function that returns a `Config`. Nothing here imports
TensorFlow.
"""

from dataclasses import dataclass, field
from pathlib import Path

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config.callback import CallbackConfig
from lambda_fast.config.checks import ConfigError, require, require_at_least
from lambda_fast.config.inputter import InputterConfig
from lambda_fast.config.modeler import ModelerConfig
from lambda_fast.config.runner import RunnerConfig

__all__ = [
    "CallbackConfig",
    "Config",
    "ConfigError",
    "InputterConfig",
    "ModelerConfig",
    "RunnerConfig",
]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run: the fields that all parts share, then the parts.

    Attributes:
        name: of the recipe.
        seed: of every random choice: weights, order, augmentation.
        epochs: passes over the training images.
        max_step: ends the run earlier, after this many steps; the schedule stays that of `epochs`.
        batch_size_per_gpu: images at once on each device, be it a GPU or a CPU; those of a step,
            unless `modeler.accumulate` makes it several times as many.
        gpu_count: devices, each driven by a process (rank) of its own. On a machine without GPUs
            the ranks share the cores.
        model_dir: checkpoints, metrics and the summary; empty: `runs/<name>`. `~` is expanded.
    """

    name: str
    seed: int = 0
    epochs: int = 1
    max_step: int | None = None
    batch_size_per_gpu: int = 128
    gpu_count: int = 1
    model_dir: str = ""
    inputter: InputterConfig = field(default_factory=InputterConfig)
    augmenter: AugmentSpec = field(default_factory=AugmentSpec)
    modeler: ModelerConfig = field(default_factory=ModelerConfig)
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    callback: CallbackConfig = field(default_factory=CallbackConfig)

    def model_path(self) -> Path:
        """The folder of this run."""
        return Path(self.model_dir or f"runs/{self.name}").expanduser()

    def best_path(self) -> Path:
        """Where `callback.keep_best` keeps its checkpoint, in folders like those of the run."""
        return self.model_path() / "best"

    def checkpoints_path(self) -> Path:
        """The folder of the run whose newest checkpoint eval, infer and export take."""
        return self.best_path() if self.callback.use_best else self.model_path()

    def batch_size(self, mode: str) -> int:
        """Images a step on each device."""
        return self.batch_size_per_gpu * (self.modeler.accumulate if mode == "train" else 1)

    def check(self) -> None:
        """Refuses values that no run can use.

        Raises:
            ConfigError: names the field, what is expected and what was found.
        """
        require(-(2**63) <= self.seed < 2**63, "seed", "an int64", self.seed)
        require(1 <= self.epochs < 2**32, "epochs", "at least 1", self.epochs)
        require(
            self.max_step is None or self.max_step >= 1, "max_step", "at least 1", self.max_step
        )
        require_at_least(1, self, "", "batch_size_per_gpu", "gpu_count")
        for part in (self.inputter, self.modeler, self.runner, self.callback):
            part.check()
