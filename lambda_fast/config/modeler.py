"""The network, and how it learns."""

from dataclasses import dataclass
from typing import Literal

from lambda_fast.config.checks import require, require_at_least


@dataclass(frozen=True, kw_only=True)
class ModelerConfig:
    """The network, and how it learns.

    Attributes:
        name: a module of `lambda_fast.modeler`.
        network: a module of `lambda_fast.network`.
        pretrained_model: where a fresh run takes its first weights from: a Keras weights file
            (`.h5`, `.weights.h5`), a `.keras` file, a checkpoint or the `model_dir` of another run,
            or `imagenet`, which Keras fetches for a network of `keras.applications`. Empty: random.
        skip_pretrained_var: variables that it does not set, such as a head of other classes:
            patterns such as `logits/*` of their names or of their layers (`fnmatch`).
        trainable_vars: patterns of the variables that learn; the others are frozen. Empty: all.
        skip_trainable_vars: patterns of variables that are frozen though `trainable_vars` has them.
            A layer none of whose weights learns normalises with the statistics that it has.
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
    pretrained_model: str = ""
    skip_pretrained_var: tuple[str, ...] = ()
    trainable_vars: tuple[str, ...] = ()
    skip_trainable_vars: tuple[str, ...] = ()
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

    def check(self) -> None:
        """Refuses values that no run can use.

        Raises:
            ConfigError: names the field, what is expected and what was found.
        """
        prefix = "modeler."
        require(
            not self.sync_batch_norm,
            f"{prefix}sync_batch_norm",
            "false, because this version has no layers for it",
            self.sync_batch_norm,
        )
        require(self.learning_rate > 0, f"{prefix}learning_rate", "above 0", self.learning_rate)
        for name in ("momentum", "label_smoothing"):
            found = getattr(self, name)
            require(0 <= found < 1, f"{prefix}{name}", "within [0, 1)", found)
        require(
            not self.nesterov or self.momentum > 0,
            f"{prefix}nesterov",
            "momentum above 0 with it",
            self.nesterov,
        )
        require_at_least(0, self, prefix, "warmup_epochs", "weight_decay")
        require(
            list(self.boundaries) == sorted(set(self.boundaries)),
            f"{prefix}boundaries",
            "epochs in rising order",
            self.boundaries,
        )
