"""The report of a training: its numbers on signals whose answer is known, its folder, and its page in a browser."""

import html.parser
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import train.report.report
from fxhost.arrays import Float32Array
from fxhost.errors import FileError, TrainingError
from fxhost.preset.archive import read_preset
from fxhost.reference.preset_writer import save_preset
from fxhost.riff import synthesise_riff
from fxhost.rig.build import build_chain
from fxhost.rig.slot import slots_at_own_rate
from tests.conftest import make_module
from train.pairs.stretch import Material, Stretch
from train.progress import Progress
from train.report.figures import join_bins, welch
from train.report.index import name_reports, write_reports
from train.report.measures import (
    cut_windows,
    find_loudest,
    find_places,
    follow_time,
    make_sweep,
    measure_aliasing,
    measure_bands,
    measure_harmonics,
    measure_load,
    measure_silence,
)  # fmt: skip
from train.report.page import FIGURES, PLAYERS, format_db, format_esr
from train.report.report import check_report_folder, write_report

RATE = 44_100
HOSTILE = "<script>alert('1')</script> & \"Möller\" </title><img src=x onerror=alert(2)>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def matplotlib_is_there() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'fxhost[report]'")


def make_history(count: int) -> list[Progress]:
    esrs = [0.5 * 0.8**n + 1e-3 for n in range(count)]
    return [
        Progress(
            epoch=n + 1, seconds=7.0 * n + 5, seconds_left=1.0, samples_per_second=1e6, loss=1.3 * esr,
            esr_validation=esr, esr_best=esr,
        )
        for n, esr in enumerate(esrs)
    ]  # fmt: skip


def square(level: float, frames: int) -> Float32Array:
    """A square wave, the RMS of which is its level in every stretch."""
    return np.where(np.arange(frames) % 100 < 50, level, -level).astype(np.float32)


# --- target and model


@pytest.mark.parametrize("lengths", [(1,), (1999,), (1920, 3839, 1921, 5), (100_003, 7)], ids=str)
def test_the_windows_hold_every_frame_of_every_stretch_once(lengths: tuple[int, ...]) -> None:
    begins = np.cumsum([11, *(length + 13 for length in lengths)])
    stretches = [Stretch(int(start), int(start) + length) for start, length in zip(begins, lengths, strict=False)]
    target = np.random.default_rng(1).normal(size=sum(lengths)).astype(np.float32)
    windows = cut_windows(target, 0.9 * target, stretches, 48_000)
    assert windows.frames.sum() == len(target)
    assert windows.signal.sum() == pytest.approx(np.sum(target.astype(float) ** 2))
    assert windows.error.sum() == pytest.approx(0.01 * windows.signal.sum(), rel=1e-5)
    assert set(np.cumsum([0, *lengths[:-1]])) <= set(windows.starts)
    recorded = np.concatenate([np.arange(s.start, s.end) for s in stretches])
    assert windows.seconds == pytest.approx(recorded[windows.starts] / 48_000)
    assert windows.frames.max() < 2 * 1920


def test_each_level_has_its_own_esr_and_share_of_the_time() -> None:
    frames = 1920 * 10
    parts = [square(10 ** (level / 20), frames * count) for level, count in ((-9, 5), (-33, 3), (-200, 2))]
    target = np.concatenate(parts)
    model = np.concatenate([parts[0] * 1.1, parts[1] * 0.5, parts[2]])
    bands = measure_bands(cut_windows(target, model, [Stretch(0, len(target))], 48_000))
    assert [band.name for band in bands] == ["−12 to −6", "−36 to −30", "below −60"]
    assert [band.share for band in bands] == pytest.approx([0.5, 0.3, 0.2])
    assert [band.esr for band in bands] == pytest.approx([0.01, 0.25, 0.0], rel=1e-5)


@pytest.mark.parametrize(("model", "esr"), [(0.0, 0.0), (0.1, math.inf)])
def test_digital_silence_has_no_finite_esr_unless_the_model_is_silent_too(model: float, esr: float) -> None:
    windows = cut_windows(np.zeros(9600, np.float32), np.full(9600, model, np.float32), [Stretch(0, 9600)], 48_000)
    assert [band.esr for band in measure_bands(windows)] == [esr]


def test_the_worst_place_is_where_the_error_was_planted_and_not_in_silence() -> None:
    target = square(0.3, 48_000)
    model = target * np.float32(1.01)
    model[20_000:21_500] *= -1
    target[30_000:40_000] = 1e-5  # ten thousand times the signal in error, but nobody hears it
    model[30_000:40_000] = 1e-3
    windows = cut_windows(target, model, [Stretch(96_000, 144_000)], 48_000)
    worst, median = find_places(windows)
    assert windows.starts[worst] == 19_200
    assert windows.seconds[worst] == pytest.approx(2.4)
    assert windows.error[median] / windows.signal[median] == pytest.approx(1e-4, rel=1e-2)
    _, esrs, levels_db = follow_time(windows, 48_000)
    assert np.nanargmax(esrs) == worst
    assert np.isnan(esrs[17:20]).all()
    assert levels_db[0] == pytest.approx(20 * np.log10(0.3), abs=1e-3)


def test_many_windows_become_few_points_with_the_same_pooled_esr() -> None:
    target = square(0.3, 48_000 * 20)
    windows = cut_windows(target, target * np.float32(0.9), [Stretch(0, len(target))], 48_000)
    seconds, esrs, _ = follow_time(windows, 48_000)
    assert len(windows.starts) == 500
    assert len(seconds) == 167
    assert esrs == pytest.approx(np.full(167, 0.01), rel=1e-4)


@pytest.mark.parametrize(("frames", "start"), [(1, 700), (100, 610), (1000, 0), (2000, 0)])
def test_the_loudest_part_is_found(frames: int, start: int) -> None:
    audio = np.full(1000, 0.1, np.float32)
    audio[610:710] = 0.2
    audio[700] = 0.9
    assert find_loudest(audio, frames) == start


# --- spectra


@pytest.mark.parametrize("frames", [48_000, 100_003])
def test_the_spectrum_of_noise_holds_its_power(frames: int) -> None:
    noise = np.random.default_rng(2).normal(scale=0.1, size=frames).astype(np.float32)
    frequencies, density = welch(noise, 48_000)
    power = density.sum() * (frequencies[1] - frequencies[0])
    assert power == pytest.approx(0.01, rel=0.05)


def test_the_spectrum_of_a_sine_peaks_at_its_frequency() -> None:
    sine = np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000).astype(np.float32)
    frequencies, density = welch(sine, 48_000)
    assert frequencies[density.argmax()] == pytest.approx(1000, abs=6)
    joined, means = join_bins(frequencies, np.ones_like(density))
    assert np.all(means == 1)
    assert np.all(np.diff(joined) > 0)
    assert len(joined) < 130


# --- signals made for the preset


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("frequency", [110.0, 1000.0, 3000.0])
def test_a_cubic_has_a_first_and_a_third_harmonic(frequency: float, rate: int) -> None:
    levels = measure_harmonics(lambda audio: audio**3, frequency, -6.0, rate)
    inside = frequency * np.arange(1, 11) < rate / 2 - 20
    assert np.array_equal(np.isfinite(levels), inside)
    assert levels[0] == pytest.approx(20 * np.log10(0.75) - 18, abs=0.01)
    if inside[2]:
        assert levels[2] == pytest.approx(20 * np.log10(0.25) - 18, abs=0.01)
    others = np.delete(levels, [0, 2])
    assert np.all(others[np.isfinite(others)] < -120)


def test_the_aliasing_of_a_cubic_is_found_where_it_folds() -> None:
    level_db, frequency = measure_aliasing(lambda audio: audio**3, 10_000.0, 48_000)
    assert level_db == pytest.approx(20 * np.log10(1 / 3), abs=0.01)  # sin³ = ¾ sin − ¼ sin 3φ
    assert frequency == pytest.approx(48_000 - 30_000, abs=5)


def test_aliasing_is_found_even_where_the_sine_divides_the_sample_rate() -> None:
    level_db, _ = measure_aliasing(np.sign, 3000.0, 48_000)
    assert level_db == pytest.approx(20 * np.log10(1 / 9), abs=1.0)  # the ninth harmonic is the first to fold back


@pytest.mark.parametrize("tone", [1245.0, 4186.0])
@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000])
def test_what_is_clean_or_only_has_harmonics_does_not_count_as_aliasing(tone: float, rate: int) -> None:
    if tone < rate / 2:
        assert measure_aliasing(lambda audio: 0.5 * audio + 0.1, tone, rate)[0] < -130
    if 2 * tone < rate / 2:
        assert measure_aliasing(lambda audio: audio + audio**2, tone, rate)[0] < -130


def test_a_planted_component_is_measured() -> None:
    whistle = 1e-3 * np.sin(2 * np.pi * 5000 * np.arange(200_000) / 48_000)
    level_db, frequency = measure_aliasing(lambda audio: 2 * audio + whistle[: len(audio)], 1245.0, 48_000)
    assert level_db == pytest.approx(-66.0, abs=0.3)
    assert frequency == pytest.approx(5000, abs=1)


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_the_sweep_has_the_frequency_that_it_says(rate: int) -> None:
    sweep, frequency = make_sweep(rate)
    assert frequency[0] == 20.0
    assert 0.97 * min(20_000, rate / 2) < frequency[-1] <= 20_000
    rising = np.flatnonzero((sweep[:-1] < 0) & (sweep[1:] >= 0))  # one period from each to the next
    middles = (rising[1:] + rising[:-1]) // 2
    slow = frequency[middles] < rate / 50  # where a period is long enough to be told from its zeros
    assert rate / np.diff(rising)[slow] == pytest.approx(frequency[middles][slow], rel=0.06)
    assert np.abs(sweep).max() == pytest.approx(10 ** (-6 / 20), rel=1e-3)


def ring_out(audio: Float32Array, *, dc: float, halving_s: float) -> Float32Array:
    """What goes in, an offset, and after the last sound a tail that loses half of its amplitude every so often."""
    sounding = np.flatnonzero(audio)
    since = np.arange(len(audio)) - (sounding[-1] if len(sounding) else np.inf)
    tail = np.where(since > 0, 0.5 ** (np.maximum(since, 0) / (halving_s * RATE)), 0.0)
    return (audio + dc + tail * square(1.0, len(audio))).astype(np.float32)


def test_the_tail_and_the_offset_of_the_silence_are_measured() -> None:
    silence = measure_silence(lambda audio: ring_out(audio, dc=0.25, halving_s=0.05), square(0.5, 5000), RATE)
    assert silence.dc == pytest.approx(0.25)
    assert format_db(silence.noise_db) == "nothing at all"
    assert silence.quiet_s == pytest.approx(0.05 * 90 / (20 * np.log10(2)), abs=0.015)
    assert len(silence.tail_seconds) == len(silence.tail_db) == 400
    assert silence.tail_db[0] == pytest.approx(-0.6, abs=0.1)


def test_an_effect_that_never_falls_silent_is_told() -> None:
    silence = measure_silence(lambda audio: ring_out(audio, dc=0.0, halving_s=9.0), square(0.5, 5000), RATE)
    assert silence.quiet_s is None
    humming = measure_silence(lambda audio: audio + square(1e-3, len(audio)), square(0.5, 5000), RATE)
    assert humming.noise_db == pytest.approx(-60, abs=0.01)
    assert humming.quiet_s is None


def test_the_load_has_its_quantiles_in_order(make_preset: Callable[..., Path]) -> None:
    from fxhost.preset.network_stage import compiled_stage

    load = measure_load(compiled_stage(read_preset(make_preset())), np.zeros(509, np.float32))
    assert list(load) == ["p50", "p99", "max"]
    assert 0 < load["p50"] <= load["p99"] <= load["max"]


@pytest.mark.parametrize(("ratio", "text"), [
    (1.2e-3, "1.2e-03 (−29\u00a0dB)"), (0.0, "0"), (math.inf, "inf"), (None, "not known"), (math.nan, "not known"),
])  # fmt: skip
def test_an_esr_is_written_with_two_digits(ratio: float | None, text: str) -> None:
    assert format_esr(ratio) == text


# --- the folder


def fill(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def listed(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.usefixtures("matplotlib_is_there")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_new_and_an_empty_folder_are_taken(overwrite: bool, tmp_path: Path) -> None:
    check_report_folder(tmp_path / "new", overwrite=overwrite)
    check_report_folder(fill(tmp_path / "empty"), overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.usefixtures("matplotlib_is_there")
def test_a_report_is_replaced_only_when_asked_to(tmp_path: Path) -> None:
    folder = fill(tmp_path / "report", index_html="old", spectra_png="old")
    with pytest.raises(FileError, match=r"is not empty, it holds 'index\.html'; give the report a new folder"):
        check_report_folder(folder, overwrite=False)
    check_report_folder(folder, overwrite=True)
    assert len(listed(folder)) == 2


def test_a_folder_that_holds_anything_else_is_never_replaced(tmp_path: Path) -> None:
    folder = fill(tmp_path / "home", index_html="mine", thesis_txt="mine")
    with pytest.raises(FileError, match=r"holds more than a report, such as 'thesis\.txt'"):
        check_report_folder(folder, overwrite=True)
    assert listed(folder) == {"index.html": "mine", "thesis.txt": "mine"}


def test_a_file_and_a_missing_parent_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileError, match="is a file, not a folder"):
        check_report_folder(tmp_path / "file", overwrite=True)
    with pytest.raises(FileError, match="there is no folder"):
        check_report_folder(tmp_path / "nowhere" / "report", overwrite=True)


def test_a_missing_matplotlib_is_told_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # type: ignore[arg-type]
    with pytest.raises(FileError, match=r"pip install 'fxhost\[report\]'"):
        check_report_folder(tmp_path / "new", overwrite=False)


# --- the whole report


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("preset") / "<b>bold&.pt"
    record = {
        "settings": {"hidden_size": 8, "learning_rate": 0.01, "minutes": None, "<i>": "</td>"},
        "esr_validation": 0.0123, "seconds": 612.5, "delay_frames": 3, "notes": [HOSTILE, "dry.wav is clipped"],
        "test": {"on": HOSTILE},
    }  # fmt: skip
    module = make_module(1, 8)
    save_preset(path, module, name=HOSTILE, author=HOSTILE, sample_rate=RATE, training=record)
    return path


def play_whole(path: Path, dry: Float32Array) -> Float32Array:
    """As the host does."""
    played = dry.copy()
    for stage in build_chain(slots_at_own_rate([read_preset(path)])):
        stage.process(played)
    return played


@pytest.fixture(scope="module")
def recordings(preset: Path) -> tuple[Float32Array, Float32Array]:
    """13 s of riff, and what the preset makes of it, a tenth louder."""
    dry = np.resize(synthesise_riff(RATE), 13 * RATE)
    return dry, play_whole(preset, dry) * np.float32(1.1)


STRETCHES = Stretch(RATE // 2, 6 * RATE + 17), Stretch(7 * RATE, 13 * RATE)


@pytest.fixture(scope="module")
def report(
    preset: Path, recordings: tuple[Float32Array, Float32Array], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'fxhost[report]'")
    folder = tmp_path_factory.mktemp("reports") / "a report"
    write_report(folder, preset, make_history(7), *recordings, RATE, STRETCHES)
    return folder / "index.html"


class Page(html.parser.HTMLParser):
    """What tags and addresses a page has, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_report_has_a_page_and_its_figures_and_leaves_nothing_beside(report: Path) -> None:
    drawn = {f"{name}.png" for name in FIGURES if name != "load"}
    assert {path.name for path in report.parent.iterdir()} == {"index.html", *drawn}
    assert all((report.parent / name).read_bytes().startswith(b"\x89PNG") for name in drawn)
    assert [path.name for path in report.parent.parent.iterdir()] == ["a report"]
    assert report.stat().st_size < 8e6


def test_the_esr_is_that_of_the_preset_in_the_file(report: Path) -> None:
    text = "".join(Page(report.read_text(encoding="utf-8")).words)
    assert format_esr((0.1 / 1.1) ** 2) == "8.3e-03 (−21\u00a0dB)"
    assert "carries\n0.83\u00a0% of the energy" in text
    assert "Test ESR8.3e-03 (−21\u00a0dB)" in text
    assert "Validation ESR1.2e-02 (−19\u00a0dB)" in text


def test_strangers_text_is_shown_and_not_obeyed(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    assert page.tags.count("script") == page.tags.count("title") == page.tags.count("h1") == 1
    assert page.tags.count("img") == len(FIGURES) - 1
    assert not {"b", "i"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    text = "".join(page.words)
    assert text.count(HOSTILE) == 8  # title, heading, author, test; in the record name, author, notes, test
    assert "<b>bold&.pt" in text
    assert "settings.<i></td>" in text
    assert "delay_frames3" in text


def test_the_page_names_nothing_outside_of_itself(report: Path) -> None:
    page = Page(text := report.read_text(encoding="utf-8"))
    addresses = [value for name, value in page.attributes if name in ("src", "href", "srcset", "poster", "action")]
    assert len(addresses) == len(FIGURES) - 1 + len(PLAYERS)
    assert all(value.startswith(("data:image/png;base64,", "data:audio/flac;base64,")) for value in addresses)
    assert "link" not in page.tags
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp|import\(", text)


PROBE = """<script>
addEventListener("load", async () => {
  const sounds = [...document.querySelectorAll("audio")], images = [...document.images]
  const loaded = sounds.map(s => s.readyState || new Promise(done => { s.onloadedmetadata = s.onerror = done }))
  await Promise.all(loaded)
  HTMLMediaElement.prototype.play = function () { this.dispatchEvent(new Event("play")) } // there is no sound card
  const buttons = [...document.querySelectorAll("button")]
  sounds[0].currentTime = 3
  buttons[2].click()
  parent.postMessage(JSON.stringify({
    title: document.title, width: innerWidth, needed: document.documentElement.scrollWidth,
    wide: [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).length,
    images: images.map(image => image.naturalWidth),
    durations: sounds.map(sound => sound.duration), errors: sounds.map(sound => sound.error?.message ?? ""),
    controls: sounds.map(sound => sound.controls), position: sounds[2].currentTime,
    pressed: buttons.map(button => button.getAttribute("aria-pressed")),
    requests: performance.getEntriesByType("resource").map(entry => entry.name.slice(0, 60)),
  }), "*")
})
</script>"""
# a frame, because a window is not made narrower than 500 pixels
FRAME = """<!doctype html><iframe src="page.html" width={width} height=900 style="border: 0"></iframe><script>
addEventListener("message", message => document.documentElement.dataset.seen = message.data)
</script>"""


def open_in_chromium(page: Path, width: int, folder: Path) -> dict[str, Any]:
    """Load a copy of the page that tells what has become of it."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    text = page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>")
    (folder / "page.html").write_text(text, encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.format(width=width))
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
        "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}",
        "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom", (folder / "frame.html").as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r'data-seen="([^"]*)"', shown.stdout)
    assert found, f"the page did not load: {shown.stderr[-800:]}"
    seen: dict[str, Any] = json.loads(html.unescape(found[1]))
    return seen


@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_shows_and_plays_everything_and_asks_for_nothing(width: int, report: Path, tmp_path: Path) -> None:
    seen = open_in_chromium(report, width, tmp_path)
    assert seen["title"] == f"{HOSTILE} – training report"
    assert len(seen["images"]) == len(FIGURES) - 1
    assert all(pixels > 1000 for pixels in seen["images"])
    assert seen["errors"] == [""] * len(PLAYERS)
    assert seen["durations"] == pytest.approx([10.0] * len(PLAYERS), abs=0.01)
    assert seen["controls"] == [True] * len(PLAYERS)
    assert seen["width"] == width
    assert seen["needed"] <= width
    assert seen["wide"] == 0
    assert all(name.startswith("data:") for name in seen["requests"])
    assert seen["position"] == 3.0
    assert seen["pressed"] == ["false", "false", "true", "false"]


# --- several reports


def test_reports_are_named_after_their_recordings_each_once() -> None:
    names = ["a/Clean-dry.wav", "a/clean_DRY.flac", "b/dry.wav", "b/x.wav", "c/index.html-dry.wav"]
    pairs = [(Path(name), Path("wet.wav")) for name in names]
    assert name_reports(pairs) == ["Clean", "clean 2", "b", "x", "index.html 2"]


@pytest.mark.usefixtures("matplotlib_is_there")
def test_a_page_lists_the_reports_by_name_after_each_of_them(make_preset: Callable[..., Path], tmp_path: Path) -> None:
    path, folder = make_preset(rate=8000), tmp_path / "reports"
    dry = np.sin(np.arange(1501) / 5).astype(np.float32)
    exact, bad = play_whole(path, dry), np.roll(dry, 3)
    stretches = [Stretch(0, len(dry))]
    parts = {"verse & <b>": Material(dry, exact, stretches), "Chorus": Material(dry, bad, stretches)}
    listed_after: list[list[str]] = []

    def look(name: str, summary: object) -> None:
        page = Page((folder / "index.html").read_text(encoding="utf-8"))
        listed_after.append([value for key, value in page.attributes if key == "href"])

    for overwrite in (False, True):  # the second replaces the first whole
        page = write_reports(folder, path, [], parts, 8000, overwrite=overwrite, told=look)
    links = ["Chorus/index.html", "verse%20%26%20%3Cb%3E/index.html"]
    assert listed_after == [links[1:], links] * 2
    assert page == folder / "index.html"
    assert {entry.name for entry in folder.iterdir()} == {"index.html", *parts}
    for name in parts:
        assert (folder / name / "index.html").read_text(encoding="utf-8").count("<audio") == len(PLAYERS)
    text = "".join(Page(page.read_text(encoding="utf-8")).words)
    assert "2 of 2 recordings," in text
    assert text.index("Chorus") < text.index("Not ready to be played") < text.index("verse & <b>")
    assert "Ready to be played." in text
    (folder / "Chorus" / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match="holds more than a report, such as 'Chorus'"):
        write_reports(folder, path, [], parts, 8000, overwrite=True)


# --- small reports, and what is refused


def write_small(folder: Path, preset: Path, frames: int = 1501, **changes: Any) -> Path:
    """A report on a very short recording at 8 kHz."""
    dry = np.sin(np.arange(frames) / 5).astype(np.float32)
    given = {"dry": dry, "wet": np.tanh(dry), "sample_rate": 8000, "stretches": [Stretch(0, frames)], **changes}
    overwrite = given.pop("overwrite", False)
    write_report(folder, preset, given.pop("history", []), **given, overwrite=overwrite)
    return folder / "index.html"


@pytest.mark.usefixtures("matplotlib_is_there")
def test_a_short_recording_without_history_replaces_an_old_report(
    make_preset: Callable[..., Path], tmp_path: Path
) -> None:
    folder = fill(tmp_path / "report", index_html="old", time_png="old")
    path = make_preset(rate=8000)
    dry = np.sin(np.arange(1501) / 5).astype(np.float32)
    wet = play_whole(path, dry)
    page = write_small(folder, path, wet=wet, stretches=[Stretch(1009, 1501)], overwrite=True)
    text = "".join(Page(page.read_text(encoding="utf-8")).words)
    assert "Learning curve" not in text
    esr = re.search(r"Test ESR([\d.e-]+)", text)
    assert esr
    assert float(esr[1]) < 1e-10  # the audio before the stretch has set the state
    assert (folder / "time.png").read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [folder]


def fill_the_disk(path: Path, content: bytes) -> int:
    raise OSError(28, "No space left on device")


RENAME = Path.rename


def rename_all_but_the_new(path: Path, target: Path) -> None:
    if path.name.endswith(".partial"):
        raise OSError(5, "Input/output error")
    RENAME(path, target)


@pytest.mark.usefixtures("matplotlib_is_there")
@pytest.mark.parametrize(("method", "failure", "message"), [
    ("write_bytes", fill_the_disk, "No space left"), ("rename", rename_all_but_the_new, "Input/output error"),
])  # fmt: skip
def test_a_report_that_fails_leaves_what_was_there(
    method: str,
    failure: Callable[..., Any],
    message: str,
    make_preset: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = fill(tmp_path / "report", index_html="old", time_png="old")
    path = make_preset(rate=8000)
    with pytest.raises(FileError, match="is not empty"):
        write_small(folder, path)
    monkeypatch.setattr(Path, method, failure)
    for name in ("draw_spectra", "draw_sweep", "draw_harmonics", "draw_tail", "draw_place", "draw_bands", "draw_time"):
        monkeypatch.setattr(train.report.report.draw, name, lambda *given: b"")
    with pytest.raises(FileError, match=f"cannot write .*report: {message}"):
        write_small(folder, path, overwrite=True)
    assert listed(folder) == {"index.html": "old", "time.png": "old"}
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.usefixtures("matplotlib_is_there")
@pytest.mark.parametrize(("changes", "message"), [
    ({"sample_rate": 44_100}, "the recording has 44100 Hz, .* 8000 Hz"),
    ({"wet": np.ones(3, np.float32)}, "differ in shape"),
    ({"wet": np.zeros(1501, np.float32)}, "silent"),
    ({"stretches": []}, "a test stretch of frames 0 to 0"),
    ({"stretches": [Stretch(0, 1502)]}, "one frame or more within 0 to 1501"),
    ({"stretches": [Stretch(0, 9), Stretch(-1, 9)]}, "a test stretch of frames -1 to 9"),
])  # fmt: skip
def test_a_test_that_cannot_be_measured_is_refused(
    changes: dict[str, Any], message: str, make_preset: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=message):
        write_small(tmp_path / "report", make_preset(rate=8000), **changes)
    assert not list(tmp_path.iterdir())
