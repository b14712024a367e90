from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.config.yaml_loader import read_yaml
from hico_platform.errors import ConfigError


def refused_bytes(folder: Path, data: bytes) -> str:
    file = folder / "space.yaml"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as error:
        read_yaml(file)
    return str(error.value).replace(f"{folder}/", "")


class TestEncodings:
    TEXT = "name: café\nsearch: {}\n"

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (TEXT.encode("utf-16"), "space.yaml: expected text in UTF-8, got 'UTF-16'; save it as UTF-8"),
            (TEXT.encode("utf-16-le"), "got 'UTF-16 without a byte order mark'; save it as UTF-8"),
            (TEXT.encode("utf-16-be"), "got 'UTF-16 without a byte order mark'; save it as UTF-8"),
            (TEXT.encode("utf-32"), "got 'UTF-32'; save it as UTF-8"),
            (
                b"a: 1\n" + TEXT.encode("latin-1"),
                "space.yaml:2: expected text in UTF-8, got 'the byte 0xe9, é in Latin-1'; save it as UTF-8",
            ),
            (b"a: 1\nb: \0\n", "got 'a NUL byte on line 2'; check the path: it may be no text file"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\xff" * 9, "a NUL byte on line 1"),
            (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "text in UTF-8, got"),
            (b"a: 1\n\x1b[0m", "space.yaml:2: expected text without control characters, got 'U+001B'"),
            (b"", "space.yaml: expected fields, got 'an empty file'; write {} to keep everything as it is"),
            (b"# nothing\n", "got 'an empty file'"),
            (b"---\n...\n", "got 'an empty file'"),
            (b"~\n", "got 'an empty file'"),
            (
                b"a: 1\n---\nb: 2\n",
                "space.yaml:2: expected one document, got 'a second one'; remove what begins with ---",
            ),
            (
                b"a:\n\tb: 1\n",
                "space.yaml:2: expected valid YAML, got 'a tab where YAML wants spaces'; indent with spaces",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, data: bytes, message: str) -> None:
        assert message in refused_bytes(tmp_path, data)

    @pytest.mark.parametrize("data", [TEXT.encode("utf-8-sig"), TEXT.replace("\n", "\r\n").encode(), TEXT.encode()])
    def test_what_is_read(self, tmp_path: Path, data: bytes) -> None:
        file = tmp_path / "space.yaml"
        file.write_bytes(data)
        document = read_yaml(file)
        assert document.data == {"name": "café", "search": {}}
        assert document.lines["search",] == 2

    def test_a_file_without_end_and_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="at most 256 KiB of configuration"):
            read_yaml(Path("/dev/zero"))
        with pytest.raises(ConfigError, match="a readable file, got 'Is a directory'; check the path"):
            read_yaml(tmp_path)
