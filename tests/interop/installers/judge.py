"""What did an installer do to a file? Bytes are compared first, then comments and values."""

import json
import re
import tomllib
from difflib import SequenceMatcher

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|[^"/]+|/', re.DOTALL)
WORDS = ["added", "reformatted", "damaged", "refused", "silent"]


def judge(kind, before, after, code, name="docs"):
    """One of WORDS, and how many bytes of the file are no longer there.

    added: the entry is there, and so is every byte that was there. reformatted: other bytes differ, comments and values do
    not. damaged: comments or values differ, or the file can't be read any more. refused: the file is as it was, and the
    exit status says so. silent: the same, with exit status 0.
    """
    if after == before:
        return ("silent" if code == 0 else "refused"), 0
    start = next((index for index, (a, b) in enumerate(zip(before, after)) if a != b), min(len(before), len(after)))
    rest = len(before) - start
    if is_inserted(before, after) and name.encode() in after:
        return "added", 0
    if len(before) > 1 << 20:
        gone = rest
    else:
        blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        gone = len(before) - sum(block.size for block in blocks)
    try:
        old, new = read(kind, before), read(kind, after)
        same = is_contained(old[0], new[0]) if kind == "yaml" else is_kept(without(old[0], name), without(new[0], name))
        damaged = not same or len(new[1]) < len(old[1])
    except (ValueError, UnicodeError, RecursionError):
        damaged = True
    return ("damaged" if damaged else "reformatted"), gone


def is_inserted(before, after):
    """Whether the old file is the new one without one or two pieces: an entry, and a comma before a comment."""
    start = common(before, after)
    if before[start:] == after[len(after) - (len(before) - start):]:
        return True
    # The comma stands behind the last value; the entry follows later.
    if after[start:start + 1] == b",":
        rest = after[start + 1:]
        further = common(before[start:], rest)
        left = before[start + further:]
        return rest.endswith(left) or left == b""
    return False


def common(a, b):
    return next((index for index, pair in enumerate(zip(a, b)) if pair[0] != pair[1]), min(len(a), len(b)))


def read(kind, content):
    """The values, with numbers as they are written, and the comments."""
    text = content.decode("utf-8-sig")
    if kind == "toml":
        return tomllib.loads(text), re.findall(r"(?m)(?:^|\s)#.*$", text)
    if kind == "yaml":
        # Values are compared as lines.
        lines = [re.sub(r"\s+#.*$", "", line).strip() for line in text.splitlines() if not line.lstrip().startswith("#")]
        return lines, re.findall(r"(?m)(?:^|\s)#.*$", text)
    tokens = TOKEN.findall(text)
    comments = [token for token in tokens if token.startswith(("//", "/*"))]
    plain = "".join(token for token in tokens if not token.startswith(("//", "/*")))
    plain = re.sub(r",(\s*[}\]])", r"\1", plain)
    if not plain.strip():
        return (), comments
    return json.loads(plain, parse_int=str, parse_float=str, object_pairs_hook=pairs), comments


def is_contained(old, new):
    """Whether these lines are all there, in their order."""
    rest = iter(new)
    return all(line in rest for line in old)


def is_kept(old, new):
    """Whether all is as it was. A program may add settings of its own on the highest level."""
    if not isinstance(old, tuple) or not isinstance(new, tuple):
        return old == new
    return all(member in new for member in old)


def pairs(members):
    """An object as its members, so that a key that occurs twice is seen."""
    return tuple(sorted(members, key=lambda member: member[0]))


def without(value, name):
    """The values without the entry, whose name may have more in it, and without a section that has nothing else."""
    if isinstance(value, dict):
        value = tuple(sorted(value.items()))
    if not isinstance(value, tuple):
        return value
    members = ((key, without(inner, name)) for key, inner in value if name not in key)
    return tuple((key, inner) for key, inner in members if inner != ())
