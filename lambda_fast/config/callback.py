"""What watches the run."""

from dataclasses import dataclass

from lambda_fast.config.checks import require, require_at_least


@dataclass(frozen=True, kw_only=True)
class CallbackConfig:
    """What watches the run.

    Attributes:
        names: modules of `lambda_fast.callback`, called in this order in training.
        eval_names: likewise, in an evaluation.
        infer_names: likewise, when asked what images show.
        export_names: likewise, in an export.
        picture: where `infer_display_image_classification` draws; empty: `<model_dir>/infer.png`.
        export_dir: where `export_basic` writes; empty: `<model_dir>/export`.
        export_onnx: writes `model.onnx` as well.
        export_force: replaces an export that is there.
        log_every_n_iter: steps between two reports.
        save_summary_steps: steps between two TensorBoard points.
        save_checkpoints_steps: steps between two checkpoints; 0: at the end of each epoch.
        keep_checkpoint_max: checkpoints kept, the newest ones.
        eval_every_epochs: epochs between two evaluations; 0: at the end of the run alone.
        keep_best: `train_eval` keeps the checkpoint with the greatest accuracy in `best/`, beside
            the newest ones.
        use_best: eval, infer and export take that one instead of the newest.
        profile: `FIRST:LAST` writes a profile of these steps, both included, for TensorBoard.
        xla_dump: a folder for what XLA makes of the programs, with several ranks one in it for
            each.
    """

    names: tuple[str, ...] = (
        "train_basic",
        "train_loss",
        "train_accuracy",
        "train_speed",
        "train_eval",
        "train_summary",
        "train_metrics",
        "train_profile",
        "train_progress",
    )
    eval_names: tuple[str, ...] = (
        "eval_basic",
        "eval_loss",
        "eval_accuracy",
        "eval_speed",
        "eval_summary",
    )
    infer_names: tuple[str, ...] = ("infer_basic",)
    export_names: tuple[str, ...] = ("export_basic",)
    picture: str = ""
    export_dir: str = ""
    export_onnx: bool = False
    export_force: bool = False
    log_every_n_iter: int = 20
    save_summary_steps: int = 100
    save_checkpoints_steps: int = 0
    keep_checkpoint_max: int = 3
    eval_every_epochs: int = 0
    keep_best: bool = False
    use_best: bool = False
    profile: str = ""
    xla_dump: str = ""

    def profiled_steps(self) -> range:
        """The steps of `profile`, counted from 1."""
        first, _, last = self.profile.partition(":")
        return range(int(first), int(last) + 1) if self.profile else range(0)

    def check(self) -> None:
        """Refuses values that no run can use.

        Raises:
            ConfigError: names the field, what is expected and what was found.
        """
        prefix = "callback."
        require_at_least(
            1, self, prefix, "log_every_n_iter", "save_summary_steps", "keep_checkpoint_max"
        )
        require_at_least(0, self, prefix, "save_checkpoints_steps", "eval_every_epochs")
        require(
            not self.keep_best or ("train_eval" in self.names and self.eval_every_epochs > 0),
            f"{prefix}keep_best",
            "false without train_eval among the names and eval_every_epochs of 1 or more, which "
            "find out what is best",
            self.keep_best,
        )
        require(
            not self.profile or _is_span(self.profile),
            "callback.profile",
            "FIRST:LAST, two steps with 1 <= FIRST <= LAST",
            self.profile,
        )
        require(
            not self.profile or "train_profile" in self.names,
            "callback.names",
            "with train_profile, which callback.profile needs",
            self.names,
        )


def _is_span(text: str) -> bool:
    first, _, last = text.partition(":")
    return first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)
