"""Your own images on a network that has learned from others: a new head, or more.

    python -m lambda_fast.train --config transfer --data-dir DIR

DIR as for the recipe `folder`.
"""

import dataclasses

from lambda_fast.config import Config
from lambda_fast.configs import folder


def recipe() -> Config:
    """The run."""
    like = folder.recipe()
    return dataclasses.replace(
        like,
        name="transfer",
        epochs=8,
        inputter=dataclasses.replace(like.inputter, resize=320, cache="memory"),
        augmenter=dataclasses.replace(
            like.augmenter, height=288, width=288, mean=(127.5,) * 3, std=(127.5,) * 3
        ),
        modeler=dataclasses.replace(
            like.modeler,
            network="MobileNet",
            precision="float32",
            pretrained_model="imagenet",
            trainable_vars=("logits",),
            learning_rate=0.02,
            warmup_epochs=1.0,
            weight_decay=0.05,
            label_smoothing=0.0,
        ),
    )
