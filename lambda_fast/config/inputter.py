"""Where samples come from."""

from dataclasses import dataclass
from typing import Literal

from lambda_fast.config.checks import require, require_at_least, require_choices


@dataclass(frozen=True, kw_only=True)
class InputterConfig:
    """Where samples come from.

    Attributes:
        name: a module of `lambda_fast.inputter`. `in_memory_inputter` takes `dataset` alone,
            `image_classification_csv_inputter` all that follows.
        dataset: a module of `lambda_fast.data`.
        data_dir: folder that holds the data set. For image files: `train/` and `val/` (or
            `train.csv` and `eval.csv`), or class folders. None: `dataset`'s cache, filled on first
            use.
        dataset_meta: images to train on: CSVs of `path,label`, joined by commas, or a folder of
            class folders.
        eval_meta: likewise, to evaluate on.
        samples: images to infer: files, folders of them, or CSVs whose first column is a path.
        class_names: a file with one class name a line; empty: names of the folders.
        num_classes: 0: as many as there are names or labels; refused when there are others.
        image_depth: channels; 0: as many as the images have; refused when they have others.
        hold_out: share of the training images that is kept for evaluation where there is no
            `eval_meta`, chosen by each image's path.
        resize: pixels of the short side before a centred crop; with other crops than
            `random_resized` and `random_scaled`, the side of the squares that the step crops from.
            0: the largest crop, and the images' own size, which must be the same for all.
        antialias: averages where images shrink, as Pillow and torchvision do; without it they are
            sampled between four pixels, as `tf.image.resize` and the augmenter do: a little faster.
        cache: `memory` keeps decoded images from the first epoch on.
        cache_gib: most GiB it may take; 0: 60 % of what is available.
        threads: of decoding; 0: one for each core.
        prefetch: batches prepared ahead.
        on_bad_image: `error` names the image; `quarantine` lists it in `<model_dir>/quarantine.csv`
            and takes the next good one of the epoch's order.
        max_pixels: images with more are bad.
    """

    name: str = "in_memory_inputter"
    dataset: str = "cifar10"
    data_dir: str | None = None
    dataset_meta: str = ""
    eval_meta: str = ""
    samples: tuple[str, ...] = ()
    class_names: str = ""
    num_classes: int = 0
    image_depth: int = 0
    hold_out: float = 0.1
    resize: int = 0
    antialias: bool = True
    cache: Literal["none", "memory"] = "none"
    cache_gib: float = 0.0
    threads: int = 0
    prefetch: int = 4
    on_bad_image: Literal["error", "quarantine"] = "error"
    max_pixels: int = 1 << 28

    def check(self) -> None:
        """Refuses values that no run can use.

        Raises:
            ConfigError: names the field, what is expected and what was found.
        """
        prefix = "inputter."
        require_choices(self, prefix)
        require_at_least(
            0, self, prefix, "num_classes", "image_depth", "resize", "cache_gib", "threads"
        )
        require_at_least(1, self, prefix, "prefetch", "max_pixels")
        require(0 <= self.hold_out < 1, f"{prefix}hold_out", "within [0, 1)", self.hold_out)
