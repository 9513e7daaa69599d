#!/usr/bin/env python3
"""What do a client and its stdio server say to each other, and when? tap.py FILE COMMAND… writes it to FILE as JSON lines."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

path, command = sys.argv[1], sys.argv[2:]
record = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(way, text=""):
    os.write(record, (json.dumps({"at": time.monotonic(), "pid": os.getpid(), "way": way, "text": text}) + "\n").encode())


def carry(way, source, sink, done):
    rest = b""
    while chunk := os.read(source, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            note(way, line.decode(errors="replace"))
        try:
            os.write(sink, chunk)
        except OSError:
            break
    if rest:
        note(way, rest.decode(errors="replace"))
    done()


def forward(number, _):
    note("signal", signal.Signals(number).name)
    child.send_signal(number)


def closed():
    note("eof")
    child.stdin.close()


note("start")
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, forward)
threading.Thread(target=carry, args=("client", 0, child.stdin.fileno(), closed), daemon=True).start()
outputs = [
    threading.Thread(target=carry, args=("server", child.stdout.fileno(), 1, lambda: None), daemon=True),
    threading.Thread(target=carry, args=("stderr", child.stderr.fileno(), 2, lambda: None), daemon=True),
]
for output in outputs:
    output.start()
code = child.wait()
for output in outputs:
    output.join(2)
note("exit", str(code))
os._exit(code if code >= 0 else 128 - code)
