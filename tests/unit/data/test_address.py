from __future__ import annotations

import pytest

from hico_platform.data.address import data_address
from hico_platform.errors import UsageError


@pytest.mark.parametrize(
    "address",
    [
        "s3://KEY:planted-s3cr3t@bucket/data",
        "s3://KEY:planted-s3cr3t%2Fmore@bucket/data",
        "s3://KEY:more/planted-s3cr3t@bucket",
        "s3://bucket/data?secret_key=planted-s3cr3t&region=x",
        "file://me:planted-s3cr3t@host/data",
        "https://planted-s3cr3t@host/data",
    ],
)
def test_keys_in_an_address_are_refused_unseen(address: str) -> None:
    with pytest.raises(UsageError, match=r"without keys.*AWS_ACCESS_KEY_ID") as refused:
        data_address(address)
    assert "planted-s3cr3t" not in str(refused.value) + str(refused.value.problems[0].as_dict())


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/data?region=eu-west-1&endpoint_override=localhost%3A9000",
        "gs://anonymous@bucket/data",
        "file:///home/me/a:b@c",
        "prepared/me:x@y",
        "/a?token=b",
    ],
)
def test_an_address_without_keys(address: str) -> None:
    assert data_address(address) == address
