"""The page of exit codes, from the tree of errors."""

from __future__ import annotations

from docs.generate.markdown import code, escaped, table
from hico_platform import errors
from hico_platform.interruptions import EXIT_CODE

MEANINGS = {
    0: "done",
    1: "the work failed: training, a server, a machine, or a bug of this project",
    2: "usage or configuration: nothing was started; correct the command or the file",
    3: "data: a file or a store breaks a rule; the message names it",
    EXIT_CODE: "interrupted by Ctrl-C, SIGTERM or SIGHUP; what can be resumed says how",
}


def page() -> str:
    """The page."""
    kinds = sorted(_below(errors.HicoError), key=lambda kind: (kind.exit_code, kind.__name__))
    return "\n".join(
        [
            "# Exit codes",
            "",
            table(["code", "meaning"], [(code(number), meaning) for number, meaning in MEANINGS.items()]),
            "Scripts can rely on them. With `--json` the error goes to standard output as JSON, with the same fields",
            "(`file`, `line`, `field`, `rule`, `value`, `remedy`).",
            "",
            "## Errors",
            "",
            "In Python the same errors are exceptions, all of them below `hico_platform.errors.HicoError`:",
            "",
            table(
                ["exception", "exit code", "raised when"],
                [(code(kind.__name__), code(kind.exit_code), escaped((kind.__doc__ or "").strip())) for kind in kinds],
            ),
            "Every message has one form: `FILE:LINE: FIELD: expected RULE, got VALUE; REMEDY`. Parts that are",
            "not known",
            "are left out. `--traceback`, or `HICO_TRACEBACK=1`, shows where an error came from.",
            "",
        ]
    )


def _below(kind: type[errors.HicoError]) -> list[type[errors.HicoError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _below(child))]
