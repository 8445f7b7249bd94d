"""The configuration of a run: frozen dataclasses, one for each part, and the fields that all share.

A recipe (`lambda_fast/configs`) is a function that returns a `Config`. Nothing here imports
TensorFlow.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.errors import UserError


class ConfigError(UserError, ValueError):
    """A field, a value or a name that does not fit."""


@dataclass(frozen=True, kw_only=True)
class InputterConfig:
    """Where samples come from.

    Attributes:
        name: a module of `lambda_fast.inputter`. `in_memory_inputter` takes `dataset` alone,
            `image_classification_csv_inputter` all that follows.
        dataset: a module of `lambda_fast.data`.
        data_dir: folder that holds the data set. For image files: `train/` and `val/` (or
            `train.csv` and `eval.csv`), or class folders. None: `dataset`'s cache, filled on first
            use.
        dataset_meta: images to train on: CSVs of `path,label`, joined by commas, or a folder of
            class folders.
        eval_meta: likewise, to evaluate on.
        class_names: a file with one class name a line; empty: names of the folders.
        num_classes: 0: as many as there are names or labels.
        hold_out: share of the training images that is kept for evaluation where there is no
            `eval_meta`, chosen by each image's path.
        resize: pixels of the short side before a centred crop; with other crops than
            `random_resized`, the side of the squares that the step crops from. 0: the largest crop,
            and the images' own size, which must be the same for all.
        antialias: averages where images shrink, as Pillow and torchvision do; without it they are
            sampled between four pixels, as `tf.image.resize` and the augmenter do: a little faster.
        cache: `memory` keeps decoded images from the first epoch on.
        cache_gib: most GiB it may take; 0: 60 % of what is available.
        threads: of decoding; 0: one for each core.
        prefetch: batches prepared ahead.
        on_bad_image: `error` names the image; `quarantine` lists it in `<model_dir>/quarantine.csv`
            and takes the next good one of the epoch's order.
        max_pixels: images with more are bad.
    """

    name: str = "in_memory_inputter"
    dataset: str = "cifar10"
    data_dir: str | None = None
    dataset_meta: str = ""
    eval_meta: str = ""
    class_names: str = ""
    num_classes: int = 0
    hold_out: float = 0.1
    resize: int = 0
    antialias: bool = True
    cache: Literal["none", "memory"] = "none"
    cache_gib: float = 0.0
    threads: int = 0
    prefetch: int = 4
    on_bad_image: Literal["error", "quarantine"] = "error"
    max_pixels: int = 1 << 28


@dataclass(frozen=True, kw_only=True)
class ModelerConfig:
    """The network, and how it learns.

    Attributes:
        name: a module of `lambda_fast.modeler`.
        network: a module of `lambda_fast.network`.
        precision: of the computation; variables, statistics and loss stay float32. `auto` is
            bfloat16 on CPUs that have arithmetic for it (AMX, AVX512-BF16), elsewhere float32.
        optimizer: SGD with `momentum`, with Nesterov's look-ahead if `nesterov`.
        learning_rate: its peak, at the end of the warm-up.
        warmup_epochs: the rate rises linearly to the peak; may be a fraction.
        schedule: after the warm-up: `cosine` to 0 at the end of the run (Loshchilov and Hutter,
            2016, arXiv:1608.03983), `piecewise`, or `constant`.
        boundaries: for `piecewise`, the epochs at which the rate is multiplied by `decay`.
        decay: for `piecewise`.
        weight_decay: L2, added to the gradients of all weights that have more than one dimension.
        label_smoothing: share of the target spread over all classes (Szegedy et al., 2015,
            arXiv:1512.00567).
        sync_batch_norm: normalise with the statistics of all ranks' images, not of each rank's.
    """

    name: str = "image_classification_modeler"
    network: str = "resnet32"
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    optimizer: Literal["momentum"] = "momentum"
    momentum: float = 0.9
    nesterov: bool = True
    learning_rate: float = 0.1
    warmup_epochs: float = 0.0
    schedule: Literal["cosine", "piecewise", "constant"] = "cosine"
    boundaries: tuple[float, ...] = ()
    decay: float = 0.1
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    sync_batch_norm: bool = False


@dataclass(frozen=True, kw_only=True)
class RunnerConfig:
    """What drives the steps.

    Attributes:
        name: a module of `lambda_fast.runner`. With more than one device, `runner` means
            `all_reduce_runner`.
        timeout: seconds within which the job ends when a rank has died, hangs or has failed.
        restarts: how often it then starts again from the last checkpoint, where this command has
            started the ranks.
        wire: what gradients travel as between ranks; `bfloat16` is half the bytes, and rounds each
            rank's gradients and their mean. Sums are taken in float32 either way.
    """

    name: str = "runner"
    timeout: float = 60.0
    restarts: int = 0
    wire: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True, kw_only=True)
class CallbackConfig:
    """What watches the run.

    Attributes:
        names: modules of `lambda_fast.callback`, called in this order.
        log_every_n_iter: steps between two reports.
        save_summary_steps: steps between two TensorBoard points.
        save_checkpoints_steps: steps between two checkpoints; 0: at the end of each epoch.
        keep_checkpoint_max: checkpoints kept, the newest ones.
        eval_every_epochs: epochs between two evaluations; 0: at the end of the run alone.
    """

    names: tuple[str, ...] = (
        "train_basic",
        "train_loss",
        "train_accuracy",
        "train_speed",
        "train_eval",
        "train_summary",
        "train_metrics",
        "train_progress",
    )
    log_every_n_iter: int = 20
    save_summary_steps: int = 100
    save_checkpoints_steps: int = 0
    keep_checkpoint_max: int = 3
    eval_every_epochs: int = 0


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run: the fields that all parts share, then the parts.

    Attributes:
        name: of the recipe.
        seed: of every random choice: weights, order, augmentation.
        epochs: passes over the training images.
        max_step: ends the run earlier, after this many steps; the schedule stays that of `epochs`.
        batch_size_per_gpu: images a step on each device, be it a GPU or a CPU.
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

    def check(self) -> None:
        """Refuses values that no run can use.

        Raises:
            ConfigError: names the field, what is expected and what was found.
        """
        inputter, modeler, callback = self.inputter, self.modeler, self.callback
        _require(-(2**63) <= self.seed < 2**63, "seed", "an int64", self.seed)
        _require(1 <= self.epochs < 2**32, "epochs", "at least 1", self.epochs)
        _require(
            self.max_step is None or self.max_step >= 1, "max_step", "at least 1", self.max_step
        )
        _require(
            self.batch_size_per_gpu >= 1,
            "batch_size_per_gpu",
            "at least 1",
            self.batch_size_per_gpu,
        )
        _require(self.gpu_count >= 1, "gpu_count", "at least 1", self.gpu_count)
        _require(self.runner.timeout >= 4, "runner.timeout", "at least 4", self.runner.timeout)
        _require(self.runner.restarts >= 0, "runner.restarts", "at least 0", self.runner.restarts)
        for name, least in (("num_classes", 0), ("resize", 0), ("cache_gib", 0), ("threads", 0)):
            found = getattr(inputter, name)
            _require(found >= least, f"inputter.{name}", f"at least {least}", found)
        _require(inputter.prefetch >= 1, "inputter.prefetch", "at least 1", inputter.prefetch)
        _require(inputter.max_pixels >= 1, "inputter.max_pixels", "at least 1", inputter.max_pixels)
        _require(
            0 <= inputter.hold_out < 1, "inputter.hold_out", "within [0, 1)", inputter.hold_out
        )
        _require(
            modeler.learning_rate > 0, "modeler.learning_rate", "above 0", modeler.learning_rate
        )
        _require(0 <= modeler.momentum < 1, "modeler.momentum", "within [0, 1)", modeler.momentum)
        _require(
            not modeler.nesterov or modeler.momentum > 0,
            "modeler.nesterov",
            "momentum above 0 with it",
            modeler.nesterov,
        )
        _require(
            modeler.warmup_epochs >= 0, "modeler.warmup_epochs", "at least 0", modeler.warmup_epochs
        )
        _require(
            modeler.weight_decay >= 0, "modeler.weight_decay", "at least 0", modeler.weight_decay
        )
        _require(
            0 <= modeler.label_smoothing < 1,
            "modeler.label_smoothing",
            "within [0, 1)",
            modeler.label_smoothing,
        )
        _require(
            list(modeler.boundaries) == sorted(set(modeler.boundaries)),
            "modeler.boundaries",
            "epochs in rising order",
            modeler.boundaries,
        )
        for name in ("log_every_n_iter", "save_summary_steps", "keep_checkpoint_max"):
            _require(
                getattr(callback, name) >= 1,
                f"callback.{name}",
                "at least 1",
                getattr(callback, name),
            )
        for name in ("save_checkpoints_steps", "eval_every_epochs"):
            _require(
                getattr(callback, name) >= 0,
                f"callback.{name}",
                "at least 0",
                getattr(callback, name),
            )


def _require(ok: bool, path: str, expected: str, found: object) -> None:
    if not ok:
        raise ConfigError(f"[config] expected {path} to be {expected}; found {found!r}")
