"""Which list of images a recipe means, for training and for evaluation."""

from __future__ import annotations

from lambda_fast.config import Config, ConfigError
from lambda_fast.data.image_list import ImageList, read
from lambda_fast.data.splits import hold_out, splits
from lambda_fast.inputter import Mode


def image_list(config: Config, mode: Mode) -> ImageList:
    """Reads the list of a mode. The classes are those of the training set.

    Raises:
        ConfigError: the recipe names no images.
        DataError: a list that cannot be read.
    """
    inputter = config.inputter
    train_meta, eval_meta = inputter.dataset_meta, inputter.eval_meta
    if inputter.data_dir:
        found_train, found_eval = splits(inputter.data_dir)
        if not train_meta:
            train_meta, eval_meta = found_train, eval_meta or found_eval or ""
    if not train_meta:
        raise ConfigError(
            "[inputter] expected images, found none. Name a folder that holds train/ and val/, or "
            "class folders: --data-dir DIR; or CSVs of path,label: "
            "--set inputter.dataset_meta=train.csv --set inputter.eval_meta=eval.csv"
        )
    train = read(
        train_meta,
        class_names_file=inputter.class_names or None,
        num_classes=inputter.num_classes,
    )
    if mode == "train":
        return (
            train if eval_meta or not inputter.hold_out else hold_out(train, inputter.hold_out)[0]
        )
    if eval_meta:
        return read(eval_meta, class_names=train.class_names)
    if inputter.hold_out:
        return hold_out(train, inputter.hold_out)[1]
    raise ConfigError(
        "[inputter] expected images for the evaluation, found none. Name them with --set "
        "inputter.eval_meta=META, or hold some of the training set out: --set inputter.hold_out=0.1"
    )
