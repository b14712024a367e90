"""Addresses of datasets that a user gives: they hold no keys, since they are kept with every number."""

from __future__ import annotations

from hico_platform.errors import Problem, UsageError
from hico_platform.masking import credentials_in, masked, secrets_of

RULE = "the address of a dataset without keys: it is kept with the results, and seen in ps"
REMEDY = (
    "give s3://BUCKET/FOLDER, and the keys by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or ~/.aws/credentials "
    "(GOOGLE_APPLICATION_CREDENTIALS for gs://)"
)


def has_credentials(address: str) -> bool:
    """Whether a dataset's address has keys or a password in it, as a URL or as something that was meant to be one."""
    return "://" in address and (credentials_in(address) or bool(secrets_of(address)))


def data_address(text: str) -> str:
    """The same text: a folder, or an address without keys.

    Raises:
        UsageError: it has keys.
    """
    if has_credentials(text):
        shown = masked(text, secrets=secrets_of(text))
        raise UsageError(Problem(field="data", rule=RULE, value=shown, remedy=REMEDY))
    return text
