"""Searches for the fields with which a recipe classifies most evaluation images rightly.

    python -m lambda_fast.tune --config cifar10 --param modeler.learning_rate=log:0.01:1 --trials 20

Optuna chooses (Akiba et al., 2019, arXiv:1907.10902); each trial is a training of its own in
`<model_dir>/trials`. The same command goes on where it was stopped, with more trials if asked.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

from lambda_fast import command, overrides, trial_run
from lambda_fast.checkpoint import write_atomically
from lambda_fast.config import Config, ConfigError
from lambda_fast.errors import UserError
from lambda_fast.search_space import Param, parse

STUDY = "tune.db"


def run(config: Config, recipe: str, params: Sequence[Param], trials: int) -> dict[str, Any]:
    """Searches, and writes `<model_dir>/tune.json`.

    Args:
        config: what the trials have in common.
        recipe: that it is made from.
        params: what differs.
        trials: in all, those of earlier calls included.

    Returns:
        `best` (`trial`, `accuracy`, `params`, `model_dir`) and `trials`.

    Raises:
        UserError: no Optuna, another search in the folder, or no trial that ended well.
    """
    optuna = _optuna()
    if "train_eval" not in config.callback.names:
        raise ConfigError(
            "[tune] expected train_eval in callback.names, whose accuracy is searched for; found "
            f"{', '.join(config.callback.names)}"
        )
    with command.own_folder(config.model_path()) as folder:
        study = optuna.create_study(
            study_name="tune",
            storage=f"sqlite:///{(folder / STUDY).absolute()}",
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
        # A seed that is the same each time would suggest the same again.
        study.sampler = optuna.samplers.TPESampler(seed=(config.seed + len(study.trials)) % 2**32)
        _check_same(study, config, params)
        _take_up(study, optuna)
        while (done := sum(t.state.is_finished() for t in _counted(study))) < trials:
            _one(study, optuna, config, recipe, params, f"trial {done + 1} of {trials}")
        return _report(study, optuna, folder)


def _one(
    study: Any, optuna: Any, config: Config, recipe: str, params: Sequence[Param], title: str
) -> None:
    """Asks for values, trains with them and tells the study how that went."""
    trial = study.ask()
    chosen = [f"{param.path}={param.suggest(trial)}" for param in params]
    name = trial.user_attrs.get("folder", f"{trial.number:04d}")
    trial.set_user_attr("folder", name)
    folder = config.model_path() / "trials" / name
    print(f"{title}: {' '.join(chosen)}", flush=True)

    def hopeless(step: int, accuracy: float) -> bool:
        trial.report(accuracy, step)
        return trial.should_prune()

    try:
        changed = overrides.apply(config, chosen)
        runner = dataclasses.replace(changed.runner, bottleneck=False)
        changed = dataclasses.replace(changed, model_dir=str(folder), runner=runner)
        changed.check()
        accuracy = trial_run.train(changed, recipe, hopeless)
    except UserError as error:
        trial.set_user_attr("error", str(error))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        print(f"  failed: {error}", flush=True)
        return
    if accuracy is None:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        print("  stopped early: below the median of the others", flush=True)
        return
    study.tell(trial, accuracy)
    print(f"  {accuracy:.2%} right; the best so far {study.best_value:.2%}", flush=True)


def _counted(study: Any) -> list[Any]:
    """The newest trial of each folder: one that was taken up counts once."""
    folders = {trial.user_attrs.get("folder", trial.number): trial for trial in study.trials}
    return list(folders.values())


def _take_up(study: Any, optuna: Any) -> None:
    """What was running when an earlier process ended is tried again, from its last checkpoint."""
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params, trial.user_attrs)


def _check_same(study: Any, config: Config, params: Sequence[Param]) -> None:
    """Refuses to mix trials whose accuracies cannot be compared."""
    lines = [line for line in overrides.lines(config) if not line.startswith("model_dir=")]
    lines += [f"--param {p.path}={p.kind}:{':'.join(p.values)}" for p in params]
    before = study.user_attrs.get("search")
    if before is None:
        study.set_user_attr("search", lines)
    elif before != lines:
        new = next((line for line in lines if line not in before), "less")
        old = next((line for line in before if line not in lines), "less")
        raise ConfigError(
            f"[tune] expected the same search as before in {config.model_path()}: {old}; found "
            f"{new}. Choose another folder with --set model_dir=DIR"
        )


def _report(study: Any, optuna: Any, folder: Any) -> dict[str, Any]:
    trials = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "accuracy": trial.value,
            "params": trial.params,
            "model_dir": str(folder / "trials" / trial.user_attrs["folder"]),
        }
        for trial in _counted(study)
        if "folder" in trial.user_attrs
    ]
    complete = [trial for trial in trials if trial["state"] == "complete"]
    if not complete:
        errors = [t.user_attrs["error"] for t in study.trials if "error" in t.user_attrs]
        raise trial_run.TrialError(
            f"[tune] expected a trial that ends well, found none of {len(trials)}. "
            f"The last one said: {errors[-1] if errors else 'nothing'}"
        )
    found = {"best": max(complete, key=lambda trial: trial["accuracy"]), "trials": trials}
    write_atomically(folder / "tune.json", f"{json.dumps(found, indent=2)}\n".encode())
    return found


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            f"[tune] expected Optuna, found none: {error}. pip install 'lambda_fast[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = command.parser("tune", __doc__.splitlines()[0])
    parser.add_argument(
        "--param",
        action="append",
        required=True,
        metavar="PATH=VALUES",
        help="log:LOW:HIGH, linear:LOW:HIGH, int:LOW:HIGH or A,B,C; may be repeated",
    )
    parser.add_argument("--trials", type=int, default=20, help="in all, earlier calls' included")
    options = parser.parse_args(arguments)
    config = command.configured(options)
    best = run(config, options.config, parse(options.param, config), options.trials)["best"]
    chosen = " ".join(f"--set {path}={value}" for path, value in best["params"].items())
    print(f"best: {best['accuracy']:.2%} with {chosen} ({best['model_dir']})")
    return 0


if __name__ == "__main__":
    sys.exit(command.main(main))
