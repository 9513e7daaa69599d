"""Which program is each platform's, and is it one for that platform?"""

import struct
from dataclasses import dataclass

from facts import Platform

MAC = {"x86_64-apple-darwin": (0x01000007, 3), "aarch64-apple-darwin": (0x0100000C, 0)}
# Parts of a universal program begin at multiples of this, a page of the larger kind.
PAGE = 1 << 14


class Refused(Exception):
    """Why no packages can be made."""


@dataclass
class Program:
    platform: Platform
    target: str
    content: bytes

    @property
    def file(self):
        return "mcp-ferry.exe" if self.platform.is_windows else "mcp-ferry"


def programs(facts, folder, partial, stand_ins):
    """A program for each platform, from files that are named `NAME-TARGET`."""
    found, missing = [], []
    for platform in facts.platforms:
        program = find(facts.name, folder, platform)
        if program is None:
            missing.append(platform.targets[0])
            continue
        if not stand_ins and machine(program.content) != platform.machine:
            raise Refused(f"{facts.name}-{program.target} must be {platform.machine}, and is {machine(program.content)}")
        found.append(program)
    if not found or (missing and not partial):
        raise Refused(f"no program in {folder} for: {' '.join(missing)}")
    return found


def find(name, folder, platform):
    ending = ".exe" if platform.is_windows else ""
    for target in platform.targets:
        path = folder / f"{name}-{target}{ending}"
        if path.is_file():
            return Program(platform, target, path.read_bytes())
        parts = {part: folder / f"{name}-{part}" for part in MAC}
        if target == "universal-apple-darwin" and all(part.is_file() for part in parts.values()):
            return Program(platform, target, universal({part: path.read_bytes() for part, path in parts.items()}))
    return None


def universal(parts):
    """One program for both processors of macOS. The signature of each part stays valid, because its bytes do.

    It ends with the last part: `codesign --verify --strict` refuses what stands behind it."""
    header, body = struct.pack(">II", 0xCAFEBABE, len(parts)), b""
    for target, content in parts.items():
        if content[:4] != b"\xcf\xfa\xed\xfe" or struct.unpack_from("<i", content, 4)[0] != MAC[target][0]:
            raise Refused(f"the program of {target} is none, or for other processors")
        body += bytes(-len(body) % PAGE)
        header += struct.pack(">iiIII", *MAC[target], PAGE + len(body), len(content), PAGE.bit_length() - 1)
        body += content
    return header.ljust(PAGE, b"\0") + body


def machine(content):
    """What kind of program this is: format and processor. A Linux program that needs a C library is of no platform."""
    if content[:4] == b"\x7fELF" and len(content) > 64:
        return f"elf:{struct.unpack_from('<H', content, 18)[0]}" + (" (not static)" if has_interpreter(content) else "")
    if content[:2] == b"MZ":
        start = struct.unpack_from("<I", content, 0x3C)[0]
        return f"pe:{struct.unpack_from('<H', content, start + 4)[0]}"
    if content[:4] == b"\xca\xfe\xba\xbe":
        return f"fat:{struct.unpack_from('>I', content, 4)[0]}" + ("" if parts_fit(content) else " (with parts for other processors than it says)")
    if content[:4] == b"\xcf\xfa\xed\xfe":
        return f"mach-o:{struct.unpack_from('<I', content, 4)[0]}"
    return "something unknown"


def parts_fit(fat):
    """Is each part of a universal program for the processor that the header says?"""
    headers = [struct.unpack_from(">IIII", fat, 8 + index * 20) for index in range(struct.unpack_from(">I", fat, 4)[0])]
    return all(fat[offset : offset + 8] == struct.pack("<II", 0xFEEDFACF, processor) for processor, _, offset, _ in headers)


def has_interpreter(elf):
    start = struct.unpack_from("<Q", elf, 32)[0]
    size, count = struct.unpack_from("<HH", elf, 54)
    kinds = [struct.unpack_from("<I", elf, start + index * size)[0] for index in range(count)]
    return 3 in kinds
