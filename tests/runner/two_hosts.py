"""Rehearses several machines: mpiexec over two network namespaces that share nothing but a cable.

    python tests/runner/two_hosts.py COMMAND…       (root, Linux, iproute2)

Each namespace is a host to mpiexec, which reaches the second one through `ip netns exec` instead of
ssh. Exits with the command's code; 77 where the machine does not allow namespaces.
"""

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from lambda_fast.runner.launching import mpiexec

NOT_HERE = 77
NAMES = (f"lambda-a{os.getpid()}", f"lambda-b{os.getpid()}")
HOSTS = ("10.77.0.1", "10.77.0.2")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def two_namespaces():
    """A namespace for each host, joined by a pair of virtual network devices."""
    devices = [f"lf{letter}{os.getpid()}" for letter in "ab"]
    try:
        for name in NAMES:
            ip("netns", "add", name)
        ip("link", "add", devices[0], "type", "veth", "peer", "name", devices[1])
        for name, device, host in zip(NAMES, devices, HOSTS, strict=True):
            ip("link", "set", device, "netns", name)
            ip("-n", name, "addr", "add", f"{host}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def main():
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(two_namespaces())
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no network namespaces here: {error}", file=sys.stderr)
            return NOT_HERE
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ssh = Path(folder) / "ssh"
        # Called as ssh would be: options, host, command.
        ssh.write_text(
            "#!/bin/sh\n"
            'while [ "${1#-}" != "$1" ]; do shift; done\n'
            f"case $1 in {HOSTS[0]}) name={NAMES[0]};; *) name={NAMES[1]};; esac\n"
            "shift\n"
            'exec ip netns exec "$name" sh -c "$*"\n'
        )
        ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
        command = ["ip", "netns", "exec", NAMES[0], mpiexec(), "-localhost", HOSTS[0]]
        command += ["-launcher", "ssh", "-launcher-exec", str(ssh), "-hosts", ",".join(HOSTS)]
        command += ["-ppn", "1", "-n", "2", *sys.argv[1:]]
        environment = os.environ | {"LAMBDA_FAST_HOST": HOSTS[0]}
        return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
