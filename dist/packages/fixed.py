"""How are archives written, so that the same files always give the same bytes?"""

import gzip
import io
import tarfile
import time
import zipfile
from dataclasses import dataclass

REGULAR_FILE, FOLDER = 0o100000, 0o040000
# Zip knows no earlier time.
EARLIEST = 315532800


@dataclass
class File:
    path: str
    content: bytes
    mode: int = 0o644
    owner: int = 0


def tar(files, epoch, folders=()):
    """A tar of the folders, then the files, owned by nobody in particular."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in [*folders, *files]:
            info = tarfile.TarInfo(entry.path)
            info.mtime, info.mode, info.uid, info.gid = epoch, entry.mode, entry.owner, entry.owner
            info.type = tarfile.DIRTYPE if entry in folders else tarfile.REGTYPE
            info.size = len(entry.content)
            archive.addfile(info, io.BytesIO(entry.content))
    return out.getvalue()


def gz(content):
    """Without a name and a time."""
    return gzip.compress(content, compresslevel=9, mtime=0)


def zip_archive(files, epoch):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in files:
            info = zipfile.ZipInfo(file.path, time.gmtime(max(epoch, EARLIEST))[:6])
            info.create_system = 3  # Unix: readers take the mode from here, and so whether a file is executable
            info.external_attr = (REGULAR_FILE | file.mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, file.content)
    return out.getvalue()
