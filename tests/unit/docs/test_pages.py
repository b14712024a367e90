"""The other pages that are made from code, and the pieces that make them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import decisions, environment, exit_codes, levels, metrics, outputs, python, settings, spaces
from docs.generate.dialect import with_lists_apart
from docs.generate.outside import with_links_inside
from hico_platform import errors
from hico_platform.cli import topics
from hico_platform.config.package_files import shipped_spaces
from hico_platform.config.schema import leaves
from hico_platform.config.space_settings import Space
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Signal
from hico_platform.retrain.comparison import TESTED
from hico_platform.retrain.results import METRICS

ROOT = Path(__file__).resolve().parents[3]
READ = re.compile(
    r"""(?:environ(?:\.get|\.setdefault|\.pop)?[\[(]\s*|getenv\(\s*|switched_off\(\s*|without\(\s*)["']([A-Z][A-Z_]+)["']"""
)


def test_every_setting_has_a_line_with_its_default_and_meaning() -> None:
    page = settings.configuration()
    for name, field in leaves(TrialConfig).items():
        [line] = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert line.count("|") == 5, line
        assert (field.description or "").split("|")[0].split("_")[0][:20] in line.replace("\\", "")
    assert "| `contrast.temperature` | number, above 0 | `0.2` |" in page
    assert "one of `gru`, `lstm`, `transformer` | `transformer`" in page


def test_every_key_of_a_space_is_on_its_page() -> None:
    page = settings.space()
    for name in Space.model_fields:
        assert f"`{name}`" in page or f"## {name}" in page, name
    assert "| `scheduler.grace_epochs` | whole number, at least 1 | `1` |" in page
    assert "| `resources.max_concurrent` | whole number, at least 1, or null | `null` |" in page


def test_variables_that_the_code_reads_are_on_their_page() -> None:
    page = environment.page()
    known = set(re.findall(r"^\| `([A-Z_]+)`", page, flags=re.MULTILINE)) | environment.NOT_FOR_PEOPLE
    read = {
        name for file in (ROOT / "hico_platform").rglob("*.py") for name in READ.findall(file.read_text("utf-8"))
    } - {"HOME", "USER", "PATH"}  # fmt: skip
    assert {"HICO_HOME", "HICO_STORAGE", "XDG_CACHE_HOME"} <= read
    assert read - known == set()
    assert page.count("| `HICO_") >= 7
    assert set(topics.ENVIRONMENT) <= known


def test_scores_that_are_documented_elsewhere_have_a_line_among_the_metrics() -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text("utf-8")
    table = page[page.index("| task | protocol |") : page.index("`evaluate` runs the tasks")]
    scores = [
        name for name in re.findall(r"`([a-z][a-z0-9_]+_(?:top1|map|ece|brier))`", table) if not name.startswith("_")
    ]
    assert len(scores) > 12
    names = [*scores, *TESTED, *METRICS, *(signal.metric for signal in Signal), "loss", "loss_clip", "parameters"]
    names += ["best_knn_top1", "test_knn_top1", "val_knn_mean", "best_mean_test_knn_top1", "knn_top1_standard_error"]
    names += ["best_over_released_p_test_knn_top1", "val/knn_top1", "train/loss", "system/cpu_percent"]
    names += ["transfer/top1", "model/parameters", "val/best_knn_top1", "best/mean_test_knn_top1"]
    names += ["best_over_released/p_test_knn_top1", "test/knn_top1"]
    assert [name for name in names if not metrics.explained(name)] == []
    assert not metrics.explained("something_else")


def test_every_error_has_its_exit_code() -> None:
    page = exit_codes.page()
    for kind in (errors.ConfigError, errors.DataError, errors.CheckpointError, errors.LostRankError):
        assert f"| `{kind.__name__}` | `{kind.exit_code}` |" in page
    assert "| `130` |" in page


def test_every_space_and_decision_is_listed() -> None:
    page = spaces.page()
    assert all(f"## {name}\n" in page for name in shipped_spaces())
    index = decisions.index()
    assert all(f"({path.name})" in index for path in (ROOT / "docs" / "decisions").glob("0*.md"))
    assert "| 0001 | [The Optuna study is the ledger]" in index


def test_public_names_are_shown_by_mkdocstrings() -> None:
    assert "::: hico_platform.commands.encoder.load_encoder" in python.page()


def test_the_drawing_is_what_its_script_draws() -> None:
    assert levels.PICTURE.read_text("utf-8") == levels.drawing()  # else: python docs/generate/levels.py


@pytest.mark.parametrize(
    ("source", "page", "link", "mended"),
    [
        ("docs/security.md", "security.md", "[policy](../SECURITY.md)", "[policy](security-policy.md)"),
        ("docs/decisions/0001.md", "decisions/0001.md", "[a](../architecture.md#x)", "[a](../architecture.md#x)"),
        ("docs/a.md", "a.md", "[deps](../CONTRIBUTING.md#deps)", "[deps](contributing.md#deps)"),
        ("docs/a.md", "a.md", "[list](../hico_platform/errors.py)", "list (`hico_platform/errors.py`)"),
        ("docs/a.md", "a.md", "![picture](performance.png)", "![picture](performance.png)"),
        ("CHANGELOG.md", "changelog.md", "[views](docs/pretraining.md#views)", "[views](pretraining.md#views)"),
        ("docs/a.md", "a.md", "[site](https://example.org)", "[site](https://example.org)"),
        ("docs/a.md", "a.md", "[here](#part)", "[here](#part)"),
        ("docs/a.md", "a.md", "```\n[x](../SECURITY.md)\n```", "```\n[x](../SECURITY.md)\n```"),
    ],
)
def test_links_out_of_the_folder_lead_to_the_sites_pages(source: str, page: str, link: str, mended: str) -> None:
    assert with_links_inside(link, source=Path(source), page=Path(page)) == mended


def test_a_list_after_a_line_of_text_is_a_list() -> None:
    text = "How:\n- one\n  more\n- two\n\n```\nx\n- y\n```\n"
    assert with_lists_apart(text) == text.replace("How:\n- one", "How:\n\n- one")


def test_outputs_name_no_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs.getpass, "getuser", lambda: "bob")
    monkeypatch.setattr(outputs.socket, "gethostname", lambda: "node7")
    said = f"\x1b[1mby bob on node7, home {tmp_path}/.hico  \n"
    assert outputs.as_on_a_laptop(said, folder=tmp_path) == "by me on laptop, home /home/me/.hico\n"


def test_commands_and_outputs_of_a_page_are_found() -> None:
    page = "a\n\n```bash\nhico-platform status\n```\n\n```text\nnone\n```\n\n```bash\nhico-platform ui\n```\n\nb"
    assert list(outputs.commands(page)) == [("hico-platform status", "none\n"), ("hico-platform ui", "")]
    assert list(outputs.commands("```bash\na --b \\\n    --c\n```\n")) == [("a --b \\\n    --c", "")], "continued"
    assert outputs.shortened("x\n" * 100).count("\n") == outputs.SHOWN_LINES + 1
