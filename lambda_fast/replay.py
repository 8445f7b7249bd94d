"""Shows the images of any training step, augmented as the network saw them.

    python -m lambda_fast.replay --config cifar10 --step 1234 --out step.png

A batch is a function of recipe, seed and step, so nothing of the run need be there.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from lambda_fast import command
from lambda_fast.build import find
from lambda_fast.config import Config, ConfigError
from lambda_fast.quiet import import_tensorflow


def replay(config: Config, step: int, target: Path) -> int:
    """Draws a step's images, of all ranks, with their labels and files or ids.

    Args:
        config: the run.
        step: counted from 1, as the run's lines count.
        target: of the picture.

    Returns:
        How many images there were; the picture shows no more than `picture.MOST`.

    Raises:
        UserError: what is wrong, and what to do.
    """
    from lambda_fast import picture

    if step < 1:
        raise ConfigError(f"[--step] expected a step, counted from 1, found {step}")
    picture.check_target(target, "--out")
    import_tensorflow()
    from lambda_fast.shown import shown

    build_inputter, ranks = find("inputter", config.inputter.name), config.gpu_count
    build_modeler = find("modeler", config.modeler.name)
    modeler, entries, images = None, [], 0
    for rank in range(ranks):  # one by one, because each mixes within its own batch
        with contextlib.closing(build_inputter(config, "train", rank, ranks)) as inputter:
            modeler = modeler or build_modeler(config, inputter, "train")
            batch = inputter.batch(*divmod(step - 1, inputter.steps_per_epoch))
            images += batch.count
            entries += shown(modeler, inputter, batch, picture.MOST - len(entries))
    picture.draw(entries).save(target)
    return images


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    from lambda_fast.picture import MOST

    parser = command.parser("replay", __doc__.splitlines()[0])
    parser.add_argument("--step", type=int, required=True, help="counted from 1")
    parser.add_argument("--out", required=True, metavar="FILE", help="the picture, .png or .jpg")
    options = parser.parse_args(arguments)
    target = Path(options.out).expanduser()
    images = replay(command.configured(options), options.step, target)
    which = f"the first {MOST} of {images}" if images > MOST else f"the {images}"
    print(f"{target} shows {which} images of step {options.step}")
    return 0


if __name__ == "__main__":
    sys.exit(command.main(main))
