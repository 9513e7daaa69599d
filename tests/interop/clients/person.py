#!/usr/bin/env python3
"""Where does an address lead somebody who is signed in everywhere and agrees to everything?

As a program (for BROWSER) it writes its address into the file TABS and exits at once, like a real opener; the tab stays behind.
"""

import os
import subprocess
import sys
import time
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener


def visit(url):
    """Follows the redirects, and returns the last page."""
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
    browser.addheaders = [("Accept", "text/html"), ("User-Agent", "a browser")]
    try:
        with browser.open(url, timeout=20) as page:
            return page.read().decode(errors="replace")
    except HTTPError as error:
        return f"{error.code}: {error.read().decode(errors='replace')}"
    except OSError as error:
        return f"no page: {error}"


if __name__ == "__main__":
    if sys.argv[1] == "--tab":
        time.sleep(float(os.environ["THINKING"]))
        visit(sys.argv[2])
    else:
        with open(os.environ["TABS"], "a") as tabs:
            tabs.write(f"{time.monotonic()} {sys.argv[1]}\n")
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.Popen([sys.executable, __file__, "--tab", sys.argv[1]], start_new_session=True, **quiet)
