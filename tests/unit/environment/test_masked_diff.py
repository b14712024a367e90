from __future__ import annotations

from hico_platform.environment.masked_diff import masked_diff


def diff(name: str, *lines: str) -> str:
    head = f"diff --git a/{name} b/{name}\nindex 83db48f..bf269f4 100644\n--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n"
    return head + "".join(f"{line}\n" for line in lines)


def test_code_stays_as_it_is_also_where_it_speaks_of_tokens() -> None:
    code = diff(
        "a/tokens.py",
        "-    token = read_token(file)",
        "+    token, password = tokens[0], settings.password",
        "+    return login(password=password, token=token or 'TOKEN_FILE')",
        "+def tokens(width: int = 512) -> Tensor:  # tokens: (N, T, MJC)",
    )
    assert masked_diff(code) == code
    assert masked_diff("") == ""


def test_texts_in_quotes_that_are_named_as_secrets_are_masked_in_python() -> None:
    found = masked_diff(
        diff(
            "a.py",
            '+PASSWORD = "hunter2hunter2"',
            "+api_key: str = 'abcdef'",
            '+{"token": "abcdef", "width": "wide"}',
            '+connect("postgresql://me:hunter2@host/db")',
        )
    )
    assert "hunter2" not in found
    assert "abcdef" not in found
    assert '+{"token": "***", "width": "wide"}' in found
    assert '+PASSWORD = "***"' in found
    assert "postgresql://me:***@host/db" in found


def test_other_files_are_masked_as_any_text() -> None:
    text = masked_diff(diff("secret/token=x.yaml", "+password: hunter2", "+width: 512") + diff("b.py", "+token = f()"))
    assert "hunter2" not in text
    assert "diff --git a/secret/token=x.yaml" in text  # git's own lines stay
    assert "+width: 512" in text
    assert "+token = f()" in text


def test_tokens_that_show_what_they_are_and_private_keys_are_masked_wherever_they_are() -> None:
    lines = (
        "+x = f('ghp_" + "a" * 36 + "')",
        "+AKIAIOSFODNN7EXAMPLE",
        "+# -----BEGIN RSA PRIVATE KEY-----",
        "+MIIE",
        "+x",
    )
    found = masked_diff(diff("a.py", *lines))
    assert "aaaa" not in found
    assert "AKIA" not in found
    assert "MIIE" not in found
