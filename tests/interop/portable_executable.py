"""Which processor is a program for Windows made for, and which libraries does it need?"""

import struct
from pathlib import Path

MACHINES = {0x8664: "x86_64", 0xAA64: "aarch64"}
# What every Windows 10 has, where `ucrtbase` stands behind the names that begin with api-ms-win-crt.
OF_WINDOWS = {
    *["advapi32", "bcrypt", "bcryptprimitives", "combase", "crypt32", "kernel32", "ktmw32", "msvcrt", "ncrypt", "ntdll", "ole32", "oleaut32"],
    *["secur32", "shell32", "shlwapi", "ucrtbase", "user32", "userenv", "ws2_32"],
}


class PortableExecutable:
    def __init__(self, file):
        self.content = Path(file).read_bytes()
        if self.content[:2] != b"MZ":
            raise ValueError(f"{file} is no program for Windows")
        self.header = self.number("<I", 0x3C) + 4

    def number(self, form, offset):
        return struct.unpack_from(form, self.content, offset)[0]

    @property
    def machine(self):
        number = self.number("<H", self.header)
        return MACHINES.get(number, hex(number))

    def imports(self):
        """The names of the libraries without which it does not start."""
        # After the header of 20 bytes: the one for programs of 64 bits, whose second directory is that of the imports.
        position, names = self.offset(self.number("<I", self.header + 20 + 112 + 8)), []
        while name := self.number("<I", position + 12):
            start = self.offset(name)
            names.append(self.content[start : self.content.index(b"\0", start)].decode().lower())
            position += 20
        return sorted(set(names))

    def foreign(self):
        """The libraries among them that Windows does not have."""
        known = {f"{name}.dll" for name in OF_WINDOWS}
        return [name for name in self.imports() if name not in known and not name.startswith("api-ms-win-")]

    def offset(self, address):
        """Where in the file a place of its memory is."""
        sections, size = self.number("<H", self.header + 2), self.number("<H", self.header + 16)
        for section in range(sections):
            start = self.header + 20 + size + 40 * section
            virtual, length, raw = struct.unpack_from("<III", self.content, start + 12)
            if virtual <= address < virtual + length:
                return raw + address - virtual
        raise ValueError(f"no section has {address:#x}")
