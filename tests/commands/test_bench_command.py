"""python -m lambda_fast.bench: reports, comparisons, kept files, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import benchmark_file
import pytest
from benchmark_file import entry
from PIL import Image

from lambda_fast import bench, command

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = [1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01]


def scaled(by):
    return [by * seconds for seconds in ROUNDS]


def run(ours=1.0, peer=2.0, **facts):
    return [
        entry("augment_cifar", "batch 128", "lambda_fast", scaled(ours), **facts),
        entry("augment_cifar", "batch 128", "tf.data", scaled(peer), **facts),
        entry("augment_cifar", "batch 128", "keras", scaled(2 * peer), **facts),
    ]


@pytest.fixture
def bench_command(capsys):
    def call(*arguments):
        code = command.main(lambda: bench.main([str(argument) for argument in arguments]))
        return code, capsys.readouterr()

    return call


@pytest.fixture
def written(tmp_path):
    return lambda name, entries: benchmark_file.write(tmp_path / name, entries)


def test_a_report_has_tables_plots_and_filled_documents(bench_command, written, tmp_path):
    sizes = [
        entry("all_reduce", f"2 ranks, {size} KB", system, scaled(seconds), **facts)
        for size in (4, 16, 64, 256, 512, 1024, 2048)
        for system, seconds, facts in (
            ("lambda_fast", 1.0, {}),
            ("tf_ring", 3.0, {"paired": False}),
        )
    ]
    for each in sizes:
        each["extra_info"]["gigabytes_per_second"] = each["extra_info"].pop("images_per_second")
    files = [written("a.json", run()), written("b.json", sizes)]
    document = tmp_path / "README.md"
    document.write_text("kept\n<!-- results:all_reduce -->\n<!-- end of results -->\n")
    code, said = bench_command("report", *files, "--out", tmp_path / "out", "--into", document)
    assert code == 0, said.err
    page = (tmp_path / "out" / "report.md").read_text()
    assert "| batch 128 | 2.00 (" in page and "commit 012345678" in page
    assert "GB/s" in page and "In a run apart: TensorFlow's ring" in page
    for work in ("augment_cifar", "all_reduce"):  # points, and curves
        assert Image.open(tmp_path / "out" / f"{work}.png").width > 600
    assert document.read_text().startswith("kept\n")
    assert "](out/all_reduce.png)" in document.read_text()


@pytest.mark.parametrize(
    ("ours", "machine", "code"),
    [(1.0, 1.0, 0), (1.0, 3.0, 0), (1.04, 1.0, 0), (1.2, 1.0, 1), (1.2, 0.3, 1), (0.8, 1.0, 0)],
)
def test_a_comparison_judges_the_ratio_and_not_the_machine(
    bench_command, written, ours, machine, code
):
    base = written("base.json", run())
    new = written("new.json", run(ours * machine, 2.0 * machine))
    found, said = bench_command("compare", base, new)
    assert found == code, said
    assert ("slower" in said.out) == bool(code)


def test_a_comparison_fails_only_where_the_interval_excludes_the_threshold(bench_command, written):
    base = written("base.json", run())
    noisy = run()
    noisy[0]["stats"]["data"] = [0.6, 1.1, 1.2, 0.7, 1.5, 1.0, 1.3]
    noisy[0]["extra_info"]["images_per_second"] = 100 / 1.1
    new = written("new.json", noisy)
    code, said = bench_command("compare", base, new)  # 0.91 of before, perhaps
    assert code == 0 and "open" in said.out
    few = [dict(each, stats={"data": each["stats"]["data"][:3]}) for each in run(2.0)]
    code, said = bench_command("compare", base, written("few.json", few))
    assert code == 2 and "too few rounds" in said.out
    one = [*run(1.2)[:2], few[2]]  # a peer of few rounds does not hide what another shows
    assert bench_command("compare", base, written("one.json", one))[0] == 1
    assert bench_command("compare", base, written("x.json", run(1.2)), "--threshold", "0.8")[0] == 0


def test_speeds_count_on_demand_alone(bench_command, written):
    base, slow = written("base.json", run()), written("new.json", run(3.0, 6.0))
    assert bench_command("compare", base, slow)[0] == 0
    assert bench_command("compare", base, slow, "--absolute")[0] == 1


def test_a_comparison_tells_how_the_runs_differ(bench_command, written):
    other = entry("end_to_end", "cifar10", "lambda_fast", ROUNDS)
    mine = entry("cold_start", "cifar10", "lambda_fast", ROUNDS)
    machine = benchmark_file.MACHINE | {"cpu": "Other CPU"}
    base = written("base.json", [*run(), other])
    new = written("new.json", [*run(machine=machine), mine])
    code, said = bench_command("compare", base, new)
    assert code == 0
    assert "in BASE alone: end_to_end cifar10" in said.err
    assert "in NEW alone: cold_start cifar10" in said.err
    assert "different CPUs: 2 cores of Test CPU in BASE, 2 cores of Other CPU in NEW" in said.err
    code, said = bench_command("compare", base, written("lone.json", [run()[0]]))
    assert code == 2 and "no peer is in both files" in said.err and "none in common" in said.err
    code, said = bench_command("compare", base, written("quick.json", run(mode="quick")))
    assert code == 2 and "found full and quick" in said.err
    gone = [*run()[1:], entry("augment_cifar", "batch 128", "lambda_fast_b", ROUNDS), other]
    code, said = bench_command("compare", base, written("gone.json", gone))
    assert code == 2 and "augment_cifar batch 128, lambda_fast: in BASE alone" in said.err


def test_a_disturbed_run_judges_nothing(bench_command, written):
    base = written("base.json", run())
    code, said = bench_command("compare", base, written("new.json", run(1.2, others=0.3)))
    assert code == 2 and "disturbed" in said.out and "while nothing else runs" in said.err


def test_a_kept_file_names_nobody_and_gives_the_same_report(bench_command, written, tmp_path):
    entries = run(path="someone/photographs", versions={"python": "3.11.7"})
    whole = written("found.json", entries)
    assert bench_command("keep", whole, "--out", tmp_path / "kept")[0] == 0
    kept = tmp_path / "kept" / "found.json"
    assert not any(word in kept.read_text() for word in ("secret", "someone", "node", "branch"))
    assert bench_command("keep", kept, "--out", kept.parent)[0] == 2  # onto itself
    more = written("found.json", [entry("tiny", "one", "lambda_fast", ROUNDS)])
    code, said = bench_command("keep", more, "--out", kept.parent)
    assert code == 2 and "found augment_cifar batch 128" in said.err
    whole = written("found.json", entries)
    pages = []
    for number, path in enumerate((whole, kept)):
        assert bench_command("report", path, "--out", tmp_path / f"{number}")[0] == 0
        pages.append((tmp_path / f"{number}" / "report.md").read_text())
    assert pages[0] == pages[1]


def test_bad_files_are_refused_in_one_line(bench_command, written, tmp_path):
    text = tmp_path / "text.json"
    text.write_text("no JSON")
    twice = written("twice.json", run() + run())
    bad = {
        tmp_path / "none.json": "No such file",
        tmp_path: "Is a directory",
        text: "expected JSON",
        written("empty.json", []): "expected benchmarks of lambda_fast",
        written("other.json", [{"name": "x", "extra_info": {}}]): "found none",
        written("words.json", [{"name": "x", "extra_info": "work"}]): "found none",
        written("old.json", run(variant=None, commit=None)): "found no variant, commit",
        written("odd.json", [dict(run()[0], stats={"data": "x"})]): "duration of each round",
        written("typed.json", run(images_per_second="x")): "found no images_per_second",
        twice: "found augment_cifar batch 128 lambda_fast twice",
    }
    for path, message in bad.items():
        code, said = bench_command("report", path, "--out", tmp_path / "out")
        assert code == 2 and message in said.err and said.err.count("\n") == 1, said.err
    one, two = written("one.json", run()), written("two.json", run())
    code, said = bench_command("report", one, two, "--out", tmp_path / "out")
    assert code == 2 and "in no other file" in said.err
    code, said = bench_command("report", one, "--out", tmp_path, "--into", tmp_path / "none.md")
    assert code == 2 and "[--into]" in said.err


def test_no_tensorflow_is_needed(written, tmp_path):
    file = written("a.json", run())
    program = (
        "import sys; sys.modules['tensorflow'] = None; sys.modules['matplotlib'] = None\n"
        "from lambda_fast import bench, command\n"
        f"assert command.main(lambda: bench.main(['compare', {str(file)!r}, {str(file)!r}])) == 0\n"
        f"sys.exit(command.main(lambda: bench.main(['report', {str(file)!r}, '--out', "
        f"{str(tmp_path)!r}])))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "pip install 'matplotlib" in done.stderr and "Traceback" not in done.stderr


def test_the_commit_is_told_with_changes_and_without_a_checkout(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import commit

    monkeypatch.setattr(commit, "ROOT", tmp_path)
    assert commit.commit() == "unknown"
    git = ["git", "-c", "user.name=a", "-c", "user.email=b@c"]
    (tmp_path / "a").write_text("1")
    for arguments in (["init", "-q"], ["add", "a"], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    assert len(commit.commit()) == 40
    (tmp_path / "a").write_text("2")
    assert commit.commit().endswith("-dirty")
    (tmp_path / "inner").mkdir()
    monkeypatch.setattr(commit, "ROOT", tmp_path / "inner")  # in another project's checkout
    assert commit.commit() == "unknown"


def test_the_harness_records_what_reports_need(tmp_path):
    (tmp_path / "bench_tiny.py").write_text(
        "import time\nimport pytest\nfrom benchmarks.interleave import System\n"
        "TIMES = {'lambda_fast': 0.005, 'peer': 0.01}\n"
        "@pytest.mark.parametrize('system', TIMES)\n"
        "def test_tiny(measure, record, system):\n"
        "    systems = {name: lambda n=name, s=s: System(name=n, images=8, "
        "step=lambda: time.sleep(s)) for name, s in TIMES.items()}\n"
        "    record(measure(systems)[system], 'tiny', 'eight')\n"
    )
    found = tmp_path / "found.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "benchmarks.conftest", "-q"),
            *("--rootdir", tmp_path, "-o", "python_files=bench_*.py", tmp_path / "bench_tiny.py"),
            *("--benchmark-only", f"--benchmark-json={found}"),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LAMBDA_FAST_BENCH": "quick"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " x " in done.stdout and "Medians of rounds in turns" in done.stdout
    info = json.loads(found.read_text())["benchmarks"][0]["extra_info"]
    assert info["mode"] == "quick" and info["median"] == pytest.approx(0.005, rel=0.5)
    assert info["commit"] == "unknown" or len(info["commit"].removesuffix("-dirty")) == 40
    assert bench.main(["report", str(found), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "tiny.png").exists()
