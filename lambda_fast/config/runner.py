"""What drives the steps."""

from dataclasses import dataclass
from typing import Literal

from lambda_fast.config.checks import require_at_least, require_choices


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
        buckets: collectives that the gradients of a step are split over, those of the last layers
            first, so that XLA may compute the first layers' meanwhile.
        bottleneck: makes a few steps more after the last one, at most a hundredth of the training
            or 2 s, whichever is more, and says what bounds the speed.
        summary_names: numbers that `train_summary` records, each entry one or several joined by
            commas; none: all.
    """

    name: str = "runner"
    timeout: float = 60.0
    restarts: int = 0
    wire: Literal["float32", "bfloat16"] = "float32"
    buckets: int = 1
    bottleneck: bool = True
    summary_names: tuple[str, ...] = ()

    def recorded(self) -> tuple[str, ...]:
        """The names in `summary_names`, one by one."""
        return tuple(
            name.strip()
            for entry in self.summary_names
            for name in entry.split(",")
            if name.strip()
        )

    def check(self) -> None:
        """Refuses values that no run can use.

        Raises:
            ConfigError: names the field, what is expected and what was found.
        """
        require_choices(self, "runner.")
        require_at_least(4, self, "runner.", "timeout")
        require_at_least(0, self, "runner.", "restarts")
        require_at_least(1, self, "runner.", "buckets")
