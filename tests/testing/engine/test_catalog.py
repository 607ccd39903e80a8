"""Which models the engine offers."""

from pathlib import Path

import pytest

from testing.engine.catalog import CatalogModel, find_models
from tests.gguf_files import gguf, pair, text


@pytest.fixture(scope="module")
def models(engine_data: Path) -> dict[str, CatalogModel]:
    return find_models(engine_data)


def test_the_plain_model_declares_what_it_was_trained_on(models: dict[str, CatalogModel]) -> None:
    model = models["smollm2-135m-instruct"]
    assert (model.metadata.context_length, model.quantization, model.parameters) == (8192, ("Q4_1", 4), "135M")


def test_the_overstated_twin_says_that_it_overstates(models: dict[str, CatalogModel]) -> None:
    twin, plain = models["smollm2-135m-instruct-128k"], models["smollm2-135m-instruct"]
    assert twin.metadata.context_length == 131_072
    assert twin.metadata.file_bytes == plain.metadata.file_bytes
    assert "Overstated on purpose" in str(twin.description)


def test_a_bert_like_file_is_an_embedding_model(engine_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "Nomic Embed.gguf"
    path.write_bytes(gguf(pair("general.architecture", 8, text("nomic-bert"))))
    assert find_models(engine_data, [path])["nomic-embed"].is_embedding


def test_two_files_of_one_name_get_two_keys(engine_data: Path, tmp_path: Path) -> None:
    paths = [tmp_path / folder / "model.gguf" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(gguf(pair("general.architecture", 8, text("llama"))))
    assert {"model", "model-2"} <= set(find_models(engine_data, paths))


def test_an_unreadable_file_is_left_out_and_named(
    engine_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"nothing of the kind, but long enough")
    models = find_models(engine_data, [path, tmp_path / "missing.gguf"])
    assert "broken" not in models
    assert "broken.gguf" in caplog.text
    assert "missing.gguf" in caplog.text
