"""Regions of documents, and that both READMEs say what the kept results say."""

from pathlib import Path

import benchmark_file
import pytest
from PIL import Image

from lambda_fast.benchmark_report import plot, regions, report, tables
from lambda_fast.benchmark_report.record import ResultsError
from lambda_fast.benchmark_report.results_file import collect
from lambda_fast.benchmark_report.words import WORKS

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
FILES = sorted(RESULTS.glob("*.json"))
DOCUMENTS = ("README.md", "benchmarks/README.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_is_typed_by_hand(name):
    document = ROOT / name
    assert document.read_text() == report.filled_document(document, collect(FILES), RESULTS), (
        "run: python -m lambda_fast.bench report benchmarks/results/*.json "
        "--out benchmarks/results --into README.md --into benchmarks/README.md"
    )


def test_each_work_has_its_place_and_its_plot():
    places = regions.names((ROOT / "benchmarks/README.md").read_text(), "benchmarks/README.md")
    records = collect(FILES)
    assert {*WORKS, *tables.works(records)} == set(places)
    assert "short" in regions.names((ROOT / "README.md").read_text(), "README.md")
    for work, found in tables.works(records).items():
        if plot.drawable(found):
            picture = Image.open(RESULTS / f"{work}.png")
            assert picture.text[plot.DRAWN_FROM] == plot.digest(found)


def test_the_page_is_what_report_makes_of_the_results():
    kept = RESULTS / report.PAGE
    assert kept.exists() == bool(FILES)
    if FILES:
        assert kept.read_text() == report.page(collect(FILES), RESULTS)


def test_filling_changes_the_regions_alone_and_twice_is_once():
    document = "a\n<!-- results:x -->\nold\n<!-- end of results -->\nb\n"
    filled = regions.fill(document, {"x": r"\1 new"}, "here")
    assert filled.startswith("a\n") and filled.endswith("\nb\n")
    assert r"\1 new" in filled and "old" not in filled
    assert regions.fill(filled, {"x": r"\1 new"}, "here") == filled


@pytest.mark.parametrize(
    "document",
    [
        "no region\n",
        "<!-- results:x -->\n",
        "<!-- results:x -->\n<!-- results:x -->\n<!-- end of results -->\n",
        "<!-- end of results -->\n",
        "<!-- results:unknown -->\n<!-- end of results -->\n",
    ],
)
def test_a_wrong_region_is_refused(document):
    with pytest.raises(ResultsError, match="expected"):
        regions.fill(document, {"x": "new"}, "here")


def test_a_bound_is_told_from_a_peer(tmp_path):
    systems = {"lambda_fast": 1.0, "keras_fit": 2.0, "onednn_alone": 0.8}
    entries = [
        benchmark_file.entry("train_step_resnet32", "bfloat16", system, [seconds] * 6)
        for system, seconds in systems.items()
    ]
    records = collect([benchmark_file.write(tmp_path / "a.json", entries)])
    header, _, row, *_ = tables.work_table(records).splitlines()
    assert "than: Keras fit | bound: oneDNN's primitives alone" in header
    assert "| 2.00 (2.00–2.00) | 0.80 (0.80–0.80) | 100 images/s" in row  # noqa: RUF001
    assert "Keras fit | 2.00× (2.00–2.00) as fast" in tables.short_table(records)  # noqa: RUF001
