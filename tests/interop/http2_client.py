"""A client with many calls in flight, through mcp-ferry."""

import collections
import itertools
import json
import os
import subprocess
import threading
import time
from concurrent.futures import Future

PATIENCE = 120


class Session:
    """One run of mcp-ferry. `prefix` is a command that runs it elsewhere."""

    def __init__(self, ferry, url, home, *options, prefix=()):
        home.mkdir(parents=True)
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "MCP_FERRY_HOME": str(home)}
        environment |= {"MCP_FERRY_STARTUP_WAIT": "20", "MCP_FERRY_LOG_LEVEL": os.environ.get("LEVEL", "info")}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.ferry = subprocess.Popen([*prefix, ferry, *options, url], env=environment, text=True, **pipes)
        self.watchdog = threading.Timer(PATIENCE, self.ferry.kill)
        self.watchdog.start()
        self.stderr = collections.deque(maxlen=30)
        self.waiting, self.heard, self.twice = {}, [], []
        self.writing = threading.Lock()
        self.numbers = itertools.count(1)
        self.readers = [threading.Thread(target=read) for read in (self.read, lambda: self.stderr.extend(self.ferry.stderr))]
        for reader in self.readers:
            reader.start()

    def __enter__(self):
        client = {"name": "interop", "version": "1"}
        self.request("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client).result(PATIENCE)
        self.send(method="notifications/initialized")
        self.request("tools/list").result(PATIENCE)
        return self

    def __exit__(self, kind, error, _):
        try:
            self.ferry.stdin.close()
            code = self.ferry.wait(20)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.ferry.kill()
            code = "nothing in 20 s"
        self.watchdog.cancel()
        for reader in self.readers:
            reader.join()
        if kind:
            said = "".join(list(self.stderr)[-8:])
            raise AssertionError(f"{kind.__name__}: {str(error)[:600]}; mcp-ferry: {said}") from error
        assert code == 0, f"mcp-ferry ended with {code}"
        assert not self.twice, f"answered twice: {self.twice}"

    def read(self):
        for line in self.ferry.stdout:
            message = json.loads(line)
            if "method" in message:
                self.heard.append(message)
            elif self.waiting[message["id"]].done():
                self.twice.append(message["id"])
            else:
                self.waiting[message["id"]].set_result(message)

    def send(self, **message):
        line = json.dumps({"jsonrpc": "2.0", **message}) + "\n"
        with self.writing:
            self.ferry.stdin.write(line)
            self.ferry.stdin.flush()

    def request(self, method, **params):
        """A future of the response."""
        number = next(self.numbers)
        future = self.waiting[number] = Future()
        self.send(id=number, method=method, params=params)
        return future

    def call(self, tool, key, **arguments):
        return self.request("tools/call", name=tool, arguments={"key": key, **arguments})

    def hears(self, key, seconds=10):
        """Whether a notification of the server's arrives that was announced with this key, announced again until then."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.call("announce", key)
            for _ in range(25):
                if any(message.get("params", {}).get("data") == key for message in self.heard):
                    return True
                time.sleep(0.02)
        return False


def text(response):
    """The text of a tool's result."""
    assert "result" in response, f"an error: {response}"
    return response["result"]["content"][0]["text"]
