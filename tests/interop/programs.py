"""How do Debian's programs get installed, and how does a suite start and end them?"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path


def install(packages):
    """Installs the missing ones of these programs, with their packages by path, without starting Debian's services."""
    missing = [package for program, package in packages.items() if not Path(program).exists()]
    if not missing:
        return
    if os.geteuid() != 0:
        raise SystemExit(f"{' '.join(missing)} must be installed, which takes root")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    environment["PATH"] = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", *command], check=True, stdout=subprocess.DEVNULL, env=environment)


class Programs:
    """Programs that run until the run ends, each with its files in one directory."""

    def __init__(self, directory, stack):
        self.directory, self.stack = directory, stack

    def log(self, name):
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, name, *command):
        output = self.stack.enter_context(open(self.directory / f"{name}.out", "wb"))
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )  # fmt: skip
        self.stack.callback(end, server)
        return name, server

    def wait_for(self, name, port, starting):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for program, process in starting:
                # These programs run in the foreground, so an ended process has failed.
                if process.poll() is not None:
                    said = (self.directory / f"{program}.out").read_text(errors="replace")
                    raise RuntimeError(f"{program} ended with {process.returncode}: {said}{self.log(program)}")
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{name} does not listen")

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path


def end(server):
    """Ends a program and the processes that it started."""
    for signal_number, patience in ((signal.SIGTERM, 2), (signal.SIGKILL, 10)):
        try:
            os.killpg(server.pid, signal_number)
            server.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
