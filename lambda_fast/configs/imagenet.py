"""ResNet50 on ImageNet, or on any set of photographs that is as large.

    python -m lambda_fast.train --config imagenet --data-dir DIR

DIR holds `train/` and `val/` with a folder for each class, or `train.csv` and `eval.csv` of
`path,label`.
The recipe is that of He et al., 2015 (arXiv:1512.03385) as Goyal et al., 2017 (arXiv:1706.02677)
scaled it: a rate of 0.1 for a batch of 256, a warm-up, weight decay, random resized crops; with a
cosine and label smoothing (He et al., 2018, arXiv:1812.01187). No accuracy has been measured with
it yet.
"""

from lambda_fast.augmenter import resnet
from lambda_fast.config import Config, InputterConfig, ModelerConfig


def recipe() -> Config:
    """The run."""
    return Config(
        name="imagenet",
        epochs=90,
        batch_size_per_gpu=256,
        inputter=InputterConfig(name="image_classification_csv_inputter", resize=256),
        augmenter=resnet.build(),
        modeler=ModelerConfig(
            network="resnet50",
            precision="auto",
            learning_rate=0.1,
            warmup_epochs=5.0,
            schedule="cosine",
            weight_decay=1e-4,
            label_smoothing=0.1,
        ),
    )
