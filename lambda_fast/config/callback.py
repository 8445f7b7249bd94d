"""What watches the run."""

from dataclasses import dataclass

from lambda_fast.config.checks import require, require_at_least


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
        keep_best: `train_eval` keeps the checkpoint with the greatest accuracy in `best/`, beside
            the newest ones.
        use_best: eval, infer and export take that one instead of the newest.
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
    keep_best: bool = False
    use_best: bool = False

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
            not self.keep_best or "train_eval" in self.names,
            f"{prefix}keep_best",
            "false without train_eval among the names, which finds out what is best",
            self.keep_best,
        )
