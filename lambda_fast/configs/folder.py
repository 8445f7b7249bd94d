"""Your own images: point it at a folder with one folder a class.

    python -m lambda_fast.train --config folder --data-dir DIR

DIR holds class folders, or `train/` and `val/` that hold them, or `train.csv` and `eval.csv` of
`path,label`. Without a `val/`, a tenth of the images is kept for evaluation. ResNet50 from random
weights at 224 pixels; an image that cannot be used is listed in `<model_dir>/quarantine.csv`.

For sets that fit into memory, `--set inputter.cache=memory` decodes each image once.
"""

import dataclasses

from lambda_fast.config import Config
from lambda_fast.configs import imagenet


def recipe() -> Config:
    """The run."""
    like = imagenet.recipe()
    return dataclasses.replace(
        like,
        name="folder",
        epochs=30,
        batch_size_per_gpu=32,
        inputter=dataclasses.replace(like.inputter, on_bad_image="quarantine"),
        augmenter=dataclasses.replace(like.augmenter, area=(0.25, 1.0)),
        modeler=dataclasses.replace(like.modeler, learning_rate=0.02, warmup_epochs=2.0),
        callback=dataclasses.replace(like.callback, eval_every_epochs=1, log_every_n_iter=5),
    )
