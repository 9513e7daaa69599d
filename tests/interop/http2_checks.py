"""Does everything work with a server of HTTP/2, on one connection, and is no call lost or doubled?"""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import http2_network
from http2_client import Session, text
from http2_fronts import HERE, PYTHON, wait_until

IDLE = 90
LARGE = 64 << 20
AT_ONCE = 200
CALLERS = 16
# How long a call on a dead path may wait for its response.
DEAD = 10


class Checks:
    """The checks of one kind of server. `still` is a server whose connections stay; those of `shaken` do not."""

    starting = threading.Lock()

    def __init__(self, label, ferry, home, still, shaken=None, network=None):
        self.ferry, self.home, self.still, self.shaken, self.network = ferry, home, still, shaken, network
        self.failed, self.name = 0, f"{label}/{still.name}"
        self.trusted = ["--ca-cert", str(still.authority)]

    def check(self, name, function, *arguments):
        try:
            figures = function(*arguments)
            say(f"ok {self.name}: {name}")
            if figures:
                say(f"| {self.name}: {name}: {figures}")
        except Exception as error:
            self.failed += 1
            say(f"FAILED {self.name}: {name}: {type(error).__name__}: {' '.join(str(error).split())[:2000]}")

    # The checks, by what they may run beside.

    def everything(self):
        self.check("everything: ends well", self.run_everything)

    def python(self):
        self.check("python: ends well", self.run_python)

    def idle(self):
        with ThreadPoolExecutor() as pool:
            name = f"{IDLE} s without a call, with a GET stream"
            pool.submit(self.check, name, self.call_after_pause, "/load", "idle", True)
            name = f"{IDLE} s without a request"
            pool.submit(self.check, name, self.call_after_pause, "/quiet", "quiet", self.still.keeps)

    def load(self):
        self.check(f"{AT_ONCE} calls in flight, 64 MiB", self.load_http2)
        self.check(f"{AT_ONCE} calls in flight, 64 MiB, --http1", self.load_http1)

    def end_connections(self):
        self.check("connections that end gracefully under load", self.reload)

    def lose_packets(self):
        for direction in http2_network.DIRECTIONS:
            self.check(f"a dead path, {direction}", self.call_on_dead_path, direction)

    # How they are made.

    def session(self, front, path, mark, *options, host="127.0.0.1", **more):
        url = front.url(f"{path}?{mark}", host)
        return Session(self.ferry, url, self.home / self.still.name / mark, *self.trusted, *options, **more)

    def travelled(self, front, mark, protocol="2", most=1):
        """All requests of the session with this mark were of this protocol, on at most this many connections."""
        ended = wait_until(lambda: any(request.method == "DELETE" for request in front.requests(mark)))
        requests = front.requests(mark)
        assert ended, f"no end of the session in the log: {requests[-3:]}"
        others = [request for request in requests if request.protocol != protocol]
        assert not others, f"{len(others)} of {len(requests)} requests were of HTTP/{others[0].protocol}, not HTTP/{protocol}"
        connections = {request.connection for request in requests}
        assert len(connections) <= most, f"{len(requests)} requests took {len(connections)} connections, at most {most} are needed"
        return f"{len(requests)} requests on {len(connections)} connections"

    def run_everything(self):
        # The reference server asks for the roots 350 ms after the handshake, whether the GET stream is open or not: a machine
        # that starts several sessions at once may be too slow for that.
        with self.starting:
            driver = self.drive(shutil.which("node"), "everything.mjs", "everything")
            count = self.pass_on(driver, "roots: the server asks for them")
        self.finish(driver, count, "everything")

    def run_python(self):
        # Two clients, and the first makes a hundred calls at once beside its GET stream.
        self.finish(self.drive(PYTHON, "python_client.py", "python"), 0, "python", most=3)

    def drive(self, program, script, mark):
        home = self.home / self.still.name / mark
        home.mkdir(parents=True)
        command = [program, HERE / script, self.name, self.still.url(f"/mcp?{mark}"), self.ferry, home, *self.trusted]
        # For the direct client.
        trusted = dict.fromkeys(("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"), str(self.still.authority))
        return subprocess.Popen(command, env=os.environ | trusted, stdout=subprocess.PIPE, text=True)

    def pass_on(self, driver, until="\0"):
        """Prints the results of this program, up to the one with these words."""
        count = 0
        for line in driver.stdout:
            count += 1
            self.failed += line.startswith("FAILED ")
            say(line.rstrip())
            if until in line:
                break
        return count

    def finish(self, driver, count, mark, most=1):
        count += self.pass_on(driver)
        code = driver.wait()
        assert count > 10, f"ended with {code} after {count} results"
        self.check(f"{mark}: HTTP/2, and no needless connection", self.travelled, self.still, mark, "2", most)

    def call_after_pause(self, path, mark, keeps):
        with self.session(self.still, path, mark) as session:
            text(session.call("wait", f"{self.name} {mark} 1", milliseconds=0).result(10))
            time.sleep(IDLE)
            began = time.monotonic()
            text(session.call("wait", f"{self.name} {mark} 2", milliseconds=0).result(10))
            took = time.monotonic() - began
        connections = self.travelled(self.still, mark, most=1 if keeps else 2)
        return f"the call took {1000 * took:.0f} ms, {connections}"

    def load_http2(self):
        figures = self.load_with("load")
        # The GET stream is one more request in flight.
        most = -(-(AT_ONCE + 1) // self.still.streams) if self.still.streams else 1
        return f"{figures}, {self.travelled(self.still, 'load', most=most)}"

    def load_http1(self):
        figures = self.load_with("http1", "--http1")
        self.travelled(self.still, "http1", "1.1", most=2 * AT_ONCE)
        return figures

    def load_with(self, mark, *options):
        with self.session(self.still, "/load", mark, *options) as session:
            began = time.monotonic()
            keys = [f"{self.name} {mark} {number}" for number in range(AT_ONCE)]
            calls = [session.call("together", key, group=f"{self.name} {mark}", size=AT_ONCE) for key in keys]
            said = {text(call.result(30)) for call in calls}
            assert said == {"together"}, f"not {AT_ONCE} calls at once: {said}"
            spans = [time.monotonic() - began]
            content = mark.ljust(LARGE, "y")
            answer = text(session.call("argument", "large argument", text=content).result(60))
            assert answer == f"{LARGE} {hashlib.sha256(content.encode()).hexdigest()}", f"another argument: {answer}"
            spans.append(time.monotonic() - began - sum(spans))
            answer = text(session.call("result", "large result", mark=mark, length=LARGE).result(60))
            assert answer == mark + "x" * LARGE, f"another result, of {len(answer)} characters"
            spans.append(time.monotonic() - began - sum(spans))
        counts = self.still.counts()
        assert {counts.get(key) for key in keys} == {1}, f"calls counted: {sorted({counts.get(key, 0) for key in keys})}"
        return "calls {:.1f} s, argument {:.1f} s, result {:.1f} s".format(*spans)

    def reload(self):
        calls = {}
        with self.session(self.shaken, "/load", "reload") as session:
            ended = threading.Event()

            def caller(number):
                while not ended.is_set():
                    key = f"{self.name} reload {len(calls)} of {number}"
                    calls[key] = session.call("wait", key, milliseconds=number * 7)
                    wait([calls[key]], 20)

            with ThreadPoolExecutor(CALLERS) as pool:
                for number in range(CALLERS):
                    pool.submit(caller, number)
                for _ in range(3):
                    time.sleep(1.3)
                    self.shaken.reload()
                # Longer than the servers leave their old connections.
                time.sleep(4)
                ended.set()
            unanswered = [key for key, call in calls.items() if not call.done()]
            assert not unanswered, f"{len(unanswered)} of {len(calls)} calls without a response: {unanswered[:3]}"
            counts = self.shaken.counts()
            doubled = [key for key in calls if counts.get(key, 0) > 1]
            assert not doubled, f"{len(doubled)} of {len(calls)} calls arrived twice: {doubled[:3]}"
            errors = [call.result()["error"] for call in calls.values() if "error" in call.result()]
            assert self.shaken.loses_calls or not errors, f"{len(errors)} of {len(calls)} calls were lost: {errors[:2]}"
            assert session.hears(f"{self.name} reload news"), "no notification arrives afterwards"
        connections = self.travelled(self.shaken, "reload", most=len(calls))
        return f"{len(calls)} calls, {len(errors)} lost, {connections}"

    def call_on_dead_path(self, direction):
        mark = direction.replace(" ", "-")
        keys = {name: f"{self.name} {mark} {name}" for name in ("before", "during", "after", "back")}
        place = {"host": http2_network.SERVER, "prefix": self.network.inside["client"]}
        with self.session(self.shaken, "/load", mark, **place) as session:
            text(session.call("wait", keys["before"], milliseconds=0).result(10))
            during = session.call("wait", keys["during"], milliseconds=1000)
            assert wait_until(lambda: keys["during"] in self.shaken.counts()), "the call did not arrive"
            self.network.kill(direction, self.shaken.port)
            try:
                began = time.monotonic()
                after = session.call("wait", keys["after"], milliseconds=0)
                wait([during, after], DEAD)
                took = time.monotonic() - began
            finally:
                self.network.revive(direction, self.shaken.port)
            late = [name for name, call in (("in flight", during), ("made afterwards", after)) if not call.done()]
            assert not late, f"calls without a response after {took:.1f} s: {late}"
            began = time.monotonic()
            text(session.call("wait", keys["back"], milliseconds=0).result(10))
            back = time.monotonic() - began
            assert session.hears(f"{self.name} {mark} news"), "no notification arrives afterwards"
        counts = self.shaken.counts()
        arrived = {name: counts.get(key, 0) for name, key in keys.items()}
        assert max(arrived.values()) == 1, f"a call arrived twice: {arrived}"
        said = ["a result" if "result" in call.result() else "an error" for call in (during, after)]
        return f"{said[0]} and {said[1]} after {took:.1f} s, then a result after {back:.1f} s"


def say(line):
    # In one piece, because several checks run at once.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
