"""Reads the metadata of a GGUF file, and writes a copy that declares another context length.

An own reader, because the `gguf` package takes 2-9 s and up to 717 MB for what is 30 ms here.
Format: little-endian; magic, version u32, tensors u64, pairs u64, pairs (name, type u32, value), tensor infos.
"""

import math
import mmap
import os
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

Value = int | float | bool | str | list[int | float | bool]

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_LONGEST_ARRAY_KEPT = 1024


class GGUFError(ValueError):
    """The file is not a GGUF file, or is cut off."""


@dataclass(frozen=True)
class Metadata:
    """What the header of a model file says.

    `offsets` are the byte positions of u32 values, for patching; `lengths` the sizes of arrays, long ones too.
    """

    values: dict[str, Value]
    offsets: dict[str, int]
    lengths: dict[str, int]
    parameters: int
    file_bytes: int

    @property
    def architecture(self) -> str:
        """The architecture's name, which prefixes its own keys ("llama", "gemma3", "bert")."""
        return str(self.values.get("general.architecture", "unknown"))

    def number(self, name: str, default: int = 0) -> int:
        """The integer `ARCHITECTURE.name`; the largest one where the file has one per layer."""
        value = self.values.get(f"{self.architecture}.{name}", default)
        if isinstance(value, list):
            return int(max(value, default=default))
        return int(value) if isinstance(value, int | float) else default

    @property
    def vocabulary(self) -> int:
        """The number of tokens the model knows."""
        return self.lengths.get("tokenizer.ggml.tokens", 0)

    @property
    def context_length(self) -> int:
        """The declared context, in tokens; 0 where the file does not say."""
        return self.number("context_length")


@dataclass
class _Cursor:
    data: mmap.mmap
    position: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)

    def take(self, code: str) -> int | float | bool:
        value: int | float | bool = struct.unpack_from("<" + code, self.data, self.position)[0]
        self.position += struct.calcsize("<" + code)
        return value

    def count(self, code: str = "Q") -> int:
        """A length; never more than the file has bytes, so a corrupt one cannot make us loop or allocate."""
        value = int(self.take(code))
        if value > len(self.data):
            raise GGUFError(f"a length of {value} in a file of {len(self.data)} bytes")
        return value

    def text(self) -> str:
        size = self.count()
        start, self.position = self.position, self.position + size
        if self.position > len(self.data):
            raise GGUFError("cut off in the middle of a text")
        return self.data[start : self.position].decode("utf-8", "replace")

    def value(self, name: str, kind: int) -> Value | None:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            kind, self.lengths[name] = int(self.take("I")), self.count()
            return self.array(kind, self.lengths[name])
        if kind not in _SCALARS:
            raise GGUFError(f"unknown value type {kind}")
        return self.take(_SCALARS[kind])

    def array(self, kind: int, size: int) -> list[int | float | bool] | None:
        """Numbers of a short array; None for long ones and for texts, which are walked over (vocabularies)."""
        if kind == _STRING:
            for _ in range(size):
                length = self.count()
                self.position += length
            return None
        if kind not in _SCALARS:
            raise GGUFError(f"unknown array type {kind}")
        if size > _LONGEST_ARRAY_KEPT:
            self.position += size * struct.calcsize("<" + _SCALARS[kind])
            return None
        return [self.take(_SCALARS[kind]) for _ in range(size)]


def read_metadata(path: Path) -> Metadata:
    """Read the header of `path`. Raises GGUFError for what is not a GGUF file, OSError for what cannot be read."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 24:
            raise GGUFError(f"{path.name} is too short for a GGUF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != b"GGUF":
                raise GGUFError(f"{path.name} is not a GGUF file")
            try:
                return _parse(_Cursor(data, 4), size)
            except struct.error as error:
                raise GGUFError(f"{path.name} is cut off") from error


def _parse(cursor: _Cursor, size: int) -> Metadata:
    version = cursor.take("I")
    if version not in (2, 3):
        raise GGUFError(f"GGUF version {version} is not supported")
    tensors, pairs = cursor.count(), cursor.count()
    values: dict[str, Value] = {}
    for _ in range(pairs):
        name, kind = cursor.text(), int(cursor.take("I"))
        if kind == _UINT32:
            cursor.offsets[name] = cursor.position
        value = cursor.value(name, kind)
        if value is not None:
            values[name] = value
    parameters = 0
    for _ in range(tensors):
        cursor.text()
        dimensions = [int(cursor.take("Q")) for _ in range(cursor.count("I"))]
        cursor.take("I"), cursor.take("Q")
        parameters += math.prod(dimensions)
    return Metadata(values, cursor.offsets, cursor.lengths, parameters, size)


def copy_declaring(source: Path, target: Path, context_length: int) -> Path:
    """Copy `source` to `target` with another declared context (tokens); an intact earlier copy is kept.

    The copy appears under its name only when it is complete. Raises GGUFError where the header has no such u32.
    """
    original = read_metadata(source)
    intact = target.exists() and target.stat().st_size == original.file_bytes
    if intact and read_metadata(target).context_length == context_length:
        return target
    offset = original.offsets.get(f"{original.architecture}.context_length")
    if offset is None:
        raise GGUFError(f"{source.name} declares no context length that could be patched")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, partial)
        with partial.open("r+b") as file:
            file.seek(offset)
            file.write(struct.pack("<I", context_length))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target
