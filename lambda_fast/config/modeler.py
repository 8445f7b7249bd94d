"""The network, and how it learns."""

from dataclasses import dataclass
from typing import Literal

from lambda_fast.config.checks import require, require_at_least, require_choices


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
        optimizer: `momentum`, plain `sgd`, `adam`, `adamw` (Loshchilov and Hutter, 2017,
            arXiv:1711.05101), `rmsprop`, `lars` (You et al., 2017, arXiv:1708.03888), `lamb` (You
            et al., 2019, arXiv:1904.00962) or `muon` (Jordan et al., 2024).
        momentum: of `momentum`, `rmsprop`, `lars` and `muon`.
        nesterov: looks ahead, with `momentum`.
        betas: of `adam`, `adamw` and `lamb`: how much of the mean and of the mean square of the
            gradients is kept.
        rho: of `rmsprop`: how much of the mean square of the gradients is kept.
        epsilon: added where `adam`, `adamw`, `rmsprop` and `lamb` divide.
        trust: of `lars`: a step's share of the norm of the weights, at a rate of 1.
        dense_rate: of `muon`: the rate of matrices, relative to that of convolution kernels.
        vector_rate: of `muon`, likewise of offsets and scales.
        learning_rate: its peak, at the end of the warm-up.
        min_learning_rate: `cosine` and `linear` end there.
        warmup_epochs: the rate rises linearly to the peak; may be a fraction.
        schedule: after the warm-up: `cosine` to the end of the run (Loshchilov and Hutter, 2016,
            arXiv:1608.03983), `linear` likewise, `piecewise`, `step` and `exponential`, or
            `constant`.
        boundaries: for `piecewise`, the epochs of the run at which the rate is multiplied by
            `decay`.
        decay: for `piecewise`, one factor or one for each boundary; for `step` and `exponential`
            the factor of each `decay_epochs`.
        decay_epochs: for `step`, epochs after the warm-up from one fall to the next; `exponential`
            falls evenly over them.
        weight_decay: times the weights, added to their gradients (L2); `adamw`, `lamb` and `muon`
            instead take it, times the learning rate, off the weights (`muon` not off convolution
            kernels, whose norms it sets), and `lars` scales it with the gradient.
        weight_decay_skip: variables without weight decay, and without `lars`'s scaling: patterns
            such as `*/bias` of their names (`fnmatch`). None: all that have one dimension.
        clip_norm: most that the norm of all gradients together may be (Pascanu et al., 2012,
            arXiv:1211.5063): longer ones are shortened, of all ranks' mean and without weight
            decay; 0 is off. The step then reports `gradient_norm`, before the cut.
        clip_value: likewise, most that each gradient's number may be; 0 is off.
        accumulate: an update is computed from as many batches of `batch_size_per_gpu`, one after
            another: the step of a batch so many times larger in the memory of one. Batch
            normalisation sees each batch by itself.
        ema: share of their running mean that weights and statistics keep in a step (Polyak and
            Juditsky, 1992), for example 0.999; 0 is off. It counts less in the first steps.
            Evaluation, infer and export take the means.
        label_smoothing: share of the target spread over all classes (Szegedy et al., 2015,
            arXiv:1512.00567).
        mixup: alpha of the Beta distribution of the share of an image (Zhang et al., 2017,
            arXiv:1710.09412): the rest is another image of the device's batch, in pixels as in
            labels; 0 is off. `accuracy` then counts the label with the greater share.
        cutmix: alpha of the share of an image that a window of another one leaves (Yun et al.,
            2019, arXiv:1905.04899); 0 is off.
        mix_probability: share of the images that are mixed.
        mix_switch: where `mixup` and `cutmix` are on, share of the mixed images with `cutmix`.
        on_nonfinite: when loss or gradients are not finite: `stop`, with the variables as they
            were before, or `skip` the step. Either way `<model_dir>/nonfinite.json` says where.
        test_time_augmentation: evaluation, infer and exported networks take the mean of the logits
            of the image alone (`none`), of it and its mirror image (`flip`), or of these also
            shifted by a pixel to two sides (`flip_shift`, six times the work). Figures with it and
            without it are of different kinds; say which.
        sync_batch_norm: normalise with the statistics of all ranks' images, not of each rank's.
    """

    name: str = "image_classification_modeler"
    network: str = "resnet32"
    pretrained_model: str = ""
    skip_pretrained_var: tuple[str, ...] = ()
    trainable_vars: tuple[str, ...] = ()
    skip_trainable_vars: tuple[str, ...] = ()
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    optimizer: Literal["momentum", "sgd", "adam", "adamw", "rmsprop", "lars", "lamb", "muon"] = (
        "momentum"
    )
    momentum: float = 0.9
    nesterov: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    rho: float = 0.9
    epsilon: float = 1e-7
    trust: float = 0.001
    dense_rate: float = 1.0
    vector_rate: float = 1.0
    learning_rate: float = 0.1
    min_learning_rate: float = 0.0
    warmup_epochs: float = 0.0
    schedule: Literal["cosine", "linear", "piecewise", "step", "exponential", "constant"] = "cosine"
    boundaries: tuple[float, ...] = ()
    decay: float | tuple[float, ...] = 0.1
    decay_epochs: float = 30.0
    weight_decay: float = 0.0
    weight_decay_skip: tuple[str, ...] | None = None
    clip_norm: float = 0.0
    clip_value: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    mix_probability: float = 1.0
    mix_switch: float = 0.5
    on_nonfinite: Literal["stop", "skip"] = "stop"
    test_time_augmentation: Literal["none", "flip", "flip_shift"] = "none"
    sync_batch_norm: bool = False

    def clips(self) -> bool:
        """Whether the step clips gradients, and so finds their norm."""
        return self.clip_norm > 0 or self.clip_value > 0

    def check(self) -> None:
        """Refuses values that no run can use.

        Raises:
            ConfigError: names the field, what is expected and what was found.
        """
        prefix = "modeler."
        require_choices(self, prefix)
        for name in (
            "learning_rate",
            "epsilon",
            "trust",
            "dense_rate",
            "vector_rate",
            "decay_epochs",
        ):
            found = getattr(self, name)
            require(found > 0, f"{prefix}{name}", "above 0", found)
        for name in ("momentum", "rho", "ema", "label_smoothing"):
            found = getattr(self, name)
            require(0 <= found < 1, f"{prefix}{name}", "within [0, 1)", found)
        for name in ("mix_probability", "mix_switch"):
            found = getattr(self, name)
            require(0 <= found <= 1, f"{prefix}{name}", "within [0, 1]", found)
        require(
            all(0 <= beta < 1 for beta in self.betas),
            f"{prefix}betas",
            "within [0, 1)",
            self.betas,
        )
        require(
            self.optimizer != "momentum" or not self.nesterov or self.momentum > 0,
            f"{prefix}nesterov",
            "momentum above 0 with it",
            self.nesterov,
        )
        require_at_least(0, self, prefix, "warmup_epochs", "weight_decay", "mixup", "cutmix")
        require_at_least(0, self, prefix, "clip_norm", "clip_value")
        require_at_least(1, self, prefix, "accumulate")
        require(
            self.clip_norm == 0 or self.clip_value == 0,
            f"{prefix}clip_value",
            "0 with clip_norm above 0, because a step clips one way",
            self.clip_value,
        )
        self._check_schedule(prefix)

    def _check_schedule(self, prefix: str) -> None:
        require(
            0 <= self.min_learning_rate <= self.learning_rate,
            f"{prefix}min_learning_rate",
            f"within [0, learning_rate = {self.learning_rate}]",
            self.min_learning_rate,
        )
        require(
            list(self.boundaries) == sorted(set(self.boundaries)),
            f"{prefix}boundaries",
            "epochs in rising order",
            self.boundaries,
        )
        require(
            self.schedule != "piecewise" or len(self.boundaries) > 0,
            f"{prefix}boundaries",
            "one epoch or more with schedule piecewise",
            self.boundaries,
        )
        each = isinstance(self.decay, tuple)
        require(
            not each or (self.schedule == "piecewise" and len(self.decay) == len(self.boundaries)),
            f"{prefix}decay",
            f"one number, or with schedule piecewise one for each of {len(self.boundaries)} "
            "boundaries",
            self.decay,
        )
        require(
            all(factor > 0 for factor in (self.decay if each else (self.decay,))),
            f"{prefix}decay",
            "above 0",
            self.decay,
        )
