"""One run with everything on that lets a person see into it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_fast.overrides import apply
from lambda_fast.xla_dump import dump_xla

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (
    "epochs=1",
    "batch_size_per_gpu=16",
    "callback.profile=5:8",
    "callback.log_every_n_iter=4",
    "callback.save_summary_steps=4",
)


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("observed")
    settings = (*SETTINGS, f"model_dir={folder}", f"callback.xla_dump={folder / 'xla'}")
    flags = [flag for setting in settings for flag in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, ROOT / "tests/tiny_run.py", "train", "--config", "cifar10", *flags],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_the_profile_holds_the_steps_that_were_asked_for(observed):
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    folder, output = observed
    assert "profile of steps 5 to 8: tensorboard --logdir" in output
    (file,) = (folder / "summaries" / "plugins" / "profile").glob("*/*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(file.read_bytes())
    steps = set()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                if plane.event_metadata[event.metadata_id].name != "train":
                    continue
                stats = {plane.stat_metadata[s.metadata_id].name: s for s in event.stats}
                steps.add(stats["step_num"].int64_value)
    assert steps == {5, 6, 7, 8}


def test_xla_has_written_the_step(observed):
    text = "".join(path.read_text() for path in (observed[0] / "xla").glob("*optimizations.txt"))
    assert 'custom_call_target="lf_augment' in text


def test_the_summary_tells_the_most_memory(observed):
    summary = json.loads((observed[0] / "summary.json").read_text())
    assert 0.2 < summary["peak_memory"]["host_gib"] < 20


@pytest.mark.parametrize("profile", ["5", "8:5", "0:3", "a:b", ":", "1:2:3"])
def test_a_span_of_steps_that_is_none(profile):
    from lambda_fast.build import recipe

    config = apply(recipe("cifar10"), [f"callback.profile={profile}"])
    with pytest.raises(ValueError, match=r"callback.profile to be FIRST:LAST"):
        config.check()


def test_each_rank_has_a_folder_and_the_users_flags_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    dump_xla(str(tmp_path / "xla"), 1, 2)
    folder = tmp_path / "xla" / "rank-1"
    assert os.environ["XLA_FLAGS"] == f"--xla_cpu_enable_fast_math=false --xla_dump_to={folder}"
    assert folder.is_dir()
