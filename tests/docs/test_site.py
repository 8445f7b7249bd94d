"""The documentation site builds without a warning."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
needs_mkdocs = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="needs mkdocs (the extra docs)"
)


@needs_mkdocs
def test_the_site_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    config = (tmp_path / "api" / "config.html").read_text()
    assert "on_nonfinite" in config and "Where samples come from." in config
    assert "DALI" in (tmp_path / "performance.html").read_text()  # the benchmarks' page is in it


def test_every_recipe_is_on_its_page():
    recipes = {p.stem for p in (ROOT / "lambda_fast/configs").glob("*.py")} - {"__init__"}
    page = (ROOT / "docs/recipes.md").read_text()
    assert {name for name in recipes if f"configs.{name}\n" in page} == recipes
