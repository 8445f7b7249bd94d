"""One trained run and its evaluation images as files, for all that commands say of it."""

import command_line
import pytest


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    settings = ["callback.save_checkpoints_steps=100"]
    done = command_line.run("train", folder, settings=settings)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    return command_line.write_images(tmp_path_factory.mktemp("images"))
