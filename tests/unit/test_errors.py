"""All messages have one grammar: ``expected RULE, got VALUE; REMEDY``.

The first half renders problems. The second reads the package's source: each text that is bound to the name ``rule`` or
``remedy`` (an argument, a default, an assignment, what a function of such a name returns) is a phrase that reads after
"expected", or says what to do. A text whose source is not visible there fails too: bind it to such a name.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.errors import HicoError, Problem, UsageError, reason

PACKAGE = Path(__file__).resolve().parents[2] / "hico_platform"

RULE_BEGINS = frozenset(
    """
    a an the one at no each every exactly fewer another above below
    CPUs KEY=VALUE Ray constraints fields files float32 free frames labelled memory names numbers poses rows text true
    valid values
    """.split()  # noqa: SIM905
)
"""A rule is a noun phrase or a bound. Its first word is one of these, or is added when it reads after "expected"."""

REMEDY_BEGINS = frozenset(
    """
    add ask back bring break change check choose chgrp chmod correct cut end export fetch free get give go indent
    install label leave lower make mark mend mount move name number prepare put raise record register remove rename
    report restore resume run save search see set start swap take try unpack unset upgrade use wait widen write
    """.split()  # noqa: SIM905
)
"""A remedy is an instruction: its first word is a verb."""

NOT_IN_RULE = re.compile(r"\b(must|should|shall|expected|cannot|can't|needs?|got)\b|;|(?<!\.\.)\.$|^$|\s$")
NOT_IN_REMEDY = re.compile(r"\b(must|should|shall|expected)\b|(?<!\.\.)\.$|^$|\s$")
# A sentence in place of a noun phrase: a finite verb before anything that opens a clause.
CLAUSE = re.compile(r"\b(that|which|who|whose|what|where|wherever|when|as|since|if|until|than|so|:)\b|: ")
FINITE = re.compile(
    r"\b(is|are|was|has|have|had|holds|ends|starts|shows|belongs?|trains|expands|comes|goes|may|can|will)\b"
)
PHASE = re.compile(r"\[\d+:\d\d\] ")  # what a command is at, with the time since it began
HOLE = "\0"  # what stands in a format string's braces


def named(name: str, kind: str) -> bool:
    """Whether a variable, parameter or function is called rule (or remedy), alone or as ``_RULE`` or ``size_rule``."""
    return name.lower().strip("_").split("_")[-1] == kind


@dataclass(frozen=True)
class Text:
    where: str
    kind: str
    node: ast.expr


def package_files() -> list[tuple[str, ast.Module]]:
    return [
        (str(path.relative_to(PACKAGE)), ast.parse(path.read_text("utf-8"))) for path in sorted(PACKAGE.rglob("*.py"))
    ]


def parameters(trees: list[tuple[str, ast.Module]]) -> dict[tuple[str, str], list[str]]:
    """Function or class by file and name -> the parameters that an argument without a keyword can be."""
    found: dict[tuple[str, str], list[str]] = {}
    for file, tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in node.args.args]
                found[file, node.name] = names[1:] if names[:1] in (["self"], ["cls"]) else names
            if isinstance(node, ast.ClassDef):
                fields = [part.target.id for part in node.body if isinstance(part, ast.AnnAssign)]  # type: ignore[union-attr]
                made = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
                found[file, node.name] = [a.arg for a in made[0].args.args[1:]] if made else fields
    return found


def texts() -> Iterator[Text]:
    trees = package_files()
    known = parameters(trees)
    for file, tree in trees:
        for node in ast.walk(tree):
            for name, value in bound(node, file, known):
                for kind in ("rule", "remedy"):
                    if named(name, kind):
                        yield Text(f"{file}:{value.lineno}", kind, value)


def bound(node: ast.AST, file: str, known: dict[tuple[str, str], list[str]]) -> Iterator[tuple[str, ast.expr]]:
    """Every name that a node binds to a value."""
    if isinstance(node, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        others = [names for (_, name), names in known.items() if name == called]
        for names in [known[file, called]] if (file, called) in known else others[:1] * (len(others) == 1):
            yield from zip(names, node.args, strict=False)
    if isinstance(node, ast.FunctionDef):
        last = [argument.arg for argument in node.args.args][len(node.args.args) - len(node.args.defaults) :]
        yield from zip(last, node.args.defaults, strict=True)
        yield from (
            (argument.arg, default)
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if default is not None
        )
        if node.returns is not None and set(ast.unparse(node.returns).split(" | ")) <= {"str", "None"}:
            yield from (
                (node.name, part.value) for part in ast.walk(node) if isinstance(part, ast.Return) and part.value
            )
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from assigned(target, node.value)
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        yield from assigned(node.target, node.value)
    if isinstance(node, ast.For | ast.comprehension):
        yield from ((name.id, node.iter) for name in ast.walk(node.target) if isinstance(name, ast.Name))


def assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    if isinstance(target, ast.Attribute):
        yield target.attr, value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.IfExp):
        yield from assigned(target, value.body)
        yield from assigned(target, value.orelse)
    elif isinstance(target, ast.Tuple):
        parts = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
        for one, part in zip(target.elts, parts, strict=True):
            yield from assigned(one, part)


def phrases(node: ast.expr, kind: str) -> Iterator[str | None]:
    """What a text can be, with a hole for what is filled in; None where its source is not visible."""
    if isinstance(node, ast.Constant):
        if node.value is not None:
            yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(hole(part, kind) for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from phrases(node.body, kind)
        yield from phrases(node.orelse, kind)
    elif isinstance(node, ast.BoolOp):
        for part in node.values:
            yield from phrases(part, kind)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = list(phrases(node.left, kind)), list(phrases(node.right, "more"))
        yield from [None if one is None or two is None else one + two for one in left for two in right]
    elif not (kind == "more" or is_checked(node, kind)):
        yield None


def is_checked(node: ast.expr, kind: str) -> bool:
    """Whether a value comes from a name whose own texts are checked."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
        return named(ast.literal_eval(node.args[1]), kind)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return named(str(node.slice.value), kind)
    node = node.func if isinstance(node, ast.Call) else node
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return named(name, kind)


def hole(part: ast.expr, kind: str) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    return f"{HOLE}checked" if is_checked(part.value, kind) else HOLE


def broken(phrase: str | None, kind: str) -> str | None:
    """What a phrase breaks of the grammar."""
    if phrase is None:
        return "its source is not visible: bind it to a name that ends in rule or remedy"
    first = re.split(r"[\s,:;]", phrase.removeprefix("did you mean ").replace(f"{HOLE}checked", "checked"), maxsplit=1)[
        0
    ]
    if kind == "remedy" and phrase.startswith("did you mean "):
        first = "use"
    begins = RULE_BEGINS if kind == "rule" else REMEDY_BEGINS
    if first not in begins | {"checked"} and not re.fullmatch(r"[0-9]+", first):
        return f"begins with {first!r}: " + (
            "a rule is a noun phrase" if kind == "rule" else "a remedy begins with a verb"
        )
    found = (NOT_IN_RULE if kind == "rule" else NOT_IN_REMEDY).search(phrase)
    if found is None and kind == "rule":
        found = FINITE.search(CLAUSE.split(phrase)[0])
    return f"has {found.group()!r} in it" if found else None


@pytest.mark.slow
def test_every_rule_reads_after_expected_and_every_remedy_says_what_to_do():
    found = list(texts())
    assert len(found) > 300, "the walk finds the package's problems"
    wrong = [
        f"{text.where}: {text.kind} {ast.unparse(text.node)[:150]}: {reason}"
        for text in found
        for phrase in phrases(text.node, text.kind)
        if (reason := broken(phrase, text.kind))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.slow
def test_every_problem_says_what_to_do_or_that_nothing_can_be_done():
    silent = [
        f"{file}:{node.lineno}"
        for file, tree in package_files()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem"
        if not {"rule", "remedy"} <= {keyword.arg for keyword in node.keywords}
        if None
        not in {keyword.arg for keyword in node.keywords}  # Problem(**fields), of one that was written to a file
    ]
    assert not silent


@pytest.mark.parametrize(
    ("kind", "phrase", "is_right"),
    [
        ("rule", "a file that exists", True),
        ("rule", "at least 1", True),
        ("rule", f"{HOLE}checked and more", True),
        ("rule", f"{HOLE} and more", False),
        ("rule", "must be a file", False),
        ("rule", "is a file", False),
        ("rule", "A file", False),
        ("rule", "a file that must exist", False),
        ("rule", "a recording has at least one frame", False),
        ("rule", "a recording that has at least one frame", True),
        ("rule", "a file.", False),
        ("rule", "a file; give one", False),
        ("rule", "", False),
        ("rule", None, False),
        ("remedy", "give another", True),
        ("remedy", "did you mean contrast.temperature?", True),
        ("remedy", "Give another", False),
        ("remedy", "another", False),
        ("remedy", "give another.", False),
        ("remedy", "", False),
    ],
)
def test_the_grammar_itself(kind, phrase, is_right):
    assert (broken(phrase, kind) is None) == is_right


def test_a_problem_is_one_line_with_what_is_known():
    problem = Problem(file="a.yaml", line=3, field="model.layers", rule="at least 1", value=0, remedy="give a count")
    assert str(problem) == "a.yaml:3: model.layers: expected at least 1, got 0; give a count"
    assert str(Problem(rule="an existing file", remedy=None)) == "expected an existing file"
    assert str(Problem(file="a", rule="text", value="\n", remedy="write it")) == "a: expected text, got '\\n'; write it"


def test_a_problem_as_json_has_the_rule_alone():
    problem = Problem(field="seed", rule="at least 0", value=-1, remedy=None)
    assert problem.as_dict() == {
        "file": None, "line": None, "field": "seed", "rule": "at least 0", "value": "-1", "remedy": "",
    }  # fmt: skip


def test_an_error_has_a_line_for_each_problem():
    problems = [Problem(rule="one", remedy=None), Problem(rule="another", remedy=None)]
    assert str(HicoError(problems)) == "expected one\nexpected another"
    assert UsageError(problems[0]).problems == (problems[0],)


LINE = re.compile(r"error: (\S.*: )?expected [^;]*[^.;]; [^ ;].*[^.]")


@pytest.mark.parametrize(
    "words",
    [
        "search",
        "search --space nowhere.yaml",
        "search --space level_weights.yaml --set contrast.temprature=0.1",
        "search --space level_weights.yaml --set contrast.temperature=-1",
        "search --space level_weights.yaml --set contrast.temperature",
        "search --space level_weights.yaml --name ../elsewhere",
        "search --space level_weights.yaml --take-over",
        "search --name nothing --resume",
        "status nothing",
        "retrain",
        "retrain nothing",
        "report nothing",
        "ui",
        "pretrain --config nowhere.yaml",
        "data synth --out {folder}/made --seed -1",
        "data prepare --raw {folder}/nothing --out {folder}/made --format ntu60",
        "data info {folder}/nothing",
        "data verify {folder}",
    ],
)
def test_commands_print_the_grammar(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HICO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main(words.format(folder=tmp_path).split()) in {2, 3}
    lines = capsys.readouterr().err.splitlines()
    assert lines
    said = [line for line in lines if not PHASE.match(line)]
    assert [line for line in said if not LINE.fullmatch(line)] == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "/a/missing.txt"), "No such file or directory"),
        (OSError("cannot write mode P\nas JPEG"), "cannot write mode P"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_reason_is_without_number_and_path(error, said):
    assert reason(error) == said
