"""What does a program of macOS say of itself, and does its signature fit its bytes?"""

import hashlib
import struct
from dataclasses import dataclass, field

MAGIC, UNIVERSAL = 0xFEEDFACF, 0xCAFEBABE
LOAD_DYLIB, SYMTAB, CODE_SIGNATURE, BUILD_VERSION = 0xC, 0x2, 0x1D, 0x32
# Kinds of load commands that name a library; the highest bit says that dyld must know the command.
LOADS = {LOAD_DYLIB, 0x80000018, 0x8000001F, 0x20, 0x80000023}
SIGNATURE, CODE_DIRECTORY, SHA256 = 0xFADE0CC0, 0xFADE0C02, 2


@dataclass
class MachO:
    processor: int
    kind: int
    flags: int
    system: int = 0
    oldest: str = ""
    libraries: list = field(default_factory=list)
    # Names that the program takes from libraries, with the path of the library that it looks in.
    imports: dict = field(default_factory=dict)
    signature: tuple = ()


def read(content):
    magic, processor, _, kind, count, _, flags, _ = struct.unpack_from("<IIIIIIII", content)
    if magic != MAGIC:
        raise ValueError(f"no program of macOS with 64 bits: {magic:x}")
    program, offset, symbols = MachO(processor, kind, flags), 32, None
    for _ in range(count):
        command, size = struct.unpack_from("<II", content, offset)
        if command in LOADS:
            start = offset + struct.unpack_from("<I", content, offset + 8)[0]
            program.libraries.append(text(content, start))
        elif command == BUILD_VERSION:
            program.system, oldest = struct.unpack_from("<II", content, offset + 8)
            program.oldest = f"{oldest >> 16}.{oldest >> 8 & 0xFF}"
        elif command == SYMTAB:
            symbols = struct.unpack_from("<IIII", content, offset + 8)
        elif command == CODE_SIGNATURE:
            program.signature = struct.unpack_from("<II", content, offset + 8)
        offset += size
    program.imports = imports(content, program.libraries, *symbols)
    return program


def imports(content, libraries, start, count, strings, _):
    found = {}
    for index in range(count):
        name, kind, _, description, _ = struct.unpack_from("<IBBHQ", content, start + index * 16)
        # Undefined, external, and none of the debugger's. The library is the upper half of the description.
        if kind & 0xEF == 0x01:
            library = description >> 8
            found[text(content, strings + name)] = libraries[library - 1] if 0 < library <= len(libraries) else f"library {library}"
    return found


def signed(content):
    """Why macOS would not take the signature of a program, or "ad hoc" if it would, without saying whose it is."""
    start, size = read(content).signature or (0, 0)
    if not size:
        return "no signature"
    if start % 16 or start + size != len(content):
        return f"the signature is at {start} to {start + size} of {len(content)}"
    magic, _, count = struct.unpack_from(">III", content, start)
    if magic != SIGNATURE:
        return f"no signature, but {magic:x}"
    for index in range(count):
        _, offset = struct.unpack_from(">II", content, start + 12 + index * 8)
        if struct.unpack_from(">I", content, start + offset)[0] == CODE_DIRECTORY:
            return directory(content, start + offset, start)
    return "no code directory"


def directory(content, at, end):
    _, _, _, flags, hashes, _, _, pages, limit, length, kind, _, page = struct.unpack_from(">9I4B", content, at)
    if (kind, length) != (SHA256, 32) or limit != end or pages != -(-limit // (1 << page)):
        return f"the code directory covers {pages} pages of {limit} bytes"
    for index in range(pages):
        begin = index << page
        there = content[at + hashes + index * length :][:length]
        if hashlib.sha256(content[begin : min(begin + (1 << page), limit)]).digest() != there:
            return f"page {index} of {pages} is not what was signed"
    return "ad hoc" if flags & 2 else f"flags {flags:x}"


def parts(content):
    """The programs in a universal one, by processor, and what macOS's tools would suspect of how they lie in it."""
    magic, count = struct.unpack_from(">II", content)
    if magic != UNIVERSAL:
        raise ValueError(f"no universal program: {magic:x}")
    found, wrong, end = {}, [], 8 + count * 20
    for index in range(count):
        processor, _, offset, size, alignment = struct.unpack_from(">IIIII", content, 8 + index * 20)
        if offset % (1 << alignment) or offset < end or alignment > 15:
            wrong.append(f"part {index} begins at {offset}, a multiple of 2^{alignment}, after {end}")
        if content[end:offset].strip(b"\0"):
            wrong.append(f"something stands before part {index}")
        found[processor] = content[offset : offset + size]
        end = offset + size
    if end != len(content):
        wrong.append(f"the last part ends at {end} of {len(content)}")
    return found, wrong


def text(content, start):
    return content[start : content.index(b"\0", start)].decode()
