"""The GGUF reader, and copies that declare another context."""

import struct
from pathlib import Path

import pytest

from testing.engine.gguf import GGUFError, copy_declaring, read_metadata
from tests.engines import smollm_path
from tests.gguf_files import ARRAY, BOOL, FLOAT, TEXT, UINT32, gguf, pair, text

ARCHITECTURE = pair("general.architecture", TEXT, text("llama"))
CONTEXT = pair("llama.context_length", UINT32, struct.pack("<I", 8192))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(ARCHITECTURE, CONTEXT) + b"weights")
    return path


def test_scalars_texts_and_short_arrays_are_read(tmp_path: Path) -> None:
    numbers = struct.pack("<IQ3I", UINT32, 3, 1, 2, 3)
    words = struct.pack("<IQ", TEXT, 2) + text("a") + text("bc")
    path = tmp_path / "model.gguf"
    path.write_bytes(
        gguf(
            ARCHITECTURE,
            pair("words", ARRAY, words),
            pair("llama.attention.head_count_kv", ARRAY, numbers),
            pair("flag", BOOL, b"\x01"),
            pair("ratio", FLOAT, struct.pack("<f", 0.5)),
        )
    )
    metadata = read_metadata(path)
    assert metadata.number("attention.head_count_kv") == 3
    assert (metadata.values["flag"], metadata.values["ratio"]) == (True, 0.5)
    assert metadata.lengths["words"] == 2


def test_parameters_are_counted_from_the_tensors(tmp_path: Path) -> None:
    tensor = text("weight") + struct.pack("<IQQIQ", 2, 10, 20, 0, 0)
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(ARCHITECTURE, tensors=tensor, tensor_count=1))
    assert read_metadata(path).parameters == 200


def test_the_real_model_says_what_it_is() -> None:
    metadata = read_metadata(smollm_path())
    assert (metadata.architecture, metadata.context_length, metadata.vocabulary) == ("llama", 8192, 49_152)
    assert metadata.parameters == 134_515_008


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK" * 20,
        gguf(ARCHITECTURE)[:-3],
        b"GGUF" + struct.pack("<IQQ", 99, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63),
        gguf(pair("x", 77, b"")),
        gguf(pair("x", ARRAY, struct.pack("<IQ", TEXT, 2**62))),
    ],
)
def test_what_is_no_gguf_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(GGUFError):
        read_metadata(path)


def test_a_copy_differs_in_the_declared_context_only(model: Path, tmp_path: Path) -> None:
    copy = copy_declaring(model, tmp_path / "data" / "copy.gguf", 131_072)
    assert read_metadata(copy).context_length == 131_072
    before, after = model.read_bytes(), copy.read_bytes()
    assert len(after) == len(before)
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 2


def test_an_intact_copy_is_kept(model: Path, tmp_path: Path) -> None:
    first = copy_declaring(model, tmp_path / "copy.gguf", 131_072).stat()
    again = copy_declaring(model, tmp_path / "copy.gguf", 131_072).stat()
    assert first.st_ino == again.st_ino


def test_a_cut_off_copy_is_made_again(model: Path, tmp_path: Path) -> None:
    copy = copy_declaring(model, tmp_path / "copy.gguf", 131_072)
    copy.write_bytes(copy.read_bytes()[:40])
    copy_declaring(model, copy, 131_072)
    assert copy.stat().st_size == model.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.gguf", "model.gguf"]


def test_a_file_without_a_declared_context_cannot_be_patched(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(ARCHITECTURE))
    with pytest.raises(GGUFError, match="no context length"):
        copy_declaring(path, tmp_path / "copy.gguf", 131_072)
