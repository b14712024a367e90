"""Plug-ins of a small package beside a broken one: named everywhere, loaded when asked for, recorded."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import logging
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import hico_platform as hico
from hico_platform import plug_ins
from hico_platform.build import build_encoder
from hico_platform.cli.main import main
from hico_platform.config.json_schema import space_schema
from hico_platform.config.schema import replace, to_mapping
from hico_platform.config.space import SamplerName, SchedulerName, space_of
from hico_platform.config.trial import TrialConfig
from hico_platform.data.importing import import_dataset
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.readers import FORMATS, OWN, ReadOptions, find_format
from hico_platform.enums import EncoderType
from hico_platform.errors import ConfigError, UsageError
from hico_platform.evaluate.tasks.registry import chosen, tasks
from hico_platform.home import HomePaths
from hico_platform.plug_in_names import NamesWithPlugIns, PlugInGroup, missing_plug_ins_named
from hico_platform.plug_in_names import plug_ins as named
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.status import search_status
from hico_platform.worker.plug_ins_used import plug_ins_of_config, plug_ins_of_space
from tests.extras import install
from tests.small import small_config
from tests.toy import FACTS, toy_space
from tests.unit.cli.test_search import carry_out

KINDS: tuple[type[NamesWithPlugIns], ...] = (EncoderType, SamplerName, SchedulerName)
BROKEN = (
    r"wrecked: expected a plug-in that hico-broken 0\.1 brings in working order, got .ModuleNotFoundError: .*; mend or"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture(autouse=True)
def extras(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both packages, for one test."""
    monkeypatch.syspath_prepend(str(site))
    for cache in (named, plug_ins.loaded):
        cache.cache_clear()
    yield
    monkeypatch.undo()
    forget()


def forget() -> None:
    """Leaves nothing of what was found installed."""
    for cache in (named, plug_ins.loaded, plug_ins.warn_of_missing):
        cache.cache_clear()
    for kind in KINDS:
        for name in set(kind._value2member_map_) - set(map(str, kind)):
            del kind._value2member_map_[name]
    sys.modules.pop("hico_extras", None)


SPACE = {
    "name": "extras",
    "base": {"model": {"hidden_width": 16}, "budget": {"epochs": 2}},
    "search": {"model.encoder": {"choice": ["gru", "mean"]}},
    "sampler": {"name": "dice"},
    "scheduler": {"name": "never"},
    "trials": 2,
}


def test_a_name_passes_where_an_own_one_does() -> None:
    space = space_of(SPACE)
    assert space.settings.sampler.name is SamplerName("dice")
    assert space.settings.sampler.name.is_plug_in
    assert not SamplerName.TPE.is_plug_in
    config = space.config({"model.encoder": "mean"})
    assert to_mapping(config)["model"]["encoder"] == "mean"
    assert pickle.loads(pickle.dumps(config)) == config
    assert list(EncoderType) == ["gru", "lstm", "transformer"], "a plug-in is no member"
    assert plug_ins_of_space(space) == (
        "sampler dice of hico-extras 1.2; scheduler never of hico-extras 1.2; encoder mean of hico-extras 1.2"
    )
    assert plug_ins_of_config(config) == "encoder mean of hico-extras 1.2"
    assert plug_ins_of_config(TrialConfig()) == ""


def test_a_name_that_nobody_has_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(ConfigError, match="expected one of gru, lstm, transformer, mean, wrecked, got 'meen'"):
        replace(TrialConfig(), {"model.encoder": "meen"})
    with pytest.raises(ConfigError, match="did you mean dice"):
        space_of({**SPACE, "sampler": {"name": "dyce"}})


def test_editors_know_the_installed_ones() -> None:
    definitions = space_schema()["$defs"]
    assert definitions["EncoderType"]["enum"] == ["gru", "lstm", "transformer", "mean", "wrecked"]
    assert definitions["SchedulerName"]["enum"][-2:] == ["never", "wrecked"]


def test_each_is_made_with_what_it_asks_for() -> None:
    config = small_config(model__encoder="mean")
    encoder = build_encoder(config, layout=KINECT_V2)
    assert type(encoder.temporal.sequence).__name__ == "Mean"
    assert encoder.temporal.sequence.linear.weight.shape == torch.Size([16, 16])
    scheduler = make_scheduler(space_of(SPACE).settings.scheduler, epochs=7)
    assert scheduler.report_epochs == (7,)
    assert "chance" in tasks()
    assert [task.name for task in chosen(["knn", "chance"])] == ["knn", "chance"]
    assert FORMATS["numbers"].takes == ("normalisation",)
    assert [*OWN, "numbers", "wrecked"] == list(FORMATS)


def test_a_broken_one_is_named_with_its_package_where_it_is_asked_for() -> None:
    for ask in (
        lambda: build_encoder(small_config(model__encoder="wrecked"), layout=KINECT_V2),
        lambda: make_scheduler(space_of({**SPACE, "scheduler": {"name": "wrecked"}}).settings.scheduler, epochs=2),
        lambda: chosen(["wrecked"]),
        lambda: FORMATS["wrecked"],
    ):
        with pytest.raises(UsageError, match=BROKEN):
            ask()


def test_a_broken_one_breaks_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.num").write_text("1")
    with caplog.at_level(logging.WARNING):
        assert find_format(tmp_path, ReadOptions())[0] == "numbers"
        assert {"knn", "chance"} <= set(tasks())
    assert caplog.text.count("left out: ") == 2
    assert "hico-broken" in caplog.text


def test_one_that_is_not_installed() -> None:
    with pytest.raises(
        UsageError, match=r"encoder: expected a plug-in in the group hico_platform\.encoders, got 'gone'"
    ):
        plug_ins.loaded(PlugInGroup.ENCODERS, "gone")


def test_one_that_raises_is_named_and_an_own_name_is_not_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def point(name: str) -> SimpleNamespace:
        dist = SimpleNamespace(name="hico-rude", version="3")
        return SimpleNamespace(name=name, dist=dist, load=lambda: lambda *_, **__: 1 / 0)

    monkeypatch.setattr("hico_platform.plug_in_names.entry_points", lambda group: [point("rude"), point("gru")])
    named.cache_clear()
    with pytest.raises(UsageError, match="hico-rude 3 brings in working order, got 'ZeroDivisionError: division"):
        build_encoder(small_config(model__encoder="rude"), layout=KINECT_V2)
    assert type(build_encoder(small_config(model__encoder="gru"), layout=KINECT_V2).temporal.sequence).__name__ == (
        "Recurrent"
    )
    assert EncoderType.all_names() == ("gru", "lstm", "transformer", "rude")


def test_what_raises_at_work_is_named_with_its_package() -> None:
    def works(name: str, error: Exception) -> None:
        with plug_ins.named_with_its_package(PlugInGroup.TASKS, name, own=["knn"]):
            raise error

    with pytest.raises(
        UsageError, match=r"chance: expected .* hico-extras 1\.2 .* got .KeyError: 'x'.; mend or remove"
    ):
        works("chance", KeyError("x"))
    for name, error in (("knn", KeyError("own")), ("nobody", KeyError("x")), ("chance", OSError(28, "full"))):
        with pytest.raises(type(error)) as raised:
            works(name, error)
        assert raised.value is error


def test_a_reader_that_raises_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.num").write_text("no number")
    with pytest.raises(
        UsageError, match=r"reader numbers: expected .* hico-extras 1\.2 .* got .ValueError: invalid lit"
    ):
        import_dataset(tmp_path, tmp_path / "out", format_name="numbers")
    assert not (tmp_path / "out").exists()


def test_the_metadata_of_the_test_package_is_what_an_installer_writes() -> None:
    assert importlib.metadata.version("hico-extras") == "1.2"


@pytest.fixture(scope="module")
def recorded(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two searches that use the plug-ins, one of which has run."""
    home = tmp_path_factory.mktemp("recorded")
    storage = open_storage(sqlite_url(home / "study.db"))
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(site))
        forget()
        space = toy_space(
            trials=2,
            search={
                "contrast.temperature": {"low": 0.05, "high": 0.5},
                "model.encoder": {"choice": ["mean", "gru"]},
            },
            sampler={"name": "dice"},
            scheduler={"name": "never"},
        )
        facts = dataclasses.replace(FACTS, more={**FACTS.more, "plug_ins": plug_ins_of_space(space)})
        for name in ("toy", "other"):
            ledger = StudyLedger.create(storage, name=name, space=space, facts=facts, limit=2, at_s=0.0)
            if name == "toy":
                carry_out(ledger, home / "searches" / name / "trials", lambda event: None)
    forget()
    return home


class TestASearchWhosePlugInsAreNotInstalledHere:
    """What was recorded with a colleague's packages is read without them; what trains asks for them."""

    @pytest.fixture
    def home(self, recorded: Path, site: Path, tmp_path: Path) -> Path:
        sys.path.remove(str(site))
        forget()
        return Path(shutil.copytree(recorded, tmp_path / "home"))

    @pytest.mark.parametrize(
        "words",
        [
            *("status", "status toy", "show toy", "show toy 0", "best toy", "compare toy other", "list"),
            pytest.param("report toy", marks=pytest.mark.slow),
        ],
    )
    def test_what_reads_shows_it(self, words: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*words.split(), "--home", str(home), *out_of(words, home)]) == 0
        shown = capsys.readouterr().out
        assert "cannot be read" not in shown
        assert shown

    def test_each_is_warned_of_once_with_its_package(self, home: Path, caplog: pytest.LogCaptureFixture) -> None:
        for _ in range(2):
            assert search_status(HomePaths(home=home), "toy").missing_plug_ins == (
                "encoder mean",
                "sampler dice",
                "scheduler never",
            )
        for kind in ("encoder mean", "sampler dice", "scheduler never"):
            said = f"search toy used the {kind} of hico-extras 1.2, which is not installed here"
            assert caplog.text.count(said) == 1
        assert caplog.text.count("install hico-extras to resume, reproduce or retrain") == 3

    def test_one_whose_package_was_not_recorded(self, caplog: pytest.LogCaptureFixture) -> None:
        plug_ins.warn_of_missing(PlugInGroup.ENCODERS, "gone", recorded="", search="old")
        assert "search old used the encoder gone, which is not installed here" in caplog.text
        assert "install the package that has it to" in caplog.text

    @pytest.mark.parametrize(
        "words",
        [
            *("gc toy --keep best=1 --dry-run", "gc toy --keep best=1 --yes", "extend other --trials 1"),
            *("stop toy 0", "add other --point contrast.temperature=0.1,model.encoder=mean", "note toy seen"),
            *("tag toy paper", "rename toy new", "archive toy", "delete toy --dry-run", "delete toy --yes"),
            "export toy --csv trials.csv",
        ],
    )
    @pytest.mark.slow  # some of them ask MLflow
    def test_what_trains_nothing_works_without_them(
        self, words: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(home)
        code = main([*words.split(), "--home", str(home)])
        assert "install its plug-ins" not in capsys.readouterr().err
        assert code == (2 if words == "stop toy 0" else 0), "a search that no driver has is not stopped"

    @pytest.mark.parametrize("words", ["retrain toy", "reproduce toy", "search --resume --name toy"])
    def test_what_trains_refuses(self, words: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*words.split(), "--home", str(home)]) == 2
        assert "install its plug-ins" in capsys.readouterr().err

    def test_python_lists_it(self, home: Path) -> None:
        other, found = hico.list_searches(home=home)
        assert (other.name, found.name) == ("other", "toy")
        assert found.best is not None
        assert "mean" in {found.config(number)["model"]["encoder"] for number in range(2)}


def out_of(words: str, home: Path) -> list[str]:
    return ["--out", str(home / "page.html")] if words.startswith("report") else []


def test_outside_of_looking_such_a_name_is_refused() -> None:
    with missing_plug_ins_named() as missing:
        assert EncoderType("gone") == "gone"
        assert EncoderType("gone").is_plug_in
    assert missing == {(PlugInGroup.ENCODERS, "gone")}
    with pytest.raises(ValueError, match="gone"):
        EncoderType("gone")
