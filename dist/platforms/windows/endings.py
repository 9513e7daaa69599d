"""Ends mcp-ferry.exe with Ctrl-Break, as a host or a console does, while a session is open."""

import json
import threading


def check(start, home, expect, url, seen):
    """`start` starts the program; `url` is a server that notes in `seen` what it got."""
    signal = home / "break"
    ferry = start([url], {}, ["--break=Z:" + str(signal).replace("/", "\\")])
    watchdog = threading.Timer(60, ferry.kill)
    watchdog.start()
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "check", "version": "1"}}
    ferry.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}) + "\n")
    ferry.stdin.flush()
    first = ferry.stdout.readline()
    expect("Ctrl-Break: a session is open", "wine-check" in first, first)
    seen.clear()
    signal.touch()
    # stdin stays open: only Ctrl-Break can end it.
    code = ferry.wait()
    watchdog.cancel()
    expect("Ctrl-Break: it exits with status 0", code == 0, f"{code} {ferry.stderr.read()}")
    expect("Ctrl-Break: the session is deleted", "DELETE" in [method for method, _ in seen], repr(seen))
    ferry.stdin.close()
