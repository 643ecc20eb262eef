"""The search: what is drawn, what is kept, who may share a study, and how it ends."""

import builtins
import logging
import math
import multiprocessing
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import train.fit
import train.search.search
from fxhost.errors import FileError, TrainingError
from fxhost.preset.archive import read_metadata
from train.interruption import Interruption
from train.progress import Progress, Result
from train.search.results import SearchResult, TrialReport
from train.search.search import SEARCHED, search
from train.settings import Settings

optuna = pytest.importorskip("optuna", reason="the search needs optuna")
import sqlalchemy  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.\w+` is (deprecated|not supported):DeprecationWarning")

Paths = tuple[Path, Path]
EPOCHS = 100  # of the training in full; 20 of a trial
SETTINGS = Settings(epochs=EPOCHS, seed=5)


def make_progress(share: float, esr: float) -> Progress:
    return Progress(1, 10 * share, 10 * (1 - share), 1e6, esr, esr, esr)


def bowl(settings: Settings) -> float:
    """An ESR that is lowest at 16 units and a rate of 0.01."""
    distance = abs(settings.hidden_size - 16) / 8 + 3 * abs(math.log10(settings.learning_rate / 0.01))
    return float(1e-3 * 10**distance)


def fake_fit(
    settings: Settings,
    pairs: list[Paths],
    output: Path,
    *,
    test: Paths | None = None,
    overwrite: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    interruption: Interruption | None = None,
    esr_of: Callable[[Settings], float] = bowl,
) -> Result:
    """A training that is over at once; its ESR is ten times lower with the epochs of the training in full."""
    esr, interrupted = esr_of(settings), False
    try:
        for share in (0.2, 0.4, 0.6, 0.8, 1.0):
            output.write_text("half done")
            report(make_progress(share, esr / share))
    except KeyboardInterrupt:
        interrupted = True
    if settings.epochs == EPOCHS:
        esr /= 10
    output.write_text(f"{settings} {random.random()}")
    return Result(esr, 2 * esr, 1, 10.0, 1e6, 0, output, interrupted, (), (), (), 8000)


@pytest.fixture
def pair(tmp_path: Path) -> Paths:
    return write_bytes(tmp_path, "a")


def write_bytes(folder: Path, stem: str) -> Paths:
    paths = folder / f"{stem}-dry.wav", folder / f"{stem}-wet.wav"
    for path in paths:
        path.write_text(path.name)
    return paths


@pytest.fixture(autouse=True)
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real" not in request.node.name:
        monkeypatch.setattr(train.search.search, "fit", fake_fit)


def hurry(connection: Any, record: Any) -> None:
    """Let SQLite not wait for the disk, which is most of the time of these tests."""
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(autouse=True)
def hasty_database() -> Iterator[None]:
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", hurry)
    yield
    sqlalchemy.event.remove(sqlalchemy.Engine, "connect", hurry)


def use_fit(monkeypatch: pytest.MonkeyPatch, changed: Callable[..., Result]) -> None:
    monkeypatch.setattr(train.search.search, "fit", changed)


def run(pair: Paths, trials: int = 3, settings: Settings = SETTINGS, **options: Any) -> SearchResult:
    return search(settings, [pair], pair[0].parent / "out.pt", trials=trials, **options)


def read_trials(pair: Paths, name: str | None = None, file: str = "out.search.db") -> list[Any]:
    url = f"sqlite:///{pair[0].parent / file}"
    (only,) = [name] if name else optuna.get_all_study_names(url)
    return optuna.load_study(study_name=only, storage=url).get_trials()


def list_made(pair: Paths) -> list[str]:
    return sorted(path.name for path in pair[0].parent.iterdir() if path not in pair)


# --- what is searched


def test_the_lowest_point_of_a_bowl_is_found_and_trained_in_full(pair: Paths) -> None:
    result = run(pair, trials=20)
    assert result.values["hidden_size"] == 16
    assert 0.005 < result.values["learning_rate"] < 0.02
    assert result.full
    best = min(
        (trial for trial in read_trials(pair) if trial.state == TrialState.COMPLETE), key=lambda trial: trial.value
    )
    assert result.number == best.number
    assert result.esr_validation == pytest.approx(10**best.value / 10)
    assert result.esr_test == pytest.approx(2 * result.esr_validation)
    assert result.result is not None
    assert result.result.preset == result.preset == pair[0].parent / "out.pt"
    assert f"epochs={EPOCHS}" in result.preset.read_text()
    assert list_made(pair) == ["out.pt", "out.search.db"]


def test_what_is_drawn_stays_in_the_space_and_begins_with_the_defaults(pair: Paths) -> None:
    run(pair, trials=15)
    drawn = [trial.params for trial in read_trials(pair)]
    assert len(drawn) == 15
    assert drawn[0] == {key: getattr(Settings(), key) for key in SEARCHED}
    for values in drawn:
        assert set(values) == set(SEARCHED)
        assert values["hidden_size"] in (8, 16, 24, 32, 40)
        assert values["layers"] in (1, 2)
        assert 1e-3 <= values["learning_rate"] <= 2e-2
        assert values["truncation_frames"] in (128, 256, 512, 1024, 2048)
        assert values["batch"] in (32, 64, 128)
        Settings(**values).check()


def test_what_was_fixed_is_not_searched(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Settings] = []

    def watch(settings: Settings, *args: Any, **options: Any) -> Result:
        seen.append(settings)
        return fake_fit(settings, *args, **options)

    use_fit(monkeypatch, watch)
    run(
        pair,
        settings=replace(SETTINGS, hidden_size=13, batch=48, author="me"),
        fixed=frozenset({"hidden_size", "batch"}),
    )
    assert [(settings.hidden_size, settings.batch, settings.author) for settings in seen] == [(13, 48, "me")] * 4
    assert len({settings.learning_rate for settings in seen}) == 3
    assert {settings.name for settings in seen} == {"out"}


@pytest.mark.parametrize(
    ("changes", "short", "full"),
    [
        ({"epochs": 7}, (2, None), (7, None)),
        ({"minutes": 5.0}, (None, 1.0), (None, 5.0)),
        ({}, (None, 2.0), (None, None)),
    ],
)
def test_a_trial_gets_a_fifth_of_the_budget(
    pair: Paths, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], short: Any, full: Any
) -> None:
    budgets: list[tuple[int | None, float | None]] = []

    def watch(settings: Settings, *args: Any, **options: Any) -> Result:
        budgets.append((settings.epochs, settings.minutes))
        return fake_fit(settings, *args, **options)

    use_fit(monkeypatch, watch)
    run(pair, trials=2, settings=Settings(**changes))
    assert budgets == [short, short, full]


def test_the_same_seed_searches_the_same_values_and_another_seed_others(tmp_path: Path) -> None:
    drawn = []
    for n, (seed, trials) in enumerate(((1, 12), (1, 12), (2, 2))):  # the first ten are random
        folder = tmp_path / str(n)
        folder.mkdir()
        pair = write_bytes(folder, "a")
        run(pair, trials=trials, settings=replace(SETTINGS, seed=seed))
        drawn.append([trial.params for trial in read_trials(pair)])
    assert drawn[0] == drawn[1]
    assert drawn[0][1] != drawn[2][1]


def test_a_hopeless_trial_is_pruned_and_leaves_nothing(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[int] = []

    def become_worse(settings: Settings, *args: Any, report: Callable[[Progress], None], **options: Any) -> Result:
        number = len(places)
        places.append(0)

        def count(progress: Progress) -> None:
            places[number] += 1
            report(progress)

        return fake_fit(settings, *args, report=count, **options, esr_of=lambda settings: 10.0 ** (number - 10))

    use_fit(monkeypatch, become_worse)
    reports: list[TrialReport] = []
    result = run(pair, trials=7, report=reports.append)
    assert result.states == ("complete",) * 5 + ("pruned",) * 2
    assert places[:7] == [5] * 5 + [3] * 2  # the first half decides nothing
    assert [trial.state for trial in read_trials(pair)] == [TrialState.COMPLETE] * 5 + [TrialState.PRUNED] * 2
    assert [report.state for report in reports if report.progress is None] == list(result.states)
    assert list_made(pair) == ["out.pt", "out.search.db"]


def test_reports_tell_where_the_search_stands(pair: Paths) -> None:
    reports: list[TrialReport] = []
    run(pair, trials=2, report=reports.append)
    assert [report.state for report in reports] == (["running"] * 5 + ["complete"]) * 2 + ["full"] * 5
    assert [report.nth for report in reports[::6]] == [1, 2, 2]
    assert {report.trials for report in reports} == {2}
    assert reports[0].esr_best is None
    assert reports[5].esr_best == pytest.approx(bowl(Settings()))
    assert reports[0].values == {key: getattr(Settings(), key) for key in SEARCHED}


# --- one study, many calls


def test_the_same_command_goes_on_with_the_study(pair: Paths) -> None:
    first = run(pair, trials=3)
    second = run(pair, trials=4)
    assert second.study == first.study
    assert (first.study_trials, second.study_trials) == (3, 7)
    assert [trial.number for trial in read_trials(pair)] == list(range(7))
    assert second.esr_validation <= first.esr_validation


def test_a_best_that_was_trained_in_full_is_not_trained_again(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(pair, trials=1)
    before = first.preset.read_bytes()
    use_fit(monkeypatch, lambda *args, **options: fake_fit(*args, **options, esr_of=lambda settings: 1e3))
    second = run(pair, trials=2)
    assert first.preset.read_bytes() == before
    assert "still the best" in second.notes[-1]
    assert (second.esr_validation, second.number, second.result) == (first.esr_validation, 0, None)


def test_a_worse_training_in_full_does_not_replace_a_better_trial(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_in_full(settings: Settings) -> float:
        return 1.0 if settings.epochs == EPOCHS else 1e-3

    use_fit(monkeypatch, lambda *args, **options: fake_fit(*args, **options, esr_of=fail_in_full))
    result = run(pair, trials=1)
    assert not result.full
    assert result.esr_validation == 1e-3
    assert "the better preset was kept" in result.notes[-1]


def test_a_training_in_full_that_fails_leaves_the_best_trial(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_in_full(settings: Settings, *args: Any, **options: Any) -> Result:
        if settings.epochs == EPOCHS:
            raise TrainingError("the training blew up 9 times")
        return fake_fit(settings, *args, **options)

    use_fit(monkeypatch, fail_in_full)
    result = run(pair, trials=1)
    assert not result.full
    assert result.notes == ("the training in full failed: the training blew up 9 times",)


@pytest.mark.parametrize("what", ["recordings", "settings"])
def test_other_recordings_or_settings_make_another_study_and_it_says_so(
    pair: Paths, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = run(pair)
    if what == "recordings":
        pair[1].write_text("another take")
    changed = replace(SETTINGS, warm_up_frames=7) if what == "settings" else SETTINGS
    second = run(pair, settings=changed, overwrite=True)
    assert second.study != first.study
    assert second.study_trials == 3
    assert not first.notes
    assert f"studies of other {what}; a new one was begun: {second.study}" in second.notes[0]
    assert second.notes[0] in caplog.text


def test_names_seeds_and_the_order_of_the_pairs_do_not_part_a_study(pair: Paths) -> None:
    other = write_bytes(pair[0].parent, "b")
    output = pair[0].parent / "out.pt"
    first = search(SETTINGS, [pair, other], output, trials=1)
    second = search(replace(SETTINGS, seed=8, author="x"), [other, pair], output, trials=1, study_name="fxhost")
    third = search(SETTINGS, [pair, other], output, trials=1, study_name="mine", overwrite=True)
    assert second.study == first.study
    assert third.study == first.study.replace("fxhost", "mine")


def test_the_storage_may_be_a_file_of_any_name(pair: Paths) -> None:
    result = run(pair, trials=1, storage=str(pair[0].parent / "a {b} c.db"))
    assert list_made(pair) == ["a {b} c.db", "out.pt"]
    assert len(read_trials(pair, result.study, "a {{b}} c.db")) == 1


def search_beside_another(pair: Paths, barrier: Any, trials: int) -> None:
    """One worker of several, in a process of its own."""
    train.search.search.fit = fake_fit  # type: ignore[assignment]
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", hurry)
    barrier.wait(60)
    search(SETTINGS, [pair], pair[0].parent / "out.pt", trials=trials)


def test_two_workers_share_one_study(pair: Paths) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workers = [context.Process(target=search_beside_another, args=(pair, barrier, 5)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    trials = read_trials(pair)
    finished = [trial for trial in trials if trial.state != TrialState.WAITING]
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(finished) == 10
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in finished)
    defaults = {key: getattr(Settings(), key) for key in SEARCHED}
    drawn = [tuple(trial.params.values()) for trial in finished if trial.params != defaults]
    assert len(set(drawn)) == len(drawn)
    best = min(bowl(Settings(**trial.params)) for trial in finished if trial.state == TrialState.COMPLETE)
    assert run(pair, trials=1).esr_validation <= best / 10 * 1.001
    assert list_made(pair) == ["out.pt", "out.search.db"]


# --- how it ends


def test_ctrl_c_in_a_trial_keeps_the_best_so_far_and_says_how_to_go_on(pair: Paths) -> None:
    def interrupt(report: TrialReport) -> None:
        if report.nth == 3:
            raise KeyboardInterrupt

    result = run(pair, trials=9, report=interrupt)
    assert result.interrupted
    assert result.states == ("complete", "complete")
    assert "the same command goes on" in result.notes[-1]
    assert [trial.state for trial in read_trials(pair)] == [TrialState.COMPLETE] * 2 + [TrialState.FAIL]
    assert "half done" not in result.preset.read_text()
    assert not result.full
    assert list_made(pair) == ["out.pt", "out.search.db"]
    assert run(pair, trials=1).study_trials == 4


def test_ctrl_c_in_the_training_in_full_keeps_what_is_better(pair: Paths) -> None:
    def interrupt(report: TrialReport) -> None:
        if report.state == "full":
            raise KeyboardInterrupt

    result = run(pair, trials=1, report=interrupt)
    assert result.interrupted
    assert not result.full  # the next call trains it in full
    assert result.esr_validation == pytest.approx(bowl(Settings()) / 10)
    assert run(pair, trials=1).full


def test_ctrl_c_before_anything_was_learned_says_that_nothing_was_written(
    pair: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **options: Any) -> Result:
        raise KeyboardInterrupt

    use_fit(monkeypatch, interrupt)
    with pytest.raises(TrainingError, match="nothing was written, because none of 1 trials"):
        run(pair)
    assert list_made(pair) == ["out.search.db"]


def test_a_trial_that_blows_up_fails_and_the_search_goes_on(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Settings] = []

    def blow_up(settings: Settings, *args: Any, **options: Any) -> Result:
        calls.append(settings)
        if len(calls) == 2:
            raise TrainingError("the training blew up 9 times")
        return fake_fit(settings, *args, **options)

    use_fit(monkeypatch, blow_up)
    result = run(pair, trials=3)
    assert result.states == ("complete", "failed", "complete")
    assert result.notes == ("trial 1 failed: the training blew up 9 times",)


def test_recordings_that_cannot_be_learned_from_end_the_search_at_once(
    pair: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def refuse(*args: Any, **options: Any) -> Result:
        calls.append(1)
        raise TrainingError("these two are no pair")

    use_fit(monkeypatch, refuse)
    with pytest.raises(TrainingError, match="no pair"):
        run(pair)
    assert len(calls) == 1


def die(pair: Paths) -> None:
    def kill(*args: Any, **options: Any) -> Result:
        time.sleep(0.5)  # for the first heartbeat
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    train.search.search.fit = kill  # type: ignore[assignment]
    search(SETTINGS, [pair], pair[0].parent / "out.pt", trials=1)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_worker_does_no_harm(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = multiprocessing.get_context("spawn").Process(target=die, args=(pair,))
    worker.start()
    worker.join(120)
    assert worker.exitcode == -signal.SIGKILL
    (left,) = pair[0].parent.glob(".out.search-*")
    assert [trial.state for trial in read_trials(pair)] == [TrialState.RUNNING]
    run(pair, trials=1)
    assert left.exists()  # somebody may still work there
    os.utime(left, (time.time() - 100_000, time.time() - 100_000))
    with closing(sqlite3.connect(pair[0].parent / "out.search.db")) as database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
        database.commit()
    assert run(pair, trials=1).study_trials == 3
    assert [trial.state for trial in read_trials(pair)] == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert list_made(pair) == ["out.pt", "out.search.db"]


def test_a_trial_that_was_taken_for_dead_counts_as_failed(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep_too_long(*args: Any, **options: Any) -> Result:
        if len(read_trials(pair)) == 2:
            with closing(sqlite3.connect(pair[0].parent / "out.search.db")) as database:
                database.execute("UPDATE trials SET state = 'FAIL' WHERE number = 1")
                database.commit()
        return fake_fit(*args, **options)

    use_fit(monkeypatch, sleep_too_long)
    assert run(pair, trials=3).states == ("complete", "failed", "complete")


def test_a_lock_of_a_dead_worker_is_broken(pair: Paths) -> None:
    lock = pair[0].parent / ".out.pt.lock"
    lock.mkdir()
    os.utime(lock, (time.time() - 100, time.time() - 100))
    run(pair, trials=1)
    assert not lock.exists()


# --- what is refused


def test_a_foreign_preset_is_replaced_only_when_asked(pair: Paths) -> None:
    output = pair[0].parent / "out.pt"
    output.write_text("precious")
    for storage in (None, str(pair[0].parent / "other.db")):
        with pytest.raises(FileError, match="exists already"):
            run(pair, storage=storage)
    assert output.read_text() == "precious"
    run(pair, overwrite=True)
    assert output.read_text() != "precious"


def test_a_recording_is_never_replaced(pair: Paths) -> None:
    with pytest.raises(FileError, match="is one of the recordings"):
        search(SETTINGS, [pair], pair[1], trials=1, overwrite=True)


def test_a_missing_recording_is_named_before_anything_is_made(pair: Paths) -> None:
    with pytest.raises(FileError, match=r"cannot read .*nothing\.wav"):
        run((pair[0], pair[0].with_name("nothing.wav")))
    assert not (pair[0].parent / "out.search.db").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "number of trials is 0"),
        ({"fixed": frozenset(SEARCHED)}, "nothing to search"),
        ({"settings": Settings(layers=9)}, "layers is 9"),
    ],
)
def test_what_makes_no_sense_is_refused(pair: Paths, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        run(pair, **options)


def test_a_missing_optuna_is_one_line(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    import_module = builtins.__import__

    def refuse(name: str, *args: Any, **options: Any) -> Any:
        if name == "optuna":
            raise ImportError
        return import_module(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(TrainingError) as caught:
        run(pair)
    assert str(caught.value) == "the search needs optuna, which is not installed; run pip install 'fxhost[search]'"


@pytest.mark.parametrize(
    "storage",
    [
        "postgresql+psycopg2://me:secret@localhost:1/studies",  # no driver, or nobody listens on port 1
        "postgresql://me:sec@ret@localhost:1/studies",
        "postgresql://localhost:1/studies?user=me&password=secret",
        "nosuch://me:secret@localhost/studies",
        "postgresql://me:secret@localhost:port/studies",
    ],
)
def test_a_storage_that_cannot_be_used_is_one_line_without_the_password(pair: Paths, storage: str) -> None:
    with pytest.raises(TrainingError, match="the storage ") as caught:
        run(pair, storage=storage)
    message = str(caught.value)
    assert "***" in message
    assert "sec" not in message
    assert "ret" not in message
    assert "\n" not in message


def test_a_server_that_is_gone_is_one_line_without_the_password(pair: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    url = "postgresql://me:secret@nowhere/studies"

    def fail(*args: Any, **options: Any) -> None:
        raise OperationalError("SELECT 1", {}, Exception(f"connection to {url} failed\nIs the server running?"))

    monkeypatch.setattr(optuna.storages, "RDBStorage", fail)
    with pytest.raises(TrainingError) as caught:
        run(pair, storage=url)
    shown = "postgresql://me:***@nowhere/studies"
    assert str(caught.value) == (
        f"the storage {shown} cannot be used: connection to {shown} failed; check the address, and that it can be reached"
    )


def test_a_file_that_is_no_database_is_refused(pair: Paths) -> None:
    file = pair[0].parent / "notes.txt"
    file.write_text("no database " * 100)
    with pytest.raises(TrainingError, match=r"notes.txt cannot be used: file is not a database"):
        run(pair, storage=str(file))


def test_a_storage_that_is_lost_on_the_way_is_one_line_and_the_best_so_far_is_kept(
    pair: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*args: Any, **options: Any) -> Result:
        if (pair[0].parent / "out.pt").exists():
            (pair[0].parent / "out.search.db").write_text("no database " * 1000)
        return fake_fit(*args, **options)

    use_fit(monkeypatch, lose)
    with pytest.raises(TrainingError, match=r"out\.search\.db cannot be used: "):
        run(pair, trials=3)
    assert "epochs=20" in (pair[0].parent / "out.pt").read_text()


# --- quiet


def test_neither_optuna_nor_a_repeated_note_reaches_the_screen(
    pair: Paths, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def say(*args: Any, **options: Any) -> Result:
        logging.getLogger("train.fit").warning("the recording is short")
        return fake_fit(*args, **options)

    say.__module__ = "train.fit"
    use_fit(monkeypatch, say)
    run(pair, trials=3)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert caplog.text.count("the recording is short") == 1


# --- with real trainings


def write_audio(folder: Path) -> Paths:
    rng, n = np.random.default_rng(1), np.arange(25_000)
    dry = 0.3 * np.sin(2 * np.pi * np.cumsum(rng.uniform(0.01, 0.05, len(n)))) * (1.2 + np.sin(n / 300))
    paths = folder / "dry.wav", folder / "wet.wav"
    for path, audio in zip(paths, (dry, np.tanh(2 * dry) / 2), strict=True):
        soundfile.write(path, audio.astype(np.float32), 8000, subtype="FLOAT")
    return paths


TINY = Settings(
    hidden_size=8, epochs=45, batch=8, segment_frames=509, truncation_frames=64, warm_up_frames=33, rise_updates=2
)
TINY_FIXED = frozenset({"hidden_size", "layers", "batch", "truncation_frames"})


def test_a_real_search_ends_with_a_playable_preset(tmp_path: Path) -> None:
    pair = write_audio(tmp_path)
    result = run(pair, trials=1, settings=TINY, fixed=TINY_FIXED)
    assert result.states == ("complete",)
    assert result.full
    metadata = read_metadata(result.preset)
    training = metadata["training"]
    assert metadata["name"] == "out"
    assert training["settings"]["epochs"] == TINY.epochs
    assert training["settings"]["learning_rate"] == result.values["learning_rate"]
    assert training["esr_validation"] == result.esr_validation
    assert training["esr_test"] == result.esr_test
    assert list_made(pair) == ["out.pt", "out.search.db"]


def test_a_real_training_that_is_interrupted_at_once_ends_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **options: Any) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(train.loop, "train_batch", interrupt)
    pair = write_audio(tmp_path)
    with pytest.raises(TrainingError, match="none of 1 trials came to its end"):
        run(pair, trials=3, settings=TINY, fixed=TINY_FIXED)
