"""infer_display_image_classification: draws the images with their likeliest classes."""

from collections.abc import Sequence
from pathlib import Path

from lambda_fast import assembly, command, picture
from lambda_fast.callback import Callback, Run
from lambda_fast.config import Config
from lambda_fast.prediction import Prediction


class InferDisplayImageClassification(Callback):
    """Draws what `infer_basic` found, at `callback.picture`.

    Args:
        target: a file in a folder that is there.
    """

    def __init__(self, target: Path) -> None:
        picture.check_target(target)
        self._target = target

    def after_run(self, run: Run) -> None:
        """Draws."""
        show(run.results["predictions"], self._target)


def show(predictions: Sequence[Prediction], target: Path) -> None:
    """Draws as many as a picture takes."""
    if len(predictions) > picture.MOST:
        command.note(f"{target} shows the first {picture.MOST} images")
    shown = predictions[: picture.MOST]
    entries = [picture.Captioned(p.path, p.classes[0][0], p.classes[0][2]) for p in shown]
    picture.draw(entries).save(target)


@assembly.part
def build(config: Config) -> InferDisplayImageClassification:
    """The callback.

    Raises:
        ConfigError: the picture cannot be written there.
    """
    named = config.callback.picture
    return InferDisplayImageClassification(
        Path(named).expanduser() if named else config.model_path() / "infer.png"
    )
