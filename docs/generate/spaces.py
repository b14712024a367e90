"""The page of the spaces that ship with the package: their headers, and the files themselves."""

from __future__ import annotations

from hico_platform.config.package_files import shipped_spaces


def page() -> str:
    """The page."""
    lines = [
        "# Spaces that ship",
        "",
        "Each can be named: `hico-platform search --space level_weights.yaml`. The header of each file says",
        "what it costs and",
        "what to expect. To change one, see [a space of your own](../guides/new-space.md).",
        "",
    ]
    for name, file in shipped_spaces().items():
        text = file.read_text("utf-8")
        head = [line for line in text.splitlines() if line.startswith("#") and "yaml-language-server" not in line]
        body = "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip("\n")
        lines += [f"## {name}", "", "```text", *(line.removeprefix("#").removeprefix(" ") for line in head), "```", ""]
        lines += [
            f'??? note "{file.name}"',
            "",
            "    ```yaml",
            *(f"    {line}" for line in body.splitlines()),
            "    ```",
            "",
        ]
    return "\n".join(lines)
