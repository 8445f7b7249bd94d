"""tune: Optuna's search over a training that costs nothing, and once over the real one."""

import json
import signal
import subprocess
import sys

import pytest
from command_line import CLEAN, ROOT, run

from lambda_fast import trial_run, tune
from lambda_fast.build import recipe
from lambda_fast.config import ConfigError
from lambda_fast.overrides import apply
from lambda_fast.search_space import Param, parse

optuna = pytest.importorskip("optuna")

# Stands in for the training: best at a rate of 0.2, fails above 0.9, and says so as it goes.
TRAINING = """
import json, os, sys, time
from pathlib import Path

values = dict(part.split("=", 1) for part in sys.argv if "=" in part)
rate, folder = float(values["modeler.learning_rate"]), Path(values["model_dir"])
if rate > 0.9:
    sys.exit("error: [loss] expected finite values")
accuracy = 1 - abs(rate - 0.2)
for step in (1, 2):
    line = {"step": step, "eval_accuracy": accuracy * (0.5 + 0.25 * step)}
    with (folder / "metrics.jsonl").open("a") as file:
        print(json.dumps(line), file=file)
    if "slow" in os.environ.get("TRAINING", ""):
        (folder / "started").touch()
        time.sleep(60)
    time.sleep(0.15)
(folder / "summary.json").write_text(json.dumps({"eval_accuracy": accuracy}))
"""


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """The config of a search whose trainings are the stand-in."""
    (tmp_path / "training.py").write_text(TRAINING)
    monkeypatch.setattr(trial_run, "COMMAND", (sys.executable, str(tmp_path / "training.py")))
    monkeypatch.setattr(trial_run, "PAUSE", 0.05)
    return apply(recipe("cifar10"), [f"model_dir={tmp_path / 'search'}"])


def search(config, trials, *values):
    params = [Param("modeler.learning_rate", "choice", values)]
    return tune.run(config, "cifar10", params, trials)


def test_the_best_trial_is_found_and_a_failed_one_is_told(quick, capsys):
    found = search(quick, 7, "0.1", "0.25", "0.95")
    told = json.loads((quick.model_path() / "tune.json").read_text())
    assert told == found and len(found["trials"]) == 7
    accuracy = {"0.1": 0.9, "0.25": 0.95}
    for trial in found["trials"]:
        rate = trial["params"]["modeler.learning_rate"]
        assert (trial["state"] == "fail") == (rate == "0.95")
        if trial["state"] == "complete":
            assert trial["accuracy"] == pytest.approx(accuracy[rate])
    assert found["best"]["params"] == {"modeler.learning_rate": "0.25"}
    assert "failed: [tune] expected a training" in capsys.readouterr().out
    assert len(search(quick, 8, "0.1", "0.25", "0.95")["trials"]) == 8  # one more
    with pytest.raises(ConfigError, match=r"expected the same search as before .*; found"):
        search(quick, 10, "0.1", "0.3")
    with pytest.raises(ConfigError, match=r"epochs=60; found epochs=2"):
        search(apply(quick, ["epochs=2"]), 10, "0.1", "0.25", "0.95")


def test_without_optuna_it_says_what_to_install(quick, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"expected Optuna, .* pip install 'lambda_fast\[tune\]'"):
        search(quick, 1, "0.1", "0.2")
    assert not quick.model_path().exists()


def test_hopeless_trials_are_stopped(quick):
    values = [f"{value / 100:.2f}" for value in range(20, 60)]
    states = {trial["state"] for trial in search(quick, 12, *values)["trials"]}
    assert states == {"complete", "pruned"}


def test_nothing_that_ends_well_is_an_error(quick):
    with pytest.raises(trial_run.TrialError, match=r"found none of 2.*expected finite values"):
        search(quick, 2, "0.95", "0.96")


def test_a_killed_search_takes_up_the_trial_that_was_running(quick, tmp_path):
    program = f"""
import sys
from lambda_fast import trial_run, tune
from lambda_fast.build import recipe
from lambda_fast.overrides import apply
from lambda_fast.search_space import Param

trial_run.COMMAND = (sys.executable, {str(tmp_path / "training.py")!r})
config = apply(recipe("cifar10"), ["model_dir={quick.model_path()}"])
tune.run(config, "cifar10", [Param("modeler.learning_rate", "linear", ("0.1", "0.8"))], 1)
"""
    environment = CLEAN | {"PYTHONPATH": str(ROOT), "TRAINING": "slow"}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    folder = quick.model_path() / "trials" / "0000"
    while not (folder / "started").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    params = [Param("modeler.learning_rate", "linear", ("0.1", "0.8"))]
    found = tune.run(quick, "cifar10", params, 2)
    assert [trial["model_dir"] for trial in found["trials"]] == [
        str(folder),
        str(folder.with_name("0002")),  # 0001 is the one that was taken up
    ]
    assert {trial["state"] for trial in found["trials"]} == {"complete"}


def test_the_command_trains_for_real(tmp_path):
    done = run(
        *("tune", tmp_path, "--trials", "1"),
        *(
            "--param",
            "modeler.learning_rate=log:0.01:1",
            "--param",
            "modeler.precision=float32,auto",
        ),
        settings=["epochs=1", "inputter.prefetch=3"],
    )
    assert done.returncode == 0, done.stderr
    best = json.loads((tmp_path / "tune.json").read_text())["best"]
    assert "best: " in done.stdout and best["model_dir"] in done.stdout
    summary = json.loads((tmp_path / "trials" / "0000" / "summary.json").read_text())
    assert summary["eval_accuracy"] == best["accuracy"] and summary["step"] == 12
    stated = summary["config"]["modeler"]
    assert stated["learning_rate"] == best["params"]["modeler.learning_rate"]
    assert summary["config"]["inputter"]["prefetch"] == 3


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("modeler.learning_rate", "expected path=values, found 'modeler.learning_rate'"),
        ("modeler.learning_rat=0.1,0.2", "Did you mean"),
        ("modeler.learning_rate=0.1", "expected several values for modeler.learning_rate"),
        ("modeler.learning_rate=log:0:1", "expected 0 < low < high"),
        ("modeler.learning_rate=linear:1", "expected linear:low:high"),
        ("epochs=linear:0.5:1.5", "expected epochs to be of type int"),
        ("epochs=int:0:3", "expected epochs to be at least 1"),
        ("modeler.network=resnet32,vgg", r"\[network\] expected one of .*; found 'vgg'"),
        ("modeler.optimizer=momentum,nix", "expected modeler.optimizer to be one of"),
    ],
)
def test_params_that_do_not_fit_are_refused_before_any_training(param, message):
    with pytest.raises(ConfigError, match=message):
        parse([param], recipe("cifar10"))


def test_a_comma_in_parentheses_parts_no_values():
    given = "modeler.network=MobileNet(alpha=0.25, dropout=0.1),resnet32"
    (param,) = parse([given], recipe("cifar10"))
    assert param.values == ("MobileNet(alpha=0.25, dropout=0.1)", "resnet32")
