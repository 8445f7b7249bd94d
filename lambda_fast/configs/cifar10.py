"""ResNet32 on CIFAR-10.

    python -m lambda_fast.train --config cifar10

The network is the 0.46 M-parameter one of He et al., 2015 (arXiv:1512.03385), who report 92.49 %
after about 180 epochs, with the same crop and flip. The schedule is shorter: a warm-up, then a
cosine.

Measured on 2 cores of an AMD EPYC (Zen 4), float32, seed 0: after the first two epochs (`--set
max_step=780`) 59.13 % of the 10,000 test images are right. The whole schedule has not been run yet.
"""

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config, InputterConfig, ModelerConfig
from lambda_fast.data.cifar10 import MEAN_RGB, STD_RGB


def recipe() -> Config:
    """The run."""
    return Config(
        name="cifar10",
        epochs=60,
        batch_size_per_gpu=128,
        inputter=InputterConfig(dataset="cifar10"),
        augmenter=AugmentSpec(
            pad=4,
            border="reflect",
            crop="random",
            flip=0.5,
            normalize="channels",
            mean=MEAN_RGB,
            std=STD_RGB,
        ),
        modeler=ModelerConfig(
            network="resnet32",
            precision="auto",
            learning_rate=0.25,
            warmup_epochs=3.0,
            schedule="cosine",
            weight_decay=5e-4,
            label_smoothing=0.1,
        ),
    )
