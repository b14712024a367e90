from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.names import RULE
from tests.unit.config.test_space import messages, space


class TestMistakes:
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

    def test_a_rule_between_fields_is_found_in_the_combinations(self, tmp_path: Path) -> None:
        (message,) = messages(tmp_path, "model.hidden_width: {choice: [64, 96]}\nmodel.heads: {choice: [4, 5]}")
        assert message.startswith(
            "space.yaml:3: search.model.heads: expected a divisor of hidden_width 64, wherever the search goes, "
            "got 'model.hidden_width 64, model.heads 5'"
        )

    def test_batches_that_the_gpus_of_a_trial_cannot_share_equally(self, tmp_path: Path) -> None:
        (message,) = messages(tmp_path, "budget.batch_size: {choice: [64, 66]}", "resources: {gpus: 4}")
        assert "search.budget.batch_size: expected a multiple of the 4 processes" in message
        assert "got 'budget.batch_size 66'; set budget.batch_size to 64 or 68" in message
        assert space(tmp_path, "budget.batch_size: {choice: [64, 66]}", "resources: {gpus: 2}").settings
