"""The delay and the gain of a wet recording over time, piece by piece.

Each piece of about a second is compared with the response that all have in common, so that the phase of the effect
drops out: what stays is by how much the piece lies elsewhere, and how much louder it is. A steady pair, be it a fuzz,
stays within two frames wherever something is played.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxhost.arrays import Float32Array
from train.pairs.drift import Complex128Array, Float64Array, Line, sum_spectra, window_frames

PIECE_S = 1.0
MAX_PIECES = 240
UP = 8  # steps a frame
NARROWING = (24.0, 6.0, 2.0)  # frames from the commonest delay, within which pieces make the common response
ASTRAY = 32.0  # frames from where most pieces are: what lies further may lie anywhere
ALIKE = 3.0  # frames: delays nearer to each other than that are the same
BETTER = 0.9  # of the peak that was there before
MOST_SEARCHES = 40
FITS = 4  # of the gains and of the response that they share, in turn
QUIET = 1e-5  # of the mean power of a piece: what is quieter tells nothing
CLEAR = 3.0  # of the peak over the RMS of the likeness: what is below may be chance
LOST = 9.0  # the same of a search far away, where there are far more places for chance
WHITENING = 0.8


@dataclass(frozen=True)
class Pieces:
    """How a wet recording follows the dry one over time.

    Attributes
    ----------
    starts : int64 (pieces,)
        The first frame of each piece in the dry recording.
    frames : int
        The length of a piece.
    delays : float64 (pieces,)
        In frames, up to the delay of the common response itself; NaN where nothing can be told.
    gains_db : float64 (pieces,)
        How much louder each piece is than the common response makes it, the median 0; NaN where nothing can be told.
    """

    starts: NDArray[np.int64]
    frames: int
    delays: Float64Array
    gains_db: Float64Array

    @property
    def middles(self) -> Float64Array:
        """The middle frame of each piece."""
        return np.asarray(self.starts + self.frames / 2, np.float64)

    @property
    def known(self) -> NDArray[np.int64]:
        """The numbers of the pieces of which something can be told."""
        return np.flatnonzero(np.isfinite(self.delays))


def measure_pieces(dry: Float32Array, wet: Float32Array, sample_rate: int, line: Line, search: int = 0) -> Pieces:
    """Delay and gain over time.

    Parameters
    ----------
    dry, wet : float32 (frames,)
        May be memory-mapped.
    sample_rate : int
        In Hz.
    line : Line
        Where the wet side is expected.
    search : int
        How many frames from there a piece is looked for that is not within 20 ms.

    Returns
    -------
    Pieces
        Without a gap up to four minutes, else 240 pieces spread evenly.
    """
    size, length = window_frames(sample_rate), int(PIECE_S * sample_rate)
    count = min(MAX_PIECES, len(dry) // length)
    starts = np.linspace(0, len(dry) - length, max(1, count)).astype(np.int64)
    places = np.array([line.at(start + length / 2) for start in starts])
    spectra = [_sum_piece(dry, wet, start, length, size, place) for start, place in zip(starts, places, strict=True)]
    powers = np.array([0.0 if spectrum is None else float(spectrum[2]) for spectrum in spectra])
    heard = [n for n, power in enumerate(powers) if power > QUIET * powers.mean()]
    delays, gains = np.full(len(starts), np.nan), np.full(len(starts), np.nan)
    if not heard:
        return Pieces(starts, length, delays, gains)
    response = _find_common(spectra, heard, size)
    lags, peaks = _compare(spectra, heard, response, size)
    if search:
        shared = np.count_nonzero(np.abs(lags[:, None] - lags) <= ALIKE, axis=1) >= 4
        astray = [k for k, lag in enumerate(lags) if abs(lag) > ASTRAY and not shared[k]]
        _find_astray(dry, wet, _Lying(starts, length, size, places, spectra, response), heard, astray, peaks, search)
        lags, peaks = _compare(spectra, heard, response, size)
    common = _find_peak(response, size)
    clear = [(n, lag) for n, lag, peak in zip(heard, lags, peaks, strict=True) if peak >= CLEAR]
    for (n, lag), gain in zip(clear, _measure_gains(spectra, clear, response, size), strict=True):
        delays[n], gains[n] = places[n] + lag + common, gain
    return Pieces(starts, length, delays, gains)


Spectrum = tuple[Float64Array, Complex128Array, float]


def _sum_piece(
    dry: Float32Array, wet: Float32Array, start: int, length: int, size: int, place: float
) -> Spectrum | None:
    """The spectra of a piece, each window brought to the same power, and the power as it is; None outside the file."""
    lowest, highest = int(np.floor(place)) - 1, int(np.ceil(place)) + 1
    windows = [
        int(n)
        for n in range(int(start), int(start) + length - size + 1, size // 2)
        if n + lowest >= 0 and n + highest + size <= len(wet)
    ]
    if len(windows) < 4:
        return None
    plain, evened = sum_spectra(dry, wet, windows, size, Line(place, 0.0, 0.0))
    return evened[0], evened[1], float(plain[0].sum()) / len(windows)


def _find_common(spectra: list[Spectrum | None], heard: list[int], size: int) -> Complex128Array:
    """The response of the pieces that lie where most of them do."""
    response: Complex128Array = np.ones(size // 2 + 1, np.complex128)
    taken = list(heard)
    for reach in NARROWING:
        lags, peaks = _compare(spectra, heard, response, size)
        clear = lags[peaks >= CLEAR] if np.any(peaks >= CLEAR) else lags
        fullest = max(clear, key=lambda lag: np.count_nonzero(np.abs(clear - lag) <= reach))
        taken = [n for n, lag in zip(heard, lags, strict=True) if abs(lag - fullest) <= reach]
        power = np.sum([spectra[n][0] for n in taken], axis=0)  # type: ignore[index]
        cross = np.sum([spectra[n][1] for n in taken], axis=0)  # type: ignore[index]
        response = cross / np.maximum(power, 1e-9 * power.max())
    return response


def _compare(
    spectra: list[Spectrum | None], heard: list[int], response: Complex128Array, size: int
) -> tuple[Float64Array, Float64Array]:
    """How many frames later than the response each piece is, and how clearly."""
    reach = size // 4
    lags, peaks = [], []
    for n in heard:
        likeness = spectra[n][1] * np.conj(response)  # type: ignore[index]
        likeness /= np.maximum(np.abs(likeness), 1e-30) ** 0.5
        fine = np.fft.irfft(likeness, size * UP)
        near = np.concatenate([fine[-reach * UP :], fine[: reach * UP]])
        at = int(near.argmax())
        lags.append((at - reach * UP) / UP)
        peaks.append(float(near[at] / max(float(np.sqrt(np.mean(fine**2))), 1e-30)))
    return np.array(lags), np.array(peaks)


def _find_peak(response: Complex128Array, size: int) -> int:
    """Where the response is highest, its spectrum made flatter, in frames."""
    flat = response / np.maximum(np.abs(response), 1e-30) ** WHITENING
    impulse = np.abs(np.fft.irfft(flat))
    at = int(impulse.argmax())
    return at if at < size // 2 else at - size


def _measure_gains(
    spectra: list[Spectrum | None], clear: list[tuple[int, float]], response: Complex128Array, size: int
) -> list[float]:
    """How much louder each piece is in dB than the common response makes it, which is fitted anew to those gains."""
    turn = 2j * np.pi * np.arange(size // 2 + 1) / size
    powers = [spectra[n][0] for n, _ in clear]  # type: ignore[index]
    crosses = [spectra[n][1] * np.exp(turn * lag) for n, lag in clear]  # type: ignore[index]
    gains = np.ones(len(clear))
    for _ in range(FITS if clear else 0):
        for k, (power, cross) in enumerate(zip(powers, crosses, strict=True)):
            share = np.sum((cross * np.conj(response)).real) / max(float(np.sum(power * np.abs(response) ** 2)), 1e-30)
            gains[k] = max(abs(float(share)), 1e-6)
        gains /= np.median(gains)
        weighed = sum(gain**2 * power for gain, power in zip(gains, powers, strict=True))
        total = sum(gain * cross for gain, cross in zip(gains, crosses, strict=True))
        response = np.asarray(total / np.maximum(weighed, 1e-9 * np.max(weighed)), np.complex128)
    return [float(gain) for gain in 20 * np.log10(gains)]


@dataclass
class _Lying:
    """How the pieces lie, and the response that most of them share."""

    starts: NDArray[np.int64]
    length: int
    size: int
    places: Float64Array
    spectra: list[Spectrum | None]
    response: Complex128Array


def _find_astray(
    dry: Float32Array,
    wet: Float32Array,
    lying: _Lying,
    heard: list[int],
    astray: list[int],
    peaks: Float64Array,
    search: int,
) -> None:
    """Lay pieces anew that are not where most are: where one of them is found far away, its neighbours are likely."""
    for _ in range(MOST_SEARCHES):
        if not astray:
            return
        first = astray.pop(0)
        n = heard[first]
        found = _search_far(dry, wet, int(lying.starts[n]), lying.length, round(lying.places[n]), search)
        if found is None:
            continue
        for k in [first, *astray]:
            n = heard[k]
            spectrum = _sum_piece(dry, wet, int(lying.starts[n]), lying.length, lying.size, found)
            if spectrum is None:
                continue
            (lag,), (peak,) = _compare([spectrum], [0], lying.response, lying.size)
            if abs(lag) <= ASTRAY and peak > BETTER * peaks[k]:
                lying.places[n], lying.spectra[n], peaks[k] = found, spectrum, peak
                astray = [other for other in astray if other != k]


def _search_far(dry: Float32Array, wet: Float32Array, start: int, length: int, place: int, search: int) -> float | None:
    """Where in the wet side a piece is that is not where it is expected; None if nowhere."""
    first, last = max(0, start + place - search), min(len(wet), start + place + length + search)
    if last - first < length:
        return None
    size = 1 << int(np.ceil(np.log2(last - first + length)))
    spectrum = np.conj(np.fft.rfft(dry[start : start + length], size)) * np.fft.rfft(wet[first:last], size)
    spectrum /= np.maximum(np.abs(spectrum), 1e-30) ** WHITENING
    correlation = np.abs(np.fft.irfft(spectrum, size)[: last - first])
    at = int(correlation.argmax())
    if correlation[at] < LOST * np.sqrt(np.mean(correlation**2)):
        return None
    return float(first + at - start)
