"""What do Windows programs need here? Wine, a directory of its own, and one library that it lacks."""

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
CACHE = Path(os.environ.get("MCP_FERRY_PLATFORMS", ROOT / "target" / "platforms")).resolve()
WINE = "/usr/lib/wine/wine64"
PREFIX = CACHE / "wine"
COMPILER = ["x86_64-w64-mingw32-gcc", "-Wall", "-o"]

# Debian 12's wine lacks the one function of bcryptprimitives.dll that Rust's library calls.
SHIM = """
#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T len) { return RtlGenRandom(data, (ULONG)len); }
"""


def path(file):
    """The name of a file as Windows programs know it."""
    return "Z:" + str(file).replace("/", "\\")


def environment():
    # Wine says why a program crashed; that is shown where a check failed.
    return {"HOME": os.environ.get("HOME", "/root"), "PATH": os.environ["PATH"], "WINEPREFIX": str(PREFIX), "WINEDEBUG": "fixme-all"}


def prepare(scratch):
    """Makes wine ready, and in this folder start.exe."""
    if not Path(WINE).exists():
        print("wine: installing wine64", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "wine64"],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
    PREFIX.mkdir(parents=True, exist_ok=True)
    # The first start of wine creates its directory, which takes longer than what waits for a program here.
    subprocess.run([WINE, "wineboot", "-i"], env=environment(), capture_output=True, timeout=300, check=False)
    source = scratch / "shim.c"
    source.write_text(SHIM)
    library = PREFIX / "drive_c/windows/system32/bcryptprimitives.dll"
    subprocess.run([*COMPILER, library, "-shared", source, "-ladvapi32"], check=True)
    subprocess.run([*COMPILER, scratch / "start.exe", "-municode", HERE / "start.c"], check=True)
