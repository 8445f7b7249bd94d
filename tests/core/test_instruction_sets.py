"""Instructions that a machine may lack stay in the functions that are chosen at run time."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lambda_fast import native

LIBRARY = Path(native.__file__).with_name("liblambda_fast.so")
WIDE = re.compile(r"%[yz]mm|%k[0-7]")  # registers of AVX and of AVX-512
# In an anonymous namespace, or a function that is entered only where the instructions were found.
OF_ONE_FILE = re.compile(
    r"lambda_fast::(\(anonymous namespace\)::|\w+_bf16\(|winograd_|transform_(turned_)?kernel<)"
)


@pytest.mark.skipif(not shutil.which("objdump"), reason="binutils are not installed")
def test_no_function_that_files_share_needs_avx():
    # The linker keeps one copy of an inline function (of std::vector, say) for all files; that of a
    # file compiled for AVX-512 would end every other machine with SIGILL.
    native.core()
    options = ["--disassemble", "--demangle", "--no-show-raw-insn"]
    done = subprocess.run(["objdump", *options, LIBRARY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with_wide, function = set(), ""
    for line in done.stdout.splitlines():
        if line.endswith(">:"):
            function = line.partition(" <")[2]
        elif WIDE.search(line):
            with_wide.add(function)
    assert with_wide, "not even the rows of the augmenter"
    assert not [name for name in with_wide if not OF_ONE_FILE.search(name)]
