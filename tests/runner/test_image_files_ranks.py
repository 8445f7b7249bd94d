"""Two ranks train from image files: together they see the one order, without the bad images."""

import csv

import numpy as np
from ranks import run

from lambda_fast.inputter.order import GoodOrder, Order
from tests.image_files import encoded, photo, write_csv

IMAGES, BATCH, EPOCHS, BAD = 40, 4, 2, {7, 30}


def files(folder):
    """PNGs and JPEGs of one size, two of them cut off. Returns the CSV."""
    folder.mkdir()
    rows = []
    for index in range(IMAGES):
        kind = "JPEG" if index % 2 else "PNG"
        content = encoded(photo(index, 32, 32), kind)
        name = f"{index}.{kind.lower()}"
        (folder / name).write_bytes(content[: len(content) // 2] if index in BAD else content)
        rows.append((name, index % 3))
    return write_csv(folder / "images.csv", rows)


def test_two_ranks_see_the_global_order(tmp_path):
    meta = files(tmp_path / "images")
    code, output, errors = run(
        tmp_path / "run",
        "inputter.name=image_classification_csv_inputter",
        f"inputter.dataset_meta={meta}",
        f"inputter.eval_meta={meta}",
        "inputter.on_bad_image=quarantine",
        f"batch_size_per_gpu={BATCH}",
        f"epochs={EPOCHS}",
        DUMP=str(tmp_path),
    )
    assert code == 0, output + errors
    seen = [np.load(tmp_path / f"rank-{rank}-ids.npy") for rank in range(2)]
    options = {"samples": IMAGES, "seed": 0, "shuffle": True, "complete": False}
    whole = GoodOrder(Order(batch_size=2 * BATCH, **options), frozenset(BAD))
    steps = [(epoch, step) for epoch in range(EPOCHS) for step in range(whole.steps_per_epoch)]
    expected = [whole.ids(*step)[0] for step in steps]
    np.testing.assert_array_equal(np.concatenate(seen, axis=1), expected)
    assert f"of {IMAGES - len(BAD)} evaluation images" in output
    with (tmp_path / "run" / "quarantine.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["path"].rpartition("/")[2] for row in rows) == ["30.png", "7.jpeg"]
