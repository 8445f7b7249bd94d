"""Commands: one clear line, a non-zero exit and no traceback for whatever a person gets wrong."""

import subprocess
import sys

import pytest
from command_line import CLEAN, ROOT, refused

from lambda_fast.native import NativeLibraryError, check_tensorflow


def run(module, *arguments, script=False, **environment):
    start = (
        [str(ROOT / "tests" / "tiny_run.py"), module] if script else ["-m", f"lambda_fast.{module}"]
    )
    return subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=ROOT,
        env=CLEAN | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_print_config_lists_what_set_takes():
    done = run("train", "--config", "cifar10", "--set", "epochs=3", "--print-config")
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert "epochs=3" in lines
    assert "modeler.network=resnet32" in lines
    again = [part for line in lines for part in ("--set", line)]
    assert run("train", "--config", "cifar10", *again, "--print-config").stdout == done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--config", "nix"],
            "expected one of cifar10, cifar10_fast, folder, imagenet, transfer; found 'nix'",
        ),
        (["--config", "cifar10", "--set", "epoch=1"], "Did you mean epochs"),
        (["--config", "cifar10", "--set", "epochs=x"], "expected epochs to be of type int"),
        (["--config", "cifar10", "--set", "epochs=0"], "expected epochs to be at least 1"),
        (["--config", "cifar10", "--set", "gpu_count=0"], "expected gpu_count to be at least 1"),
        (["--config", "cifar10", "--set", "runner.timeout=1"], "runner.timeout to be at least 4"),
    ],
)
@pytest.mark.parametrize("module", ["train", "eval"])
def test_wrong_arguments(module, arguments, message):
    refused(run(module, *arguments), message)


@pytest.mark.parametrize("arguments", [[], ["--config", "cifar10", "--wrong"]])
def test_wrong_flags_show_the_usage(arguments):
    done = run("train", *arguments)
    assert done.returncode == 2
    assert "usage: python -m lambda_fast.train" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_data_folder(tmp_path):
    done = run(
        *("train", "--config", "cifar10", "--data-dir", str(tmp_path / "none")),
        *("--set", f"model_dir={tmp_path / 'run'}"),
    )
    refused(done, str(tmp_path / "none"))


def test_a_model_dir_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "run"
    refused(
        run("train", "--config", "cifar10", "--set", f"model_dir={folder}"),
        f"[model_dir] expected a folder that can be written, found {folder}",
    )


def test_a_model_dir_in_use(tmp_path):
    import fcntl

    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(
            run("train", "--config", "cifar10", "--set", f"model_dir={tmp_path}"),
            "found another run at work in it",
        )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("modeler.network=vgg", "[network] expected one of airbench, inception_v4, resnet32, "),
        ("callback.names=train_los", "[callback] expected one of train_accuracy, train_basic"),
        (
            "inputter.dataset=mnist",
            "[data] expected one of cifar10; found 'mnist'",
        ),
        ("inputter.num_classes=7", "expected num_classes=7 of the data set, found 10"),
        ("augmenter.width=80", "[augment] expected a crop of at most 40x40"),
        ("augmenter.height=40", "expected a crop of at most 32x32"),
        ("augmenter.crop=middle", "one of center, random, random_resized, random_scaled; found"),
        ("augmenter.flip=2", "[augment] expected flip as a probability"),
        ("batch_size_per_gpu=500", "found 200 images for a global batch of 500"),
    ],
)
def test_names_and_values_that_do_not_fit(tmp_path, setting, message):
    arguments = ["--config", "cifar10", "--set", f"model_dir={tmp_path}", "--set", setting]
    refused(run("train", *arguments, script=True), message)
    assert not list(tmp_path.glob("*.json*"))


def test_another_tensorflow(tmp_path):
    arguments = ["--config", "cifar10", "--set", f"model_dir={tmp_path}"]
    done = run("train", *arguments, script=True, PRETEND_TENSORFLOW="2.19.0")
    refused(done, "expected TensorFlow 2.21, for which the native library was built; found 2.19.0")


def test_an_instruction_set_that_is_not_there(tmp_path):
    arguments = ["--config", "cifar10", "--set", f"model_dir={tmp_path}"]
    done = run("train", *arguments, script=True, LAMBDA_FAST_ISA="avx1024")
    refused(done, "[LAMBDA_FAST_ISA] expected portable")


def test_a_model_dir_with_a_file_where_a_folder_must_be(tmp_path):
    (tmp_path / "summaries").write_text("")
    arguments = ["--config", "cifar10", "--set", f"model_dir={tmp_path}", "--set", "max_step=1"]
    refused(run("train", *arguments, "--set", "batch_size_per_gpu=8", script=True), "summaries")


def test_eval_without_a_checkpoint(tmp_path):
    arguments = ["--config", "cifar10", "--set", f"model_dir={tmp_path}"]
    refused(run("eval", *arguments, script=True), "[eval] expected a checkpoint in")


def test_another_keras_backend(tmp_path):
    arguments = ["--config", "cifar10", "--set", f"model_dir={tmp_path}"]
    done = run("train", *arguments, script=True, KERAS_BACKEND="numpy")
    refused(done, "[modeler] expected Keras on TensorFlow, found numpy")


@pytest.mark.parametrize(
    ("built", "found", "message"),
    [
        ("2.20.1", "2.21.0", "expected TensorFlow 2.20, .* found 2.21.0"),
        ("", "2.21.0", "LAMBDA_FAST_TF=OFF"),
    ],
)
def test_another_tensorflow_is_refused_before_the_library_is_opened(built, found, message):
    with pytest.raises(NativeLibraryError, match=message):
        check_tensorflow(built, found)
    check_tensorflow("2.21.0", "2.21.3")
