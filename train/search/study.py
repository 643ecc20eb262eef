"""The study of a search: what is drawn, its name, its storage, and who may write beside the preset."""

import hashlib
import json
import logging
import math
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxhost.errors import TrainingError
from train.pairs.source import hash_file
from train.settings import DEFAULT_MINUTES, Settings

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

SEARCHED = ("batch", "hidden_size", "layers", "learning_rate", "truncation_frames")
FREE = ("name", "author", "licence", "seed", "device", "threads")  # may differ between the workers of a study
TRIAL_SHARE = 0.2  # of the minutes or epochs of the training in full that a trial gets
STEPS = 10  # places along a trial where it is compared with those before it; the first half decides nothing
HEARTBEAT_S, GRACE_S = 60, 300  # a trial whose worker has been silent for the second has failed
LOCK_S, FOLDER_S = 60.0, 86_400.0  # the age of a lock, and of a working folder, that nobody uses any more
DRIVERS = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary"}  # what pip calls them
ATTEMPTS = 5  # at opening a storage: of two workers that begin at once, one finds the tables of the other half made
HALF_MADE = re.compile("already exists|unique|locked|no such table", re.IGNORECASE)

logger = logging.getLogger(__name__)


# --- the values ------------------------------------------------------------------------------------------------------


def draw_values(trial: "Trial", fixed: frozenset[str]) -> dict[str, Any]:
    draws: dict[str, Callable[[str], Any]] = {
        "hidden_size": lambda key: trial.suggest_int(key, 8, 40, step=8),
        "layers": lambda key: trial.suggest_int(key, 1, 2),
        "learning_rate": lambda key: trial.suggest_float(key, 1e-3, 2e-2, log=True),
        "truncation_frames": lambda key: trial.suggest_categorical(key, (128, 256, 512, 1024, 2048)),
        "batch": lambda key: trial.suggest_categorical(key, (32, 64, 128)),
    }
    return {key: draw(key) for key, draw in draws.items() if key not in fixed}


def shorten(settings: Settings) -> Settings:
    """The settings of a trial: a share of the budget."""
    if settings.epochs is not None:
        return replace(settings, epochs=math.ceil(TRIAL_SHARE * settings.epochs))
    minutes = DEFAULT_MINUTES if settings.minutes is None else settings.minutes
    return replace(settings, minutes=max(1e-3, TRIAL_SHARE * minutes))


def to_log(esr: float) -> float:
    return math.log10(max(esr, 1e-15))


# --- the study and its storage ---------------------------------------------------------------------------------------


def name_study(
    prefix: str,
    settings: Settings,
    pairs: Sequence[tuple[Path, Path]],
    test: tuple[Path, Path] | None,
    fixed: frozenset[str],
) -> str:
    """The prefix, a fingerprint of the recordings, and one of all else that a validation ESR depends on."""
    recordings = sorted([hash_file(dry), hash_file(wet)] for dry, wet in pairs)
    searched = set(SEARCHED) - fixed
    given = {key: value for key, value in asdict(settings).items() if key not in searched and key not in FREE}
    given |= {"held out": test is None}  # a test of its own leaves more to train on
    hashes = (hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest() for part in (recordings, given))
    return "-".join([prefix, *(text[:12] for text in hashes)])


@contextmanager
def opening_study(storage: str, name: str, seed: int) -> Iterator[tuple["Study", list[str]]]:
    """Yield a study, new or old, and what there is to say about it."""
    try:
        import optuna
    except ImportError as err:
        raise TrainingError(
            "the search needs optuna, which is not installed; run pip install 'fxhost[search]'"
        ) from err
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what a trial did is told by the reports
    url = storage if "://" in storage else f"sqlite:///{Path(storage).absolute()}"
    shown = _mask_password(storage)
    try:
        opened = _open_storage(url, shown)
        try:
            names = optuna.get_all_study_names(opened)
            study = optuna.create_study(
                study_name=name,
                storage=opened,
                sampler=_make_sampler(seed),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=STEPS // 2),
                load_if_exists=True,
            )
            notes = []
            if name not in names:
                # so that no search ends below what a training without one gives
                study.enqueue_trial({key: getattr(Settings(), key) for key in SEARCHED})
                if names:
                    known = {other.rpartition("-")[0] for other in names}
                    what = "settings" if name.rpartition("-")[0] in known else "recordings"
                    notes.append(f"{shown} holds studies of other {what}; a new one was begun: {name}")
                    logger.warning("%s", notes[-1])
            yield study, notes
        finally:
            opened.remove_session()
            opened.engine.dispose()
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, UnboundLocalError) as err:
        # Optuna trips over an unset variable where the storage is gone at the end of a trial; what happened lies behind
        cause: BaseException | None = err
        while cause is not None and not isinstance(cause, SQLAlchemyError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        first_line = _mask_password(str(getattr(cause, "orig", None) or cause).strip().split("\n")[0])
        raise TrainingError(
            f"the storage {shown} cannot be used: {first_line}; check the address, and that it can be reached"
        ) from err


def _open_storage(url: str, shown: str) -> "RDBStorage":
    from optuna.exceptions import ExperimentalWarning, StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DBAPIError

    waits: dict[str, Any] = {"pool_pre_ping": True}  # a server may have closed what was idle during a trial
    if url.startswith("sqlite"):
        waits = {"connect_args": {"timeout": 60}}  # in seconds, for the other workers
    elif url.startswith("postgresql"):
        waits["connect_args"] = {"connect_timeout": 10}
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # of the heartbeat
                return RDBStorage(
                    url.replace("{", "{{").replace("}", "}}"),  # Optuna takes it for a format
                    engine_kwargs=waits,
                    heartbeat_interval=HEARTBEAT_S,
                    grace_period=GRACE_S,
                )
        except ImportError as err:
            driver = getattr(err.__cause__, "name", None) or "a database driver"
            raise TrainingError(
                f"the storage {shown} needs {driver}; run pip install {DRIVERS.get(driver, driver)}"
            ) from err
        except RuntimeError as err:  # made by another version of Optuna; it says how to convert it
            raise TrainingError(f"the storage {shown} cannot be used: {err}") from err
        except ValueError as err:
            raise TrainingError(
                f"the storage {shown} is not an address; give a file, or one like postgresql://user:password@host:5432/name"
            ) from err
        except (DBAPIError, StorageInternalError) as err:
            if attempt == ATTEMPTS or not HALF_MADE.search(str(err.__cause__ or err)):
                raise
            time.sleep(0.3 * attempt)
    raise AssertionError


def _make_sampler(seed: int) -> "BaseSampler":
    """TPE that begins anew with each trial, from the seed and the number of the trial in its study.

    The same seed in a lone worker draws the same values again; workers with the same seed never draw alike, because
    no number is given twice.
    """
    from optuna.samplers import TPESampler

    class NumberedSampler(TPESampler):
        def before_trial(self, study: "Study", trial: "FrozenTrial") -> None:
            super().__init__(seed=int(np.random.SeedSequence((seed, trial.number)).generate_state(1)[0]))

    return NumberedSampler()


def _mask_password(text: str) -> str:
    text = re.sub(r"(://[^:@/\s]*:)\S*@", r"\1***@", text)
    return re.sub(r"(password=)[^&\s]*", r"\1***", text)


# --- files -----------------------------------------------------------------------------------------------------------


@contextmanager
def making_folder(output: Path) -> Iterator[Path]:
    """Yield a folder beside the output that is gone afterwards, and remove those that killed workers have left."""
    prefix = f".{output.stem}.search-"
    for folder in output.parent.iterdir():
        if folder.name.startswith(prefix) and time.time() - folder.stat().st_mtime > FOLDER_S:
            shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=prefix) as name:
        yield Path(name)


@contextmanager
def locking(output: Path) -> Iterator[None]:
    """Let only one worker at a time decide what the output is; a folder is made by one or fails, on any system."""
    lock = output.with_name(f".{output.name}.lock")
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            with suppress(OSError):  # it may be gone by now
                if time.time() - lock.stat().st_mtime > LOCK_S:
                    lock.rmdir()
            time.sleep(0.05)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.rmdir()
