"""What is tried with each client, and what has to come of it?"""

import re
import threading
import time
from pathlib import Path

from .session import Session, Setting, text_of
from .target import Target

THINKING = 1  # seconds that somebody takes to open a page
REPLY = 2.5  # seconds that the model takes to answer, while somebody signs in
SHOWN_WITHIN = 3  # seconds until it is known where to sign in
CAUSE_WITHIN = 12  # seconds from the start of the server until the cause is visible
LONGEST = 200  # seconds for a turn, on a machine with other work
WHAT_TO_DO = r"/new\b|[Ss]tart \S+ again|[Rr]estart"


class Attempt:
    """One scenario with one client: its checks, its words for the table, and its story if it fails."""

    def __init__(self, agent, scenario, lab):
        self.agent, self.scenario, self.lab = agent(), scenario, lab
        self.checks, self.cell, self.story, self.printed, self.targets = [], "–", "", "", []
        self.name = re.sub(r"\W+", "-", f"{agent.name} {scenario.__name__}").lower()

    def run(self):
        try:
            self.scenario(self)
        except Exception as error:
            self.check(f"{type(error).__name__}: {error}", False)
        for target in self.targets:
            target.stop()
        return self

    def passed(self):
        return all(passed for _, passed in self.checks)

    def check(self, words, passed):
        self.checks.append((words, bool(passed)))

    def target(self, **shape):
        self.targets.append(Target(**shape))
        return self.targets[-1]

    def setting(self, target, **options):
        return Setting(
            self.agent, options.pop("name", self.name), self.lab.scratch / options.pop("home", self.name), self.lab.ferry, self.lab.model,
            target, self.lab.path, **options,
        )  # fmt: skip

    def session(self, setting, **options):
        return Session(setting, **options)

    def end(self, session, patience=LONGEST):
        session.wait(patience)
        left = session.orphans()
        self.story += session.story()
        self.printed += session.output()
        self.check("ends by itself", not session.overdue)
        self.check("leaves no process behind", not left)
        self.story += "".join(f"left behind: {command}\n" for command in left)
        return session

    def until_usable(self, setting, session):
        """When the tools of the server were first used: in this turn, in the next, or never."""
        if setting.target.calls:
            return "same turn"
        told = any(re.search(WHAT_TO_DO, text_of(asked)) for asked in session.requests()[1:])
        setting.conversation.begin_turn(calls=1)
        self.end(self.session(setting))
        if not setting.target.calls:
            return "dead end"
        return "next turn" if self.agent.relists else "told to start again" if told else "not told"

    def usable(self, usable):
        """A client that asks for the tools again has them in the same turn; the others say what to do, if they do not."""
        if self.agent.relists:
            self.check("uses the tools in the same turn", usable == "same turn")
        else:
            self.check("uses the tools in the same turn, or says what to do", usable in ("same turn", "told to start again"))


def seconds(value):
    return "never" if value is None else f"{value:.1f} s"


def login_with_a_browser(attempt):
    setting = attempt.setting(attempt.target(login=True).start(), browser=THINKING)
    setting.conversation.begin_turn(sign_ins=1)
    session = attempt.end(attempt.session(setting))
    tabs = setting.tabs()
    attempt.check("opens one tab", len(tabs) == 1)
    usable = attempt.until_usable(setting, session)
    attempt.usable(usable)
    attempt.cell = f"tab, {usable}" if tabs else f"no tab, {usable}"


def login_without_a_browser(attempt):
    setting = attempt.setting(attempt.target(login=True).start())
    setting.conversation.begin_turn(sign_ins=2)
    setting.conversation.pause = REPLY
    session = attempt.end(attempt.session(setting, person_after=THINKING))
    after, where = session.address_after()
    attempt.check(f"shows where to sign in within {SHOWN_WITHIN} s", after is not None and after <= SHOWN_WITHIN)
    attempt.check("shows an address that works, or the command that does", session.signed_in())
    attempt.check("shows the address in one piece", not session.cut())
    usable = attempt.until_usable(setting, session)
    attempt.usable(usable)
    attempt.cell = f"{seconds(after)}{f', {where}' if where else ''}, {usable}"


def login_lost_later(attempt):
    setting = attempt.setting(attempt.target(login=True).start())
    setting.log_in()
    setting.conversation.begin_turn(sign_ins=1, calls=3)
    setting.conversation.pause = REPLY
    setting.conversation.before_second_call(setting.target.forget_logins)
    session = attempt.end(attempt.session(setting, person_after=THINKING))
    attempt.check("works with the login of before", setting.target.calls)
    after, where = session.address_after(call=2)
    attempt.check(f"shows where to sign in within {SHOWN_WITHIN} s", after is not None and after <= SHOWN_WITHIN)
    again = len(setting.target.calls)
    if again < 2:
        setting.conversation.begin_turn(calls=1)
        attempt.end(attempt.session(setting))
    usable = "same turn" if again > 1 else "next turn" if len(setting.target.calls) > again else "dead end"
    attempt.check("works again after the login", usable != "dead end")
    attempt.cell = f"{seconds(after)}{f', {where}' if where else ''}, {usable}"


def at_first_turn(attempt, setting, session):
    """A server that is known: its tools are offered with the first request to the model, and the call waits."""
    asked = session.requests()
    offered = bool(asked) and any("echo" in tool for tool in asked[0]["tools"])
    attempt.check("offers the tools at the first turn", offered)
    attempt.check("uses the tools in the same turn", setting.target.calls)
    return "at the first turn" if offered and setting.target.calls else "tools, no result" if offered else "no tools"


def late_initialize(attempt):
    attempt.agent.hurried = True
    setting = attempt.setting(attempt.target().start())
    setting.use()
    setting.target.calls.clear()
    setting.target.late = 4
    session = attempt.end(attempt.session(setting))
    attempt.cell = at_first_turn(attempt, setting, session)


def absent_for_a_while(attempt):
    attempt.agent.hurried = True
    setting = attempt.setting(attempt.target().start())
    setting.use()
    setting.target.stop()
    session = attempt.session(setting)

    def come_back():
        while session.process.poll() is None and not (started := session.server_started()):
            time.sleep(0.05)
        time.sleep(max(0, started + 6 - time.monotonic()) if started else 0)
        setting.target.start()

    threading.Thread(target=come_back, daemon=True).start()
    attempt.cell = at_first_turn(attempt, setting, attempt.end(session))


def cause(attempt, setting, session, pattern, through_instructions=False):
    """Where the cause is shown: in the turn, or else by the command that tells of the servers."""
    after, where = session.shown(pattern)
    if after is None and (command := attempt.agent.status()):
        after, where = attempt.end(attempt.session(setting, command=command)).shown(pattern)
        where = where and f"`{' '.join(map(str, [Path(command[0]).name, *command[1:]]))}`"
    if attempt.agent.shows_errors or (through_instructions and attempt.agent.reads_instructions and attempt.agent.waits):
        attempt.check(f"shows the cause within {CAUSE_WITHIN} s", after is not None and after <= CAUSE_WITHIN)
        attempt.check("shows all words of it", not re.search(r"\[redacted\]|/\*\*\*", attempt.printed))
    return f"{seconds(after)}, {where}" if where else "not shown"


def absent_for_good(attempt):
    # A port where nothing listens.
    setting = attempt.setting(attempt.target())
    session = attempt.end(attempt.session(setting))
    attempt.cell = cause(attempt, setting, session, r"cannot reach http|[Cc]onnection refused", through_instructions=True)
    # A client that starts the server again has another process, which says it once.
    said = sum("cannot reach" in line for line in session.stderr())
    attempt.check("says so on stderr once", 1 <= said <= session.starts() or attempt.agent.one_shot)
    if attempt.lab.other:
        beside = [attempt.lab.node, attempt.lab.other, setting.target.url()]
        other = attempt.setting(setting.target, name=f"{attempt.name}-other", home=f"{attempt.name}-other", bridge=beside)
        theirs, ours = attempt.end(attempt.session(other)).until_model(), session.until_model()
        if ours is not None:
            attempt.cell += f"; starts after {seconds(ours)}, with mcp-remote {seconds(theirs)}"
        # Some clients end, instead of starting without the server.
        attempt.check("starts no later than with mcp-remote", theirs is None or (ours is not None and ours < theirs + 1.5))


def restart(attempt):
    setting = attempt.setting(attempt.target().start())

    def again():
        setting.target.stop()
        setting.target.start()

    setting.conversation.begin_turn(calls=2)
    setting.conversation.before_second_call(again)
    attempt.end(attempt.session(setting))
    works = len(setting.target.calls) == 2
    attempt.check("the next call works", works)
    attempt.cell = "not noticed" if works else "the next call fails"


def away_in_mid_call(attempt):
    setting = attempt.setting(attempt.target().start())
    target = setting.target
    target.slow = 3

    def go_away():
        while not target.calls and session.process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.3)
        target.stop()
        time.sleep(3)
        target.slow = 0
        target.start()

    setting.conversation.begin_turn(calls=2)
    session = attempt.session(setting)
    threading.Thread(target=go_away, daemon=True).start()
    attempt.end(session)
    attempt.check("the call is not made twice, and the next one works", len(target.calls) == 2)
    after, _ = session.shown(r"may have (arrived|reached)|was lost|[Cc]onnection|cannot reach|ended")
    attempt.check("the call that was lost says so", after is not None)
    attempt.cell = "an error, then works" if len(target.calls) == 2 else "the next call fails"


def wrong_path(attempt):
    target = attempt.target().start()
    setting = attempt.setting(target, url=target.url("/mpc"))
    session = attempt.end(attempt.session(setting))
    attempt.cell = cause(attempt, setting, session, r"404 Not Found|answered 404|Cannot POST")


def bad_token(attempt):
    target = attempt.target(token="right").start()
    header = ["--header", "Authorization: Bearer wrong"]
    setting = attempt.setting(target, options=header)
    session = attempt.end(attempt.session(setting))
    attempt.cell = cause(attempt, setting, session, r"refuse[sd] the (credential|token|header|value)|401 Unauthorized|invalid_token")


TITLES = {
    login_with_a_browser: "login with a browser",
    login_without_a_browser: "login without a browser",
    login_lost_later: "login lost later",
    late_initialize: "known, `initialize` takes 4 s",
    absent_for_a_while: "known, absent for 6 s",
    absent_for_good: "absent for good",
    restart: "restarts",
    away_in_mid_call: "away in mid-call",
    wrong_path: "wrong path",
    bad_token: "bad token",
}
for scenario, title in TITLES.items():
    scenario.title = title
LOGINS = [login_with_a_browser, login_without_a_browser, login_lost_later]
BAD_DAYS = [late_initialize, absent_for_a_while, absent_for_good, restart, away_in_mid_call, wrong_path, bad_token]
