"""Addresses of datasets. They must not contain keys, because they are stored with every result."""

from __future__ import annotations

from hico_platform.errors import Problem, UsageError
from hico_platform.masking import credentials_in, masked, secrets_of

RULE = "an address without keys: it is kept with the results, and seen in ps"
REMEDY = (
    "give s3://BUCKET/FOLDER, and the keys by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or ~/.aws/credentials "
    "(GOOGLE_APPLICATION_CREDENTIALS for gs://)"
)


def has_credentials(address: str) -> bool:
    """Whether a dataset's address contains keys or a password, as a valid URL or a mistyped one."""
    return "://" in address and (credentials_in(address) or bool(secrets_of(address)))


def data_address(text: str, *, field: str = "data") -> str:
    """Returns the text, a folder or an address, after the check that it has no keys.

    Raises:
        UsageError: it has keys.
    """
    if has_credentials(text):
        shown = masked(text, secrets=secrets_of(text))
        raise UsageError(Problem(field=field, rule=RULE, value=shown, remedy=REMEDY))
    return text
