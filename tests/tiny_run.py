"""A whole command on a tiny learnable data set and a ResNet with one block a stage.

    python tests/tiny_run.py train --config cifar10 --set …

Stands in for the data set and shrinks the network; everything else is the real thing.
"""

import os
import signal
import sys

import numpy as np

from lambda_fast import command, native
from lambda_fast.data import cifar10

SAMPLES = {"train": 200, "eval": 43}


def tiny_load(split, data_dir=None, **_):
    """Noise with a bright band whose row is the label."""
    rng = np.random.default_rng({"train": 1, "eval": 2}[split])
    count = SAMPLES[split]
    labels = rng.integers(0, 10, count).astype(np.int32)
    images = rng.integers(0, 100, (count, 32, 32, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[3 * label : 3 * label + 4] += 120
    return cifar10.Cifar10(images=images, labels=labels)


def shrink():
    """Puts the tiny set and the small network in place."""
    cifar10.load = tiny_load
    from lambda_fast.network import resnet32

    resnet32.BLOCKS_PER_STAGE = 1


def kill_after(step):
    """SIGKILL in the middle of the loop, as early as the step's callbacks would begin."""
    from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler

    inner = ImageClassificationModeler.train_step

    def train_step(self, batch):
        outputs = inner(self, batch)
        if self.step() == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return outputs

    ImageClassificationModeler.train_step = train_step


def main():
    """Runs the command named by the first argument."""
    which, arguments = sys.argv[1], sys.argv[2:]

    def body():
        from lambda_fast import eval as evaluating
        from lambda_fast import infer as inferring
        from lambda_fast import train as training
        from lambda_fast.quiet import import_tensorflow

        import_tensorflow()
        shrink()
        if "PRETEND_TENSORFLOW" in os.environ:
            native.version = lambda _: os.environ["PRETEND_TENSORFLOW"]
        if "KILL_AFTER" in os.environ:
            kill_after(int(os.environ["KILL_AFTER"]))
        mains = {"train": training, "eval": evaluating, "infer": inferring}
        return mains[which].main(arguments)

    return command.main(body)


if __name__ == "__main__":
    sys.exit(main())
