from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st

from hico_platform.config.package_files import find_space, shipped_spaces
from hico_platform.config.parameters import Range
from hico_platform.config.space import CheckedSpace, load_space, space_from
from hico_platform.errors import ConfigError

SHIPPED = {
    "encoder", "encoder_size", "full", "level_weights", "optimiser", "paper_ntu60", "queue", "small_data",
    "temperature", "views",
}  # fmt: skip


def write(folder: Path, text: str, name: str = "space.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def space(folder: Path, search: str, more: str = "") -> CheckedSpace:
    lines = "".join(f"  {line}\n" for line in search.splitlines())
    return load_space(write(folder, f"search:\n{lines}{more}"))


def messages(folder: Path, search: str, more: str = "") -> list[str]:
    with pytest.raises(ConfigError) as error:
        space(folder, search, more)
    assert all(problem.rule and problem.remedy for problem in error.value.problems)
    return [str(problem).replace(f"{folder}/", "") for problem in error.value.problems]


class TestShipped:
    def test_every_file_loads_and_all_are_here(self) -> None:
        spaces = shipped_spaces()
        assert spaces.keys() == SHIPPED
        for name, file in spaces.items():
            loaded = load_space(file)
            assert loaded.name == name
            assert loaded.parameters

    def test_every_header_states_budget_and_expectation(self) -> None:
        for file in shipped_spaces().values():
            header = [line for line in file.read_text().splitlines() if line.startswith("#")]
            assert any("Budget" in line for line in header), file
            assert any("Expect" in line for line in header), file

    def test_paper_space_stands_on_the_released_settings(self) -> None:
        loaded = load_space(find_space("paper_ntu60"))
        assert loaded.base.budget.epochs == 451
        assert loaded.base.model.hidden_width == 512


class TestReading:
    def test_what_the_ledger_keeps_reads_back(self, tmp_path: Path) -> None:
        for file in shipped_spaces().values():
            loaded = load_space(file)
            assert space_from(loaded.source) == loaded

    def test_name_defaults_to_the_file(self, tmp_path: Path) -> None:
        file = write(tmp_path, "search: {contrast.temperature: {low: 0.1, high: 0.2}}", "mine.yaml")
        assert load_space(file).name == "mine"

    def test_extends(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            "base: {model: {hidden_width: 64}, budget.epochs: 5}\ntrials: 7\n"
            "search: {contrast.temperature: {low: 0.1, high: 0.2, log: true}}",
            "lower.yaml",
        )
        file = write(
            tmp_path,
            "extends: lower.yaml\nbase: {budget: {epochs: 6}}\n"
            "search: {contrast: {temperature: {low: 0.3, high: 0.4}}, model.layers: {low: 1, high: 2}}",
            "upper.yaml",
        )
        loaded = load_space(file)
        assert loaded.name == "upper"
        assert loaded.settings.trials == 7
        assert (loaded.base.model.hidden_width, loaded.base.budget.epochs) == (64, 6)
        assert loaded.parameters == (
            Range(name="contrast.temperature", low=0.3, high=0.4),
            Range(name="model.layers", low=1, high=2, integer=True),
        )

    def test_a_mistake_in_an_extended_file_is_named_there(self, tmp_path: Path) -> None:
        write(tmp_path, "base:\n  model: {hidden_width: -1}", "lower.yaml")
        file = write(tmp_path, "extends: lower.yaml\nsearch: {model.layers: {low: 1, high: 2}}")
        with pytest.raises(ConfigError, match=r"lower.yaml:2: base.model.hidden_width: expected at least 2, got -1"):
            load_space(file)

    def test_files_that_extend_one_another(self, tmp_path: Path) -> None:
        write(tmp_path, "extends: b.yaml", "a.yaml")
        with pytest.raises(ConfigError, match="does not extend this one"):
            load_space(write(tmp_path, "extends: a.yaml", "b.yaml"))

    def test_extends_a_shipped_space_by_its_name(self, tmp_path: Path) -> None:
        loaded = load_space(write(tmp_path, "extends: temperature.yaml\ntrials: 3", "mine.yaml"))
        assert (loaded.name, loaded.settings.trials, loaded.base.model.hidden_width) == ("mine", 3, 64)
        assert loaded.searched == ("contrast.temperature",)

    def test_extends_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(
            ConfigError, match=r"space.yaml:1: extends: expected an existing file, or the name of .*, got 'no.yaml'"
        ):
            load_space(write(tmp_path, "extends: no.yaml"))


class TestConstraints:
    def test_what_they_admit(self, tmp_path: Path) -> None:
        loaded = space(
            tmp_path,
            "model.layers: {low: 1, high: 3}\nmodel.heads: {choice: [2, 4]}",
            "constraints: ['model.layers * model.heads <= 6', \"model.encoder == 'transformer' and not 1 > 2\"]\n",
        )
        assert loaded.admits({"model.layers": 3, "model.heads": 2})
        assert not loaded.admits({"model.layers": 3, "model.heads": 4})
        assert not loaded.admits({"model.layers": 3})

    def test_what_cannot_be_told_does_not_hold(self, tmp_path: Path) -> None:
        loaded = space(
            tmp_path,
            "model.layers: {low: 1, high: 3}\noptimiser.clip_gradient_norm: {choice: [null, 1.0]}",
            "constraints: ['1 / (model.layers - 2) > -2', 'optimiser.clip_gradient_norm > 0.5']\n",
        )
        assert loaded.admits({"model.layers": 3, "optimiser.clip_gradient_norm": 1.0})
        assert not loaded.admits({"model.layers": 2, "optimiser.clip_gradient_norm": 1.0})
        assert not loaded.admits({"model.layers": 3})

    def test_they_excuse_combinations_that_a_field_would_refuse(self, tmp_path: Path) -> None:
        space(
            tmp_path,
            "model.hidden_width: {choice: [64, 90]}\nmodel.heads: {choice: [4, 5]}",
            "constraints: ['model.hidden_width % model.heads == 0']\n",
        )


class TestSet:
    FILE = "search: {contrast.temperature: {low: 0.1, high: 0.2, log: true}}"

    def load(self, folder: Path, *assignments: str) -> CheckedSpace:
        return load_space(write(folder, self.FILE), assignments=assignments)

    def test_a_field_of_the_trial_sets_the_base(self, tmp_path: Path) -> None:
        loaded = self.load(tmp_path, "budget.epochs=3", "trials=4", "optimiser.name=adamw")
        assert (loaded.base.budget.epochs, loaded.settings.trials) == (3, 4)
        assert loaded.base.optimiser.name == "adamw"

    def test_a_whole_parameter_is_replaced(self, tmp_path: Path) -> None:
        loaded = self.load(tmp_path, "search.contrast.temperature={low: 0.3, high: 0.4}")
        assert loaded.parameters == (Range(name="contrast.temperature", low=0.3, high=0.4),)

    def test_later_ones_win(self, tmp_path: Path) -> None:
        assert self.load(tmp_path, "trials=4", "trials=5").settings.trials == 5

    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("budget.epochs=0", r"^--set: base.budget.epochs: expected at least 1, got 0"),
            ("trial=3", r"^--set: trial: expected a known key, got 'trial'; did you mean trials"),
            ("trials", r"^--set: expected KEY=VALUE, got 'trials'"),
            (
                "trials={",
                r"^--set: trials: expected valid YAML, got .expected the node content, but found '<stream end>'",
            ),
            (
                "trials=010",
                r"^--set: trials: expected a number without leading zeros, got '010'; write 10, 0o10 for the octal",
            ),
            ("trials=[&a [*a]]", r"^--set: trials: expected an alias of what does not hold it, got '\*a'"),
            (f"{'a.' * 5000}b=1", r"^--set: expected at most 32 levels, got 'a.a."),
        ],
    )
    def test_mistakes_are_named_as_of_the_command_line(self, tmp_path: Path, assignment: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            self.load(tmp_path, assignment)


class TestMistakes:
    def test_all_mistakes_come_at_once_with_their_lines(self, tmp_path: Path) -> None:
        found = messages(
            tmp_path,
            "contrast.temperature: {low: 2, high: 1}\nmodel.encoder: {choice: [gruu, lstm]}",
            "trails: 3\nscheduler: {grace_epochs: 0}\nbase: {model: {hidden_width: 1}}\n",
        )
        assert [message.split(": ")[0] for message in found] == [
            "space.yaml:4",
            "space.yaml:6",
            "space.yaml:5",
            "space.yaml:2",
            "space.yaml:3",
        ]

    @pytest.mark.parametrize("text", ["trials: 3", "search: {model.layers: 2}"])
    def test_nothing_to_search(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ConfigError, match="search: expected at least one parameter that varies"):
            load_space(write(tmp_path, text))

    def test_no_mapping(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="a mapping of fields"):
            load_space(write(tmp_path, "[1, 2]"))


shares = st.floats(0, 1)


def test_reading_is_quick_and_light() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from hico_platform.config.space import load_space;"
        "from hico_platform.config.package_files import find_space; load_space(find_space('full'));"
        "heavy = {'ray', 'optuna', 'mlflow', 'torch', 'numpy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_keys_of_a_dataset_do_not_enter_a_space(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    address = "s3://KEY:planted-s3cr3t@bucket/data"
    file.write_text(f"extends: level_weights.yaml\ntransfer: {address}\n")
    with pytest.raises(ConfigError, match=r"mine.yaml:2: transfer: .*without keys") as refused:
        load_space(file)
    assert "planted-s3cr3t" not in str(refused.value)
    kept = load_space(find_space("level_weights")).source
    assert space_from({**kept, "transfer": address}).settings.transfer == address, "an older version's ledger"
    with pytest.raises(ConfigError, match="without keys"):
        space_from(kept, assignments=[f"transfer={address}"])


def test_what_another_version_wrote_is_to_be_read_by_that_one() -> None:
    with pytest.raises(
        ConfigError, match="use the version of this package that wrote it or a newer one, and install its plug-ins"
    ):
        space_from({"search": {"contrast.temprature": {"low": 0.1, "high": 0.2}}})
