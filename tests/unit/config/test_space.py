from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hico_platform.config.package_files import find_space, shipped_spaces
from hico_platform.config.parameters import ActiveWhen, Choice, Fixed, Range, Simplex
from hico_platform.config.schema import flatten
from hico_platform.config.space import CheckedSpace, load_space, space_from
from hico_platform.errors import ConfigError
from hico_platform.names import RULE

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

    @pytest.mark.parametrize("text", ["level_weights", "level_weights.yaml"])
    def test_found_by_name(self, text: str) -> None:
        assert find_space(text).name == "level_weights.yaml"

    def test_a_path_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write(tmp_path, "{}", "level_weights.yaml")
        assert find_space("level_weights.yaml").resolve() == tmp_path / "level_weights.yaml"

    def test_neither_path_nor_name(self) -> None:
        with pytest.raises(ConfigError, match=r"name of a space that ships.*level_weights, optimiser"):
            find_space("levels.yaml")

    def test_paper_space_stands_on_the_released_settings(self) -> None:
        loaded = load_space(find_space("paper_ntu60"))
        assert loaded.base.budget.epochs == 451
        assert loaded.base.model.hidden_width == 512


class TestReading:
    def test_dotted_and_nested_names_are_the_same(self, tmp_path: Path) -> None:
        dotted = space(tmp_path, "contrast.temperature: {low: 0.1, high: 0.5, log: true}")
        nested = space(tmp_path, "contrast:\n  temperature: {low: 0.1, high: 0.5, log: true}")
        assert dotted.parameters == nested.parameters
        assert dotted.parameters == (Range(name="contrast.temperature", low=0.1, high=0.5, log=True),)

    def test_kinds_of_parameters(self, tmp_path: Path) -> None:
        text = (
            "model.layers: {low: 1, high: 3}\nmodel.dropout: {low: 0, high: 0.4, step: 0.1}\n"
            "model.encoder: {choice: [lstm, transformer]}\nmodel.hidden_width: 64\n"
            "model.heads: {choice: [2, 4], when: {model.encoder: transformer}}"
        )
        assert space(tmp_path, text).parameters == (
            Range(name="model.layers", low=1, high=3, integer=True),
            Range(name="model.dropout", low=0, high=0.4, step=0.1),
            Choice(name="model.encoder", choices=("lstm", "transformer")),
            Fixed(name="model.hidden_width", value=64),
            Choice(
                name="model.heads",
                choices=(2, 4),
                when=(ActiveWhen(name="model.encoder", values=("transformer",)),),
            ),
        )

    def test_conditions_come_first_whatever_the_order(self, tmp_path: Path) -> None:
        text = (
            "model.heads: {choice: [2, 4], when: {model.encoder: transformer}}\n"
            "model.encoder: {choice: [lstm, transformer]}"
        )
        loaded = space(tmp_path, text)
        assert [parameter.name for parameter in loaded.parameters] == ["model.encoder", "model.heads"]
        values = flatten(loaded.base)
        assert len(loaded.active(values | {"model.encoder": "lstm"})) == 1
        assert len(loaded.active(values | {"model.encoder": "transformer"})) == 2

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
    @pytest.mark.parametrize(
        ("search", "message"),
        [
            (
                "contrast.temprature: {low: 0.1, high: 1}",
                "space.yaml:2: search.contrast.temprature: expected a known key, got 'temprature'; "
                "did you mean temperature?",
            ),
            (
                "temperature: {low: 0.1, high: 1}",
                "space.yaml:2: search.temperature: expected a known key, got 'temperature'; "
                "did you mean contrast.temperature?",
            ),
            (
                "contrast.temperature: {low: 2, high: 1}",
                "space.yaml:2: search.contrast.temperature.low: expected below high 1, got 2; "
                "swap them, or widen the range",
            ),
            (
                "contrast.temperature: {low: 1, high: 2, lo: 3}",
                "space.yaml:2: search.contrast.temperature.lo: expected a known key, got 'lo'; did you mean low?",
            ),
            (
                "contrast.temperature: {low: 1}",
                "space.yaml:2: search.contrast.temperature: expected a value for high, got {'low': 1}; add high:",
            ),
            (
                "optimiser.clip_gradient_norm: {low: null, high: 1}",
                "space.yaml:2: search.optimiser.clip_gradient_norm.low: expected a number; "
                "write it without quotes or units",
            ),
            (
                "contrast.temperature: [1, 2]",
                "space.yaml:2: search.contrast.temperature: expected a range, a choice or a value, got [1, 2]; "
                "write {choice: [..]}",
            ),
            (
                "contrast.temperature: {low: 0, high: 1}",
                "space.yaml:2: search.contrast.temperature.low: expected above 0, got 0; choose another value",
            ),
            (
                "contrast.momentum: {low: 0, high: 1, log: true}",
                "space.yaml:2: search.contrast.momentum.low: expected above 0 on a log range, got 0; "
                "raise low or remove log",
            ),
            (
                "model.layers: {low: 1, high: 2.5}",
                "space.yaml:2: search.model.layers.high: expected a whole number, got 2.5; "
                "write it without quotes or units",
            ),
            (
                "model.layers: {low: 1, high: 4, step: 2}",
                "space.yaml:2: search.model.layers.high: expected the sum of low and a whole number of steps, "
                "got 4; take 3",
            ),
            (
                "model.dropout: {low: 0, high: 0.5, step: 2}",
                "space.yaml:2: search.model.dropout.high: expected the sum of low and a whole number of steps, "
                "got 0.5; "
                "take a step of at most 0.5",
            ),
            (
                "contrast.temperature: {low: 0.1, high: 0.5, step: .inf}",
                "space.yaml:2: search.contrast.temperature.step: expected a number above 0, got inf; "
                "write a finite number",
            ),
            (
                "model.layers: {low: 1, high: 9, step: .inf}",
                "space.yaml:2: search.model.layers.step: expected a whole number above 0, got inf; "
                "write a finite number",
            ),
            (
                "contrast.temperature: {low: 1, high: 1e308, step: 1e-300}",
                "space.yaml:2: search.contrast.temperature.step: expected at most 1,000,000 steps in a range, "
                "got 1e-300; "
                "take larger steps, or none",
            ),
            (
                "model.dropout: {low: 0, high: 0.5, step: -1}",
                "space.yaml:2: search.model.dropout.step: expected a number above 0, got -1; choose another value",
            ),
            (
                "model.encoder: {choice: [grru, lstm]}",
                "space.yaml:2: search.model.encoder.choice[0]: expected one of gru, lstm, transformer, got 'grru'; "
                "did you mean gru?",
            ),
            (
                "model.encoder: {choice: [gru]}",
                "space.yaml:2: search.model.encoder.choice: expected at least two values, got ['gru']; "
                "write the value alone",
            ),
            (
                "model.encoder: {choice: [gru, gru]}",
                "space.yaml:2: search.model.encoder.choice[1]: expected values that differ, got 'gru'; "
                "remove one of the two",
            ),
            (
                "model.encoder: {low: 1, high: 2}",
                "space.yaml:2: search.model.encoder: expected a choice, since a range is for numbers, got "
                "{'low': 1, 'high': 2}; "
                "use {choice: [..]}",
            ),
            (
                "model.layers: 0",
                "space.yaml:2: search.model.layers: expected at least 1, got 0; choose another value",
            ),
            (
                "budget.epochs: {low: 1, high: 2}",
                "space.yaml:2: search.budget.epochs: expected the same for every trial, got {'low': 1, 'high': 2}; "
                "set it under base: as budget.epochs",
            ),
            (
                "contrast: {low: 1, high: 2}",
                "space.yaml:2: search.contrast: expected a field, not a group, got 'contrast'; "
                "name one of its fields, or use simplex:",
            ),
            (
                "model.layers: {low: 1, high: 2, when: {model.encoder: lstm}}",
                "space.yaml:2: search.model.layers.when.model.encoder: expected a parameter that has a choice "
                "in this search, "
                "got 'model.encoder'; search it, or drop it",
            ),
            (
                "model.encoder: {choice: [gru, lsmt]}\nmodel.heads: {choice: [2, 4], when: {model.encoder: gru}}",
                "space.yaml:2: search.model.encoder.choice[1]: expected one of gru, lstm, transformer, got 'lsmt'; "
                "did you mean lstm?",
            ),
            (
                "model.layers: {low: 1, high: 2, when: {model.encode: lstm}}",
                "space.yaml:2: search.model.layers.when.model.encode: expected a parameter of this search, "
                "got 'model.encode'; name it as under search:",
            ),
        ],
    )
    def test_one_mistake(self, tmp_path: Path, search: str, message: str) -> None:
        assert messages(tmp_path, search) == [message]

    @pytest.mark.parametrize(
        ("simplex", "message"),
        [
            (
                "{simplex: [clip, part], sum: 4, low: 2.5}",
                ".low: expected below 2, so that 2 weights can sum to 4, got 2.5; take low below 2, or a larger sum",
            ),
            (
                "{simplex: [clip, part], sum: 4, high: 1.5}",
                ".high: expected above 2, so that 2 weights can sum to 4, got 1.5; take high above 2, or a smaller sum",
            ),
            ("{simplex: [clip, part], sum: 4, low: 3, high: 2.5}", ".low: expected at most high 2.5, got 3; swap them"),
            ("{simplex: [clip, clip]}", ".simplex[1]: expected each weight once, got 'clip'; remove one of the two"),
            (
                "{simplex: [clip, domains]}",
                ".simplex[1]: expected one of clip, part, domain, instance, got 'domains'; did you mean domain?",
            ),
            (
                "{simplex: [clip]}",
                ".simplex: expected at least two weights, got ['clip']; write [clip, part, domain, instance]",
            ),
            ("{simplex: [clip, part], sum: 0}", ".sum: expected a number above 0, got 0; correct it"),
            ("{simplex: [clip, part], sum: .inf}", ".sum: expected a number above 0, got inf; write a finite number"),
            ("{simplex: [clip, part], low: -1}", ".low: expected a number at least 0, got -1; correct it"),
            (
                "{simplex: [clip, part], high: .nan}",
                ".high: expected a number at least 0, got nan; write a finite number",
            ),
            ("{simplex: [clip, part], sum: null}", ".sum: expected a number above 0; correct it"),
            (
                "{simplex: [clip, part], total: 4}",
                ".total: expected a known key, got 'total'; use one of simplex, sum, low, high, when",
            ),
        ],
    )
    def test_weights_that_cannot_sum(self, tmp_path: Path, simplex: str, message: str) -> None:
        expected = f"space.yaml:2: search.contrast.level_weights{message}"
        assert messages(tmp_path, f"contrast.level_weights: {simplex}") == [expected]

    def test_a_simplex_of_something_else(self, tmp_path: Path) -> None:
        assert messages(tmp_path, "model: {simplex: [heads, layers]}") == [
            "space.yaml:2: search.model: expected a group of weights, got 'model'; use contrast.level_weights"
        ]

    def test_batches_that_the_gpus_of_a_trial_cannot_share_equally(self, tmp_path: Path) -> None:
        (message,) = messages(tmp_path, "budget.batch_size: {choice: [64, 66]}", "resources: {gpus: 4}")
        assert "search.budget.batch_size: expected a multiple of the 4 processes" in message
        assert "got 'budget.batch_size 66'; set budget.batch_size to 64 or 68" in message
        assert space(tmp_path, "budget.batch_size: {choice: [64, 66]}", "resources: {gpus: 2}").settings

    def test_a_rule_between_fields_is_found_in_the_combinations(self, tmp_path: Path) -> None:
        (message,) = messages(tmp_path, "model.hidden_width: {choice: [64, 96]}\nmodel.heads: {choice: [4, 5]}")
        assert message.startswith(
            "space.yaml:3: search.model.heads: expected a divisor of hidden_width 64, wherever the search goes, "
            "got 'model.hidden_width 64, model.heads 5'"
        )

    def test_circle_of_conditions(self, tmp_path: Path) -> None:
        text = (
            "model.encoder: {choice: [gru, lstm], when: {views.stream: bone}}\n"
            "views.stream: {choice: [bone, joint], when: {model.encoder: gru}}"
        )
        assert "no circle of conditions" in messages(tmp_path, text)[0]

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

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (
                "name: a/b\n",
                f"space.yaml:3: name: expected {RULE}, got 'a/b'",
            ),
            (
                "base: {budget: {epochs: 2}}\nscheduler: {grace_epochs: 3}\n",
                "space.yaml:4: scheduler.grace_epochs: expected at most base.budget.epochs 2, got 3; "
                "lower it or train longer",
            ),
            (
                "sampler: {name: tpo}\n",
                "space.yaml:3: sampler.name: expected one of tpe, random, gp, cmaes, qmc, grid, nsga2, got 'tpo'; "
                "did you mean tpe?",
            ),
            (
                "constraints: [model.layer <= 2]\n",
                "space.yaml:3: constraints[0]: expected fields of a trial, which model.layer is not, got "
                "'model.layer <= 2'",
            ),
            (
                "constraints: [open('x')]\n",
                "space.yaml:3: constraints[0]: expected a comparison of fields and numbers (open('x') is not "
                "part of it)",
            ),
            (
                "constraints: ['1 <']\n",
                "space.yaml:3: constraints[0]: expected a comparison of fields and numbers (invalid syntax)",
            ),
            (
                "constraints: [model.layers > 2]\n",
                "space.yaml:3: constraints: expected constraints that some part of the space meets, got "
                "'none of 1000 points'",
            ),
            (
                "points: [{contrast.temperature: 1}]\n",
                "space.yaml:3: points[0]: expected fields that the search varies, got 'contrast.temperature'; "
                "use model.layers",
            ),
            ("points: [{model.layers: 0}]\n", "space.yaml:3: points[0].model.layers: expected at least 1, got 0"),
            ("stop: {target: 2}\n", "space.yaml:3: stop.target: expected at most 1, got 2"),
            (
                "points: [{model.layers: 9}]\n",
                "space.yaml:3: points[0]: expected a value of model.layers that is searched, got 9; "
                "give the nearest, 2, or widen",
            ),
            (
                "points: [{model.layers: 2}]\nconstraints: [model.layers < 2]\n",
                "space.yaml:3: points[0]: expected a point that meets model.layers < 2, got "
                "{'model.layers': 2}; change one",
            ),
            (
                "constraints: [model.layers * 2]\n",
                "space.yaml:3: constraints[0]: expected a comparison of fields and numbers "
                "(it comes to a number, and is to be true or false)",
            ),
            (
                "constraints: [model.layers > model.encoder]\n",
                "space.yaml:3: constraints[0]: expected a comparison of fields and numbers "
                "(model.encoder in model.layers > model.encoder is a text, and is to be a number)",
            ),
            (
                "constraints: [optimiser.clip_gradient_norm > 1]\n",
                "space.yaml:3: constraints: expected constraints that some part of the space meets",
            ),
            (
                "objectives: [parameters, knn_top1]\nsampler: {name: nsga2}\n",
                "space.yaml:3: objectives: expected one of knn_top1, knn_mean, map, linear, knn_subjects first and "
                "none of them later: what the best trial and targets go by, "
                "got 'parameters, knn_top1'; write [knn_top1, parameters]",
            ),
            (
                "objectives: [parameters]\nsampler: {name: nsga2}\n",
                "space.yaml:3: objectives: expected one of knn_top1, knn_mean, map, linear, knn_subjects first and "
                "none of them later: what the best trial and targets go by, "
                "got 'parameters'; write [knn_top1, parameters]",
            ),
            (
                "objectives: [map, knn_top1]\nsampler: {name: nsga2}\n",
                "space.yaml:3: objectives: expected one of knn_top1, knn_mean, map, linear, knn_subjects first and "
                "none of them later: what the best trial and targets go by, "
                "got 'map, knn_top1'; write [map, parameters]",
            ),
            (
                "objectives: [knn_top1, knn_top1]\nscheduler: {name: none}\n",
                "space.yaml:3: objectives: expected each objective once, got 'knn_top1, knn_top1'; "
                "remove one of the two",
            ),
            (
                "objectives: [knn_top1, params]\n",
                "space.yaml:3: objectives[1]: expected one of knn_top1, knn_mean, map, linear, knn_subjects, "
                "parameters, sequences_per_s, got 'params'; "
                "did you mean parameters?",
            ),
            (
                "objectives: [knn_top1, parameters]\n",
                "space.yaml:3: objectives: expected one objective where sampler.name is tpe and asha stops trials, "
                "got 'knn_top1, parameters'; take sampler: {name: nsga2}, or scheduler: {name: none}",
            ),
            (
                "sampler: {name: cmaes}\nobjectives: [knn_top1, parameters]\n",
                "space.yaml:3: sampler.name: expected a sampler of several objectives, got 'cmaes'; take nsga2, or one",
            ),
            (
                "sampler: {name: nsga2}\nobjectives: [knn_top1, parameters]\nscheduler: {name: median}\n",
                "space.yaml:5: scheduler.name: expected a scheduler of several objectives, got 'median'; "
                "take asha, hyper",
            ),
            (
                "sampler: {name: nsga2}\nobjectives: [knn_top1, parameters]\nstop: {improvement: 0.1}\n",
                "space.yaml:5: stop.improvement: expected one objective beside it, got 0.1; "
                "remove it, or take patience",
            ),
            (
                "sampler: {name: nsga2, startup_trials: 1}\n",
                "space.yaml:3: sampler.startup_trials: expected a population of at least 2, got 1; take 8 or more",
            ),
        ],
    )
    def test_rules_of_the_space(self, tmp_path: Path, more: str, message: str) -> None:
        (found,) = messages(tmp_path, "model.layers: {low: 1, high: 2}", more)
        assert found.startswith(message)

    def test_a_grid_wants_steps(self, tmp_path: Path) -> None:
        (message,) = messages(tmp_path, "contrast.temperature: {low: 0.1, high: 1}", "sampler: {name: grid}\n")
        assert message.startswith(
            "space.yaml:2: search.contrast.temperature: expected a choice or a range of whole numbers or steps, "
            "for the grid"
        )

    def test_a_grid_too_large_to_try(self, tmp_path: Path) -> None:
        (message,) = messages(
            tmp_path, "contrast.queue_size: {low: 1, high: 100000}", "sampler:\n  name: grid\n  seed: 3\n"
        )
        assert message == (
            "space.yaml:4: sampler.name: expected a grid of at most 10000 points, got 'grid of 100000'; "
            "take larger steps, or another sampler"
        )

    def test_a_point_that_its_condition_rules_out(self, tmp_path: Path) -> None:
        (message,) = messages(
            tmp_path,
            "model.encoder: {choice: [lstm, transformer]}\nmodel.heads: {choice: [2, 4], when: {model.encoder: "
            "transformer}}",
            "points: [{model: {encoder: lstm, heads: 2}}]\n",
        )
        assert message == (
            "space.yaml:4: points[0]: expected a point at which the `when:` of model.heads holds, got 2; "
            "give its condition"
        )

    def test_weights_of_a_point_that_do_not_sum(self, tmp_path: Path) -> None:
        found = messages(
            tmp_path,
            "contrast.level_weights: {simplex: [clip, part], sum: 2}",
            "points: [{contrast.level_weights: {clip: 1.5, part: 1.5}}]\n",
        )
        assert "a value of contrast.level_weights.clip that is searched, got 1.5; give the nearest, 1.0" in found[0]

    def test_a_condition_on_no_value(self, tmp_path: Path) -> None:
        (message,) = messages(
            tmp_path,
            "model.encoder: {choice: [lstm, transformer]}\nmodel.heads: {choice: [2, 4], when: {model.encoder: []}}",
        )
        assert message == (
            "space.yaml:3: search.model.heads.when.model.encoder: expected at least one value, got []; "
            "name the values, or drop it"
        )

    @pytest.mark.parametrize("text", ["trials: 3", "search: {model.layers: 2}"])
    def test_nothing_to_search(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ConfigError, match="search: expected at least one parameter that varies"):
            load_space(write(tmp_path, text))

    def test_dotted_and_nested_at_once(self, tmp_path: Path) -> None:
        text = "contrast.temperature: {low: 0.1, high: 1}\ncontrast: {temperature: {low: 0.1, high: 1}}"
        assert "a field that is set once, got 'search.contrast.temperature'" in messages(tmp_path, text)[0]

    def test_no_mapping(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="a mapping of fields"):
            load_space(write(tmp_path, "[1, 2]"))


shares = st.floats(0, 1)


class TestSimplex:
    @given(st.tuples(shares, shares, shares), st.floats(0, 0.9), st.floats(1.1, 5))
    def test_weights_sum_and_keep_their_bounds(
        self, drawn: tuple[float, float, float], low: float, high: float
    ) -> None:
        simplex = Simplex(name="w", parts=("a", "b", "c", "d"), total=4, low=low, high=high)
        names = [coordinate.name for coordinate in simplex.coordinates()]
        weights = simplex.decode(dict(zip(names, drawn, strict=True)))
        assert math.isclose(sum(map(float, weights.values())), 4, abs_tol=1e-9)
        assert all(low - 1e-9 <= float(weight) <= high + 1e-9 for weight in weights.values())

    @given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4))
    def test_encode_is_the_inverse(self, raw: list[float]) -> None:
        simplex = Simplex(name="w", parts=("a", "b", "c", "d"), total=4)
        weights = {f"w.{part}": 4 * value / sum(raw) for part, value in zip("abcd", raw, strict=True)}
        back = simplex.decode(simplex.encode(weights))
        assert all(math.isclose(float(back[name]), weight, abs_tol=1e-6) for name, weight in weights.items())

    def test_equal_shares_of_the_cube_are_equal_volumes(self) -> None:
        # Under Dirichlet(1,1,1,1) each weight's mean is a quarter of the sum.
        simplex = Simplex(name="w", parts=("a", "b", "c", "d"), total=4)
        grid = [(i + 0.5) / 12 for i in range(12)]
        points = [
            simplex.decode({"w.a.share": a, "w.b.share": b, "w.c.share": c}) for a in grid for b in grid for c in grid
        ]
        for part in "abcd":
            mean = sum(float(point[f"w.{part}"]) for point in points) / len(points)
            assert math.isclose(mean, 1, abs_tol=0.01)

    def test_released_weights_can_be_put_to_a_sampler(self) -> None:
        simplex = Simplex(name="w", parts=("a", "b", "c", "d"), total=4)
        ones = {f"w.{part}": 1.0 for part in "abcd"}
        assert simplex.decode(simplex.encode(ones)) == pytest.approx(ones)


class TestEncode:
    def test_nearest_in_a_range(self) -> None:
        assert Range(name="x", low=1, high=9, step=2, integer=True).encode({"x": 6.2}) == {"x": 7}
        assert Range(name="x", low=1, high=9).encode({"x": 20}) == {"x": 9}

    def test_no_value(self) -> None:
        assert Range(name="x", low=1, high=9).encode({}) == {"x": 5}
        assert Range(name="x", low=1, high=9, log=True).encode({}) == {"x": pytest.approx(3)}
        assert Choice(name="x", choices=(1.0, None)).encode({}) == {"x": None}

    def test_nearest_choice(self) -> None:
        assert Choice(name="x", choices=(128, 256)).encode({"x": 2048}) == {"x": 256}
        assert Choice(name="x", choices=("gru", "lstm")).encode({"x": "transformer"}) == {"x": "gru"}


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
