"""A whole command on a tiny learnable data set and a ResNet with one block a stage.

    python tests/tiny_run.py train --config cifar10 --set …

Stands in for the data set and shrinks the network; everything else is the real thing.
"""

import os
import signal
import sys
import time
from pathlib import Path

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


def fail_in(rank, step, what, marker):
    """Once: rank `rank` is killed, is stopped, raises or gets SIGTERM when it has done `step`."""
    from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler

    inner = ImageClassificationModeler.train_step

    def train_step(self, batch):
        outputs = inner(self, batch)
        own = native.core().world()["rank"]
        if own == rank and self.step() == step and not Path(marker).exists():
            Path(marker).write_text(str(os.getpid()))
            if what == "raise":
                raise ZeroDivisionError("as the test wants it")
            os.kill(os.getpid(), getattr(signal, what))
        return outputs

    ImageClassificationModeler.train_step = train_step


def slow_input(rank, seconds):
    """On rank `rank`, each batch comes late."""
    from lambda_fast.inputter import in_memory_inputter

    gather = in_memory_inputter._gather

    def late(*arguments):
        if native.core().world()["rank"] == rank:
            time.sleep(seconds)
        return gather(*arguments)

    in_memory_inputter._gather = late


def dump_to(folder):
    """Every rank's variables at the end, the ids that it saw, and the compiled step."""
    from lambda_fast.runner.runner import Runner

    inner = Runner.run

    def run(self):
        modeler, seen = self._run.modeler, []
        step = modeler.train_step

        def train_step(batch):
            seen.append(np.asarray(batch.sample_ids))
            return step(batch)

        modeler.train_step = train_step
        done = inner(self)
        rank = native.core().world()["rank"]
        np.save(f"{folder}/rank-{rank}-ids.npy", seen)
        values = {name: np.asarray(v) for name, v in done.modeler.variables().items()}
        np.savez(f"{folder}/rank-{rank}.npz", **values)
        if "HLO" in os.environ:
            text = done.modeler.train_program_hlo(done.inputter.batch(0, 0))
            Path(f"{folder}/rank-{rank}.hlo").write_text(text)
        return done

    Runner.run = run


def plain_net():
    """A network without batch normalisation."""
    from lambda_fast.network import resnet32

    def net(num_classes, image_shape):
        import keras

        return keras.Sequential(
            [
                keras.Input(image_shape),
                keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(num_classes, dtype="float32"),
            ]
        )

    resnet32.net = net


def dividing_net():
    """A network whose first layer divides each image by its mean: a black one gives NaN there."""
    from lambda_fast.network import resnet32

    def net(num_classes, image_shape):
        import keras

        def over_its_mean(x):
            return x / keras.ops.mean(x, axis=(1, 2, 3), keepdims=True)

        return keras.Sequential(
            [
                keras.Input(image_shape),
                keras.layers.Lambda(over_its_mean, name="over_its_mean"),
                keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="convolution"),
                keras.layers.Flatten(),
                keras.layers.Dense(num_classes, dtype="float32"),
            ]
        )

    resnet32.net = net


def smooth_net():
    """A network with batch normalisation, without ReLU: roundings at its corner are no noise."""
    from lambda_fast.network import resnet32

    def net(num_classes, image_shape):
        import keras

        from lambda_fast.network.layers import BatchNormalization, Conv2D

        image = keras.Input(image_shape)
        first = BatchNormalization()(Conv2D(8, 3, strides=2)(image))
        x = Conv2D(8, 3)(keras.layers.Activation("tanh")(first))
        x = keras.layers.Activation("tanh")(BatchNormalization()(x, first))
        x = keras.layers.Flatten()(x)
        return keras.Model(image, keras.layers.Dense(num_classes, dtype="float32")(x))

    resnet32.net = net


def blacken(sample_id):
    """Makes one training image black."""
    inner = cifar10.load

    def load(split, *arguments, **options):
        data = inner(split, *arguments, **options)
        if split == "train":
            data.images[sample_id] = 0
        return data

    cifar10.load = load


def main():
    """Runs the command named by the first argument."""
    which = sys.argv.pop(1)
    own = os.environ.get("PMI_RANK", "0")

    def body():
        from lambda_fast import eval as evaluating
        from lambda_fast import export as exporting
        from lambda_fast import infer as inferring
        from lambda_fast import replay as replaying
        from lambda_fast import train as training
        from lambda_fast import trial_run
        from lambda_fast import tune as tuning
        from lambda_fast.quiet import import_tensorflow
        from lambda_fast.runner.world import world_of

        in_a_world = which != "train" or world_of(os.environ) is not None
        if not in_a_world and command.parse("train", "", None).gpu_count > 1:
            return training.main()  # starts the ranks, no more
        import_tensorflow()
        shrink()
        if "PRETEND_TENSORFLOW" in os.environ:
            native.version = lambda _: os.environ["PRETEND_TENSORFLOW"]
        if "KILL_AFTER" in os.environ:
            kill_after(int(os.environ["KILL_AFTER"]))
        if "FAIL" in os.environ:
            rank, step, what, marker = os.environ["FAIL"].split(":")
            fail_in(int(rank), int(step), what, marker)
        if "SLOW_INPUT" in os.environ:
            rank, seconds = os.environ["SLOW_INPUT"].split(":")
            slow_input(int(rank), float(seconds))
        if "DUMP" in os.environ:
            dump_to(os.environ["DUMP"])
        if "PLAIN" in os.environ:
            plain_net()
        if "DIVIDES" in os.environ:
            dividing_net()
        if "BLACK" in os.environ:
            blacken(int(os.environ["BLACK"]))
        if "SMOOTH" in os.environ:
            smooth_net()
        if own == os.environ.get("OTHER_RANK"):  # is not like the others
            sys.argv += os.environ["OTHER_ARGUMENTS"].split()
            SAMPLES["train"] = int(os.environ.get("OTHER_SAMPLES", SAMPLES["train"]))
        if own == os.environ.get("OTHER_VERSION_RANK"):
            from lambda_fast import machine

            machine.version = lambda _: "0.0.1"
        trial_run.COMMAND = (sys.executable, __file__, "train")
        mains = {
            "train": training,
            "eval": evaluating,
            "infer": inferring,
            "export": exporting,
            "tune": tuning,
            "replay": replaying,
        }
        return mains[which].main()

    return command.main(body)


if __name__ == "__main__":
    sys.exit(main())
