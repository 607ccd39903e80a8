"""Opens gzip and zip files without ever holding more than a registry can be."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import NoReturn

from registry.documents.content import Fault, Unreadable

MAX_UNPACKED = 2**30  # bytes; 100,000 models with their tests have about 0.8 GiB
MAX_RATIO = 300  # a registry of many untested models of the same kind shrinks to a hundredth
_SLACK = 2**23  # below this many bytes no ratio is too good
_CHUNK = 2**16
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def unpacked(data: bytes) -> bytes:
    """What a gzip or zip file holds, and other data as it is; Unreadable when it is damaged or a bomb."""
    if data.startswith(_GZIP):
        inner = _collected(_gunzipped(data), len(data))
    elif data.startswith((_ZIP, b"PK\x05\x06")):
        inner = _unzipped(data)
    else:
        return data
    if inner.startswith((_GZIP, _ZIP)):
        _refuse("the file is packed twice; unpack it once")
    return inner


def _collected(chunks: Iterable[bytes], size: int) -> bytes:
    found = bytearray()
    for chunk in chunks:
        found += chunk
        if len(found) > MAX_UNPACKED:
            _refuse(f"the file unpacks to more than {MAX_UNPACKED:,} bytes, which no registry has")
        if len(found) > _SLACK and len(found) > size * MAX_RATIO:
            _refuse(f"the file unpacks to more than {MAX_RATIO} times its size, which no registry does")
    return bytes(found)


def _gunzipped(data: bytes) -> Iterator[bytes]:
    """The members of a gzip file one after the other, in chunks; only the first may stand alone."""
    view = memoryview(data)
    while view:
        stream = zlib.decompressobj(wbits=31)
        start = 0
        try:
            while not stream.eof:
                piece = stream.unconsumed_tail or view[start : start + _CHUNK]
                if not piece:
                    _refuse("the gzip file is cut off; copy it again")
                start += 0 if stream.unconsumed_tail else len(piece)
                yield stream.decompress(piece, _CHUNK)
        except zlib.error:
            _refuse("the gzip file is damaged; copy it again")
        view = view[start - len(stream.unused_data) :]


def _unzipped(data: bytes) -> bytes:
    """The only file in a zip; its name is not used for anything."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(files) != 1:
                _refuse(f"the zip must hold one file, and holds {len(files):,}")
            if files[0].flag_bits & 1:
                _refuse("the file in the zip is encrypted; pack it without a password")
            if files[0].compress_type not in _METHODS:
                _refuse("the file in the zip is packed in an unusual way; pack it again, or as gzip")
            with archive.open(files[0]) as stream:
                return _collected(iter(lambda: stream.read(_CHUNK), b""), len(data))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        _refuse("the zip file is damaged; copy it again")


def _refuse(text: str) -> NoReturn:
    raise Unreadable([Fault("", text)])
