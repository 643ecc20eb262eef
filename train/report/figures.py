"""The figures of a training report, as PNG. Only here is matplotlib used, and loaded when the first one is drawn.

Every function takes numbers and returns the bytes of a PNG on white, 1056 pixels wide; the page turns it dark where the
reader prefers that. Text from a preset, which may come from a stranger, is never drawn. Audio is float32 `(frames,)`,
levels are in dB.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from fxhost.errors import FileError
from train.progress import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float64Array = NDArray[np.float64]

WIDTH_IN, DPI = 4.4, 240  # so narrow that the text is still read on a phone
TEXT_PT = 9.0
INK, SOFT, PALE = "#1c1d20", "#5c6068", "#dcdde0"
DRY, TARGET, MODEL, DIFFERENCE = "#9a9fa8", "#1c1d20", "#e0561b", "#2f6fd6"
SEQUENCE = ("#a9c6f5", "#6f9fea", "#2f6fd6", "#123a86")  # from soft to loud
FLOOR_DB = -160.0  # what is drawn for nothing at all
LOWEST_HZ = 20.0
BANDS_PER_OCTAVE = 12
SPECTRUM_S = 0.17  # of audio in one transform: a resolution of 6 Hz
SPECTROGRAM_S = 0.03
SPECTROGRAM_COLUMNS = 480
SPECTROGRAM_RANGE_DB = 110.0
TICKS_HZ = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)


def check_matplotlib() -> None:
    """Refuse a report where no figure could be drawn.

    Raises
    ------
    FileError
        If matplotlib is missing.
    """
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401
    except ImportError as err:
        raise FileError(
            f"a report needs matplotlib, which cannot be loaded ({err}); run pip install 'fxhost[report]'"
        ) from err


def draw_learning_curve(history: Sequence[Progress]) -> bytes:
    """The validation ESR, the best so far and the training loss over the minutes of the training."""
    minutes = np.array([progress.seconds / 60 for progress in history])
    figure, (axes,) = _make_figure(1, height_in=2.9)
    marker = "o" if len(minutes) < 40 else ""
    for name, values, colour, width in (
        ("best so far", [progress.esr_best for progress in history], INK, 2.2),
        ("validation ESR", [progress.esr_validation for progress in history], DIFFERENCE, 1.0),
        ("training loss", [progress.loss for progress in history], DRY, 1.0),
    ):
        drawn = np.array(values, np.float64)
        drawn[~(np.isfinite(drawn) & (drawn > 0))] = np.nan  # a logarithmic axis has no place for them
        axes.plot(minutes, drawn, color=colour, linewidth=width, marker=marker, markersize=2.5, label=name)
    axes.set_yscale("log")
    axes.set_xlim(0, max(float(minutes[-1]), 1e-3))
    _label(axes, "minutes of training", "ESR, loss")
    return _finish(figure, legend=axes)


def draw_place(target: Float32Array, model: Float32Array, sample_rate: int) -> bytes:
    """A short piece of target and model, and below it their difference on a scale of its own."""
    milliseconds = 1000 * np.arange(len(target)) / sample_rate
    figure, (above, below) = _make_figure(2, height_in=3.0, ratios=(2.2, 1.0), share_x=True)
    above.plot(milliseconds, target, color=TARGET, linewidth=1.8, label="target")
    above.plot(milliseconds, model, color=MODEL, linewidth=1.1, label="model")
    below.plot(milliseconds, model - target, color=DIFFERENCE, linewidth=1.0, label="model − target")
    above.set_xlim(0, float(milliseconds[-1]) if len(target) > 1 else 1.0)
    _label(above, "", "full scale = 1")
    _label(below, "milliseconds", "difference")
    return _finish(figure, legend=above)


def draw_spectra(signals: Mapping[str, Float32Array], sample_rate: int) -> bytes:
    """The long-term spectra of signals that are named dry, target, model and difference."""
    figure, (axes,) = _make_figure(1, height_in=2.9)
    colours = {"dry": DRY, "target": TARGET, "model": MODEL, "difference": DIFFERENCE}
    highest = -np.inf
    for name, audio in signals.items():
        frequencies, density = welch(audio, sample_rate)
        frequencies, density = join_bins(frequencies, density)
        levels = 10 * np.log10(np.maximum(density, 1e-30))
        highest = max(highest, float(levels.max()))
        axes.plot(frequencies, levels, color=colours[name], linewidth=1.9 if name == "target" else 1.1, label=name)
    _scale_hz(axes, sample_rate / 2)
    axes.set_ylim(highest - 110, highest + 5)
    _label(axes, "Hz", "dB per Hz, full scale = 0 dB")
    return _finish(figure, legend=axes)


def draw_bands(names: Sequence[str], esrs: Sequence[float], shares: Sequence[float]) -> bytes:
    """The ESR of each level band of the target, from loud to soft, and its share of the time (0 to 1)."""
    places = np.arange(len(names))
    figure, (above, below) = _make_figure(2, height_in=3.0, ratios=(2.0, 1.0), share_x=True)
    above.plot(places, [value if value > 0 else np.nan for value in esrs], color=DIFFERENCE, marker="o", markersize=5)
    above.set_yscale("log")
    below.bar(places, [100 * share for share in shares], color=DRY, width=0.7)
    below.set_xticks(places, names, rotation=35, ha="right", rotation_mode="anchor")
    _label(above, "", "ESR")
    _label(below, "level of the target in dB", "% of time")
    return _finish(figure)


def draw_time(seconds: Float64Array, esrs: Float64Array, levels_db: Float64Array) -> bytes:
    """The ESR over the test audio, and below it the level of the target; NaN leaves a gap."""
    figure, (above, below) = _make_figure(2, height_in=3.0, ratios=(2.0, 1.0), share_x=True)
    above.plot(seconds, np.where(esrs > 0, esrs, np.nan), color=DIFFERENCE, linewidth=1.0, marker=".", markersize=3)
    above.set_yscale("log")
    below.plot(seconds, levels_db, color=SOFT, linewidth=1.0)
    above.set_xlim(0, max(float(seconds[-1]), 1e-3))
    below.set_ylim(-80, 3)
    _label(above, "", "ESR")
    _label(below, "seconds of test audio", "target, dB")
    return _finish(figure)


def draw_harmonics(levels_db: Mapping[float, Mapping[float, Float64Array]]) -> bytes:
    """The levels of the harmonics 1, 2, 3 … by the frequency of the sine in Hz and by its level in dB."""
    figure, panels = _make_figure(2, columns=2, height_in=3.9, share_x=True, share_y=True)
    for axes, (frequency, by_level) in zip(panels, levels_db.items(), strict=False):
        for colour, (level, harmonics) in zip(SEQUENCE, by_level.items(), strict=True):
            numbers = np.arange(1, len(harmonics) + 1)
            name = f"{level:.0f} dB".replace("-", "−")
            axes.plot(numbers, harmonics, color=colour, marker="o", markersize=3, linewidth=1.1, label=name)
        axes.set_title(f"{frequency:.0f} Hz", fontsize=TEXT_PT, color=INK, loc="left")
        axes.set_xticks([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        axes.set_ylim(-125, 8)
    for axes in panels[len(levels_db) :]:
        axes.set_visible(False)
    for axes in panels[2:]:
        _label(axes, "harmonic", axes.get_ylabel())
    for axes in panels[::2]:
        _label(axes, axes.get_xlabel(), "dB")
    return _finish(figure, legend=panels[0], columns=4)


def draw_sweep(answer: Float32Array, sweep_hz: Float64Array, sample_rate: int) -> bytes:
    """A spectrogram of the answer to a sweep: across, the frequency (frames,) that goes in; up, what comes out."""
    frames = min(int(SPECTROGRAM_S * sample_rate), len(answer))
    window = np.kaiser(frames, 14.0)  # side lobes below the range that is drawn
    starts = np.linspace(0, len(answer) - frames, SPECTROGRAM_COLUMNS).astype(int)
    columns = np.lib.stride_tricks.sliding_window_view(answer, frames)[starts] * window
    levels = 20 * np.log10(np.maximum(np.abs(np.fft.rfft(columns, axis=1)) * 2 / window.sum(), 1e-10))
    figure, (axes,) = _make_figure(1, height_in=3.0)
    top = levels.max()
    image = axes.pcolormesh(
        sweep_hz[starts + frames // 2],
        np.fft.rfftfreq(frames, 1e3 / sample_rate),
        levels.T - top,
        cmap="Greys",
        vmin=-SPECTROGRAM_RANGE_DB,
        vmax=0.0,
        shading="nearest",
        rasterized=True,
    )
    _scale_hz(axes, float(sweep_hz[-1]))
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=30)
    bar.ax.tick_params(labelsize=TEXT_PT - 1, colors=SOFT)
    bar.outline.set_visible(False)
    bar.set_label("dB below the strongest", fontsize=TEXT_PT, color=SOFT)
    _label(axes, "sine that goes in, Hz", "what comes out, kHz")
    return _finish(figure)


def draw_tail(seconds: Float64Array, levels_db: Float64Array) -> bytes:
    """The level of the output in the silence after loud playing."""
    figure, (axes,) = _make_figure(1, height_in=2.6)
    axes.plot(seconds, np.maximum(levels_db, FLOOR_DB), color=MODEL, linewidth=1.3)
    axes.set_xlim(0, float(seconds[-1]))
    axes.set_ylim(FLOOR_DB - 5, 5)
    _label(axes, "seconds of silence", "dB")
    return _finish(figure)


# --- spectra ---------------------------------------------------------------------------------------------------------


def welch(audio: Float32Array, sample_rate: int) -> tuple[Float64Array, Float64Array]:
    """The power density of a signal, averaged over Hann windows that overlap by half.

    Parameters
    ----------
    audio : float32 (frames,)
        Where it is shorter than one window, silence is added.
    sample_rate : int
        In Hz.

    Returns
    -------
    frequencies : float64 (bins,)
        In Hz, without 0.
    density : float64 (bins,)
        Per Hz; its integral over all frequencies is the mean square.
    """
    frames = 1 << round(np.log2(SPECTRUM_S * sample_rate))
    audio = np.pad(audio, (0, max(0, frames - len(audio))))
    window = np.hanning(frames + 1)[:-1]
    starts = range(0, len(audio) - frames + 1, frames // 2)
    power = np.zeros(frames // 2 + 1)
    for start in starts:
        power += np.abs(np.fft.rfft(audio[start : start + frames] * window)) ** 2
    density = 2 * power / (len(starts) * sample_rate * np.sum(window**2))
    return np.arange(1, len(density)) * np.float64(sample_rate / frames), density[1:]


def join_bins(frequencies: Float64Array, density: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The mean of the bins in each twelfth of an octave, so that the curve is smooth in the treble."""
    band = np.floor(BANDS_PER_OCTAVE * np.log2(frequencies)).astype(int)
    starts = np.flatnonzero(np.diff(band, prepend=band[0] - 1))
    counts = np.diff(starts, append=len(band))
    return np.add.reduceat(frequencies, starts) / counts, np.add.reduceat(density, starts) / counts


# --- what all figures share ------------------------------------------------------------------------------------------


def _make_figure(
    rows: int, *, height_in: float, columns: int = 1, share_x: bool = False, share_y: bool = False, ratios: Any = None
) -> "tuple[Figure, list[Axes]]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        rows, columns, squeeze=False, sharex=share_x, sharey=share_y, gridspec_kw={"height_ratios": ratios}
    )
    panels: list[Axes] = list(grid.ravel())
    for axes in panels:
        axes.grid(visible=True, color=PALE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(which="both", labelsize=TEXT_PT - 1, colors=SOFT, width=0.6, length=3)
        axes.tick_params(which="minor", length=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(DRY)
        axes.spines[["left", "bottom"]].set_linewidth(0.6)
    return figure, panels


def _label(axes: "Axes", x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=TEXT_PT, color=SOFT)
    axes.set_ylabel(y, fontsize=TEXT_PT, color=SOFT)


def _scale_hz(axes: "Axes", highest: float) -> None:
    ticks = [tick for tick in TICKS_HZ if tick <= highest]
    axes.set_xscale("log")
    axes.set_xlim(LOWEST_HZ, highest)
    axes.set_xticks(ticks, [f"{tick // 1000}k" if tick >= 1000 else f"{tick}" for tick in ticks])
    axes.set_xticks([], minor=True)


def _finish(figure: "Figure", *, legend: "Axes | None" = None, columns: int = 4) -> bytes:
    if legend is not None:
        lines, names = legend.get_legend_handles_labels()
        figure.legend(
            lines, names, loc="outside upper left", ncols=columns, frameon=False, fontsize=TEXT_PT, labelcolor=INK
        )
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
