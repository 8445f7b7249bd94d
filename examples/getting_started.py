"""Getting Started: an application in parts, which trains ResNet32 on CIFAR-10.

    python -m lambda_fast.data.cifar10 --export ~/demo/data/cifar10
    python examples/getting_started.py
    python examples/getting_started.py --mode eval

docs/getting_started.md walks through it.
"""

import argparse
import importlib

from lambda_fast.glossary import (
    CallbackConfig,
    ImageClassificationInputterConfig,
    ImageClassificationModelerConfig,
    InputterConfig,
    ModelerConfig,
    RunnerConfig,
)

parser = argparse.ArgumentParser(description="Trains ResNet32 on CIFAR-10, part by part.")
parser.add_argument("--mode", default="train", choices=["train", "eval"])
parser.add_argument("--data", default="~/demo/data/cifar10", help="holds train.csv and eval.csv")
parser.add_argument("--model-dir", default="~/demo/model/cifar10_resnet32")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--batch-size-per-gpu", type=int, default=128)
parser.add_argument("--gpu-count", type=int, default=1)
options = parser.parse_args()

# The application: what all parts share.
shared = {
    "mode": options.mode,
    "batch_size_per_gpu": options.batch_size_per_gpu,
    "gpu_count": options.gpu_count,
}

# The inputter, with its augmenter.
inputter_config = InputterConfig(
    **shared,
    epochs=options.epochs,
    dataset_meta=f"{options.data}/train.csv",
    eval_meta=f"{options.data}/eval.csv",
)
inputter_config = ImageClassificationInputterConfig(
    inputter_config, image_height=32, image_width=32, image_depth=3, num_classes=10
)
augmenter = importlib.import_module("lambda_fast.augmenter.cifar").build()
inputter = importlib.import_module("lambda_fast.inputter.image_classification_csv_inputter").build(
    inputter_config, augmenter
)

# The modeler, with its network.
modeler_config = ModelerConfig(**shared, optimizer="momentum", learning_rate=0.1)
modeler_config = ImageClassificationModelerConfig(modeler_config, num_classes=10)
net = importlib.import_module("lambda_fast.network.resnet32").net
modeler = importlib.import_module("lambda_fast.modeler.image_classification_modeler").build(
    modeler_config, net
)

# The callbacks.
callback_config = CallbackConfig(
    **shared, model_dir=options.model_dir, log_every_n_iter=10, save_summary_steps=10
)
callback_names = {
    "train": [
        "train_basic",
        "train_loss",
        "train_accuracy",
        "train_speed",
        "train_summary",
        "train_progress",
    ],
    "eval": ["eval_basic", "eval_loss", "eval_accuracy", "eval_speed", "eval_summary"],
}
callbacks = [
    importlib.import_module(f"lambda_fast.callback.{name}").build(callback_config)
    for name in callback_names[options.mode]
]

# The runner.
runner_config = RunnerConfig(**shared, summary_names=["loss,accuracy", "learning_rate"])
runner = importlib.import_module("lambda_fast.runner.runner").build(
    runner_config, inputter, modeler, callbacks
)
runner.run()
