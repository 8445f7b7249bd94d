"""Whatever happens to the disk or the process while it saves, the checkpoint before stays good."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from command_line import CLEAN, ROOT, refused
from image_files import encoded, photo

from lambda_fast import checkpoint

TINY = str(ROOT / "tests" / "tiny_run.py")
SIZE = 4_000_000  # bytes of a saved checkpoint below

# Saves step after step for ever.
SAVING = f"""
import sys, pathlib, numpy as np
from lambda_fast import checkpoint
folder, step = pathlib.Path(sys.argv[1]), int(sys.argv[2])
values = {{"a": np.random.default_rng(0).random({SIZE} // 8)}}
print("begins", flush=True)
while True:
    step += 1
    checkpoint.write(folder, checkpoint.Checkpoint(step, {{}}, values), keep=2)
"""


def own_mounts():
    """The command prefix for a process that may mount what others do not see; none if not here."""
    prefix = ["unshare", "--map-root-user", "--mount"]
    try:
        done = subprocess.run(
            [*prefix, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
        )
    except FileNotFoundError:
        return None
    return prefix if done.returncode == 0 else None


def train(folder, *settings, config="cifar10", before=(), **options):
    """The whole command, of which no warning is tolerated."""
    settings = ("epochs=1", "batch_size_per_gpu=16", f"model_dir={folder}", *settings)
    flags = [flag for setting in settings for flag in ("--set", setting)]
    return subprocess.run(
        [*before, sys.executable, "-W", "error", TINY, "train", "--config", config, *flags],
        cwd=ROOT,
        env=CLEAN | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        **options,
    )


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path):
    """On a real file system of 7 MB, which has room for one checkpoint and not for two."""
    prefix = own_mounts()
    if prefix is None:
        pytest.skip("this machine lets no user mount a file system")
    script = (
        'mount -t tmpfs -o size=7m none "$0" && mkdir -p "$0/run" && '
        f'"{sys.executable}" -c "$1" "$0/run" 0; code=$?; cp -r "$0/run" "$2"; exit $code'
    )
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        [*prefix, "sh", "-c", script, tmp_path / "disk", SAVING, tmp_path / "copy"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "CheckpointError: [checkpoint] expected to store" in done.stderr
    assert "No space left on device. What was there before is untouched" in done.stderr
    left = sorted((tmp_path / "copy" / checkpoint.FOLDER).iterdir())
    assert [path.name for path in left] == ["step-00000001.safetensors"]
    assert checkpoint.read(left[0]).step == 1


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with two checkpoints."""
    folder = tmp_path_factory.mktemp("saved") / "run"
    whole = train(folder, "callback.save_checkpoints_steps=6", "callback.keep_checkpoint_max=9")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    return folder


def test_a_run_that_cannot_save_says_so_in_one_line(tmp_path):
    """The limit on a file's size stands for a full disk here: it needs no rights."""

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = train(tmp_path, "callback.save_checkpoints_steps=6", preexec_fn=small_files)
    refused(done, "error: [checkpoint] expected to store")
    assert "File too large. What was there before is untouched" in done.stderr
    assert list((tmp_path / checkpoint.FOLDER).iterdir()) == []


def test_a_damaged_checkpoint_is_told_and_the_run_goes_on_from_the_one_before(saved):
    steps = checkpoint.all_steps(saved)
    assert steps == [6, 12]
    whole = checkpoint.read(checkpoint.path_of(saved, 12))
    path = checkpoint.path_of(saved, 12)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = train(saved, "callback.save_checkpoints_steps=6", "callback.keep_checkpoint_max=9")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"expected an intact checkpoint at {path}, found: other bytes" in done.stdout
    assert "Going on from step 6 of 12" in done.stdout
    again = checkpoint.read(path)
    for name, value in whole.values.items():
        assert value.tobytes() == again.values[name].tobytes(), name


def test_kill_at_any_moment_of_saving_leaves_a_good_checkpoint(tmp_path):
    last = 0
    for attempt in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVING, str(tmp_path), str(last)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        time.sleep(0.1 + 0.007 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for step in checkpoint.all_steps(tmp_path):
            assert checkpoint.read(checkpoint.path_of(tmp_path, step)).step == step
        newest = max(checkpoint.all_steps(tmp_path), default=0)
        assert newest >= last
        last = newest
    assert last > 0


def test_a_model_dir_that_is_read_only(tmp_path):
    """Also for root, without its right to write everywhere."""
    (tmp_path / ".lock").write_text("")
    tmp_path.chmod(0o555)
    before = ()
    if os.geteuid() == 0:
        before = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    try:
        refused(
            train(tmp_path, before=before),
            f"[model_dir] expected a folder that can be written, found {tmp_path}: it is read-only",
        )
    finally:
        tmp_path.chmod(0o755)


def test_an_epoch_of_image_files_without_a_warning(tmp_path):
    for label in ("one", "other"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(24):
            (tmp_path / "photos" / label / f"{number}.jpg").write_bytes(encoded(photo(number)))
    small = ("augmenter.height=32", "augmenter.width=32", "modeler.network=resnet32")
    done = train(
        tmp_path / "run", f"inputter.data_dir={tmp_path / 'photos'}", *small, config="folder"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["epochs"] == 1
