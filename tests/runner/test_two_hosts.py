"""A run over two hosts ends with all steps done, the ranks' beats over the network included."""

import sys

import pytest
from ranks import ROOT, STEPS, left, run


def test_two_network_namespaces(tmp_path):
    before = (sys.executable, str(ROOT / "tests" / "runner" / "two_hosts.py"))
    code, output, errors = run(tmp_path / "run", before=before)
    if code == 77:
        pytest.skip(errors)
    assert code == 0, output + errors
    assert output.count(f"step {STEPS}/{STEPS}") == 1
    assert (tmp_path / "run" / "summary.json").exists()
    assert left(tmp_path) == []
