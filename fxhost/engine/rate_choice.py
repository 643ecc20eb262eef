"""How a preset plays at another rate than its own: chosen by measurement, for each preset and rate.

Where the rate is a multiple of the preset's, interleaved states are exact. For others the states are interpolated, if
that is stable and true enough, which costs no latency; if not, the signal is resampled around the network. Oversampling
is both: the signal is resampled to a multiple of the preset's rate.

Conventions
-----------
Both sides of a comparison are given the same parts of the riff, single notes and chords, from full scale to −30 dB,
limited to the band of the lower rate, and are compared in that band; what plays at another rate is resampled offline.
The ESR of each part is computed separately; the reported figure is the worst of them, times a margin for other playing:
a network may be true on loud notes alone, or on soft ones. The riff has more treble than a guitar; on a guitar the
error is one half to one hundredth of the error on the riff. A distortion's harmonics beyond the band come back aliased,
at each rate elsewhere. So there are two figures:

esr       for interleaved states, each phase against the preset at its own rate, of which it is exactly one; for
          interpolated ones, and when resampled, against the preset at that multiple of its own rate which is nearest to
          the network's, where the states need no interpolation. `esr` decides between the plans.
esr_band  always against the preset at its own rate, with all that aliases otherwise.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from fxhost.arrays import Float32Array, Float64Array
from fxhost.engine.chain import own_plan, planned_stage
from fxhost.engine.rate_accuracy import limit_band, measure_esr, measure_worst_esr, resample
from fxhost.engine.rate_plan import Plan
from fxhost.engine.rate_stability import modes_on_silence, spectral_radius
from fxhost.errors import EngineError
from fxhost.native import tuning_cache
from fxhost.native.slow_steps import announce
from fxhost.networks.wavenet import WaveNet
from fxhost.preset.effect import Preset
from fxhost.riff import synthesise_riff
from fxhost.stages.rate.interpolated import ORDERS, lagrange_weights

USUAL_RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
MOST_MODES = 1024  # whose stability is told in seconds; larger networks are resampled
MARGIN = 1.5  # how much more may be heard on other playing than on the worst part
MOST_ESR = MARGIN * 1e-3  # of interpolated states; beyond it the signal is resampled
GOOD_ESR = 0.2 * MOST_ESR  # of the highest order; no lower one is tried then
PART_S = 1
PARTS = (  # of the riff: where one begins, in seconds, and its peak in dB
    *((0, 0.0), (0, -6.0), (0, -12.0), (0, -18.0), (0, -24.0), (0, -30.0)),
    *((2, 0.0), (4, -12.0)),
)
BAND = 0.9  # of the lower Nyquist frequency: what is compared

References = dict[int, Float64Array]  # by the multiple of the preset's rate


def choose_plans(presets: Sequence[Preset], engine_name: str, sample_rate: int, oversample: int = 1) -> list[Plan]:
    """How presets play at a rate.

    Parameters
    ----------
    presets : sequence of Preset
    engine_name : {'compiled', 'torchscript'}
    sample_rate : int
        Of the stream, in Hz.
    oversample : {1, 2, 4}
        How many times the stream's rate the networks run at, against aliasing.

    Raises
    ------
    EngineError
        If the engine plays presets at their own rate only, and another was asked for; or if the rates have no simple
        ratio.
    """
    if engine_name == "torchscript" and oversample > 1:
        raise EngineError("the TorchScript engine does not oversample; use the compiled engine")
    for preset in presets:
        if engine_name == "torchscript" and preset.sample_rate != sample_rate:
            raise EngineError(
                f"the TorchScript engine plays a preset at its own rate only: {preset.name} has {preset.sample_rate} "
                f"Hz, the stream {sample_rate} Hz; use the compiled engine"
            )
    return [choose_plan(preset, sample_rate, oversample) for preset in presets]


def choose_plan(preset: Preset, sample_rate: int, oversample: int = 1) -> Plan:
    """How a preset plays at a rate in Hz, or its network at a multiple of it, as measured before, or else now."""
    if sample_rate == preset.sample_rate and oversample == 1:
        return own_plan(preset)
    key = f"{digest_of(preset)} {sample_rate} {oversample}"
    plan = _recalled_plan(preset, sample_rate, oversample, tuning_cache.recall(key))
    if plan is None:
        tuning_cache.forget(key)
        announce("measuring", f"how {preset.name} plays at {sample_rate} Hz (once)")
        plan = measure_ways(preset, sample_rate, oversample)
        kept = {name: getattr(plan, name) for name in ("network_rate", "order", "esr", "esr_band", "radius")}
        tuning_cache.keep(key, kept)
    return plan


def digest_of(preset: Preset) -> str:
    """A digest of rate, sizes, knobs and weights: networks that sound different have different digests."""
    digest = hashlib.sha256(repr((preset.sample_rate, preset.architecture, preset.knobs)).encode())
    for name in sorted(preset.weights):
        digest.update(preset.weights[name].tobytes())
    return digest.hexdigest()


def _recalled_plan(preset: Preset, sample_rate: int, oversample: int, entry: dict[str, Any] | None) -> Plan | None:
    """The plan that was kept, or None where there is none or it is damaged."""
    if entry is None:
        return None
    network_rate, order, *figures = (entry.get(name) for name in ("network_rate", "order", "esr", "esr_band", "radius"))
    if type(network_rate) is not int or type(order) is not int:
        return None
    if network_rate not in network_rates(preset, sample_rate, oversample) or order not in (0, *ORDERS):
        return None
    if any(not isinstance(value, float) or not math.isfinite(value) for value in figures if value is not None):
        return None
    plan = replace(own_plan(preset), sample_rate=sample_rate, network_rate=network_rate)
    if (order != 0) != (plan.copies == 0):
        return None
    return replace(plan, order=order, esr=figures[0], esr_band=figures[1], radius=figures[2])


def network_rates(preset: Preset, sample_rate: int, oversample: int) -> list[int]:
    """What a network may run at, in Hz, the best first.

    Oversampling needs a resampler anyway, so the network runs at the next higher multiple of the preset's rate.
    """
    own = preset.sample_rate
    return [sample_rate, own] if oversample == 1 else [-(-oversample * sample_rate // own) * own]


# --- measuring -------------------------------------------------------------------------------------------------------


def measure_ways(preset: Preset, sample_rate: int, oversample: int) -> Plan:
    """The way that costs least among those that are true enough."""
    preferred, *others = network_rates(preset, sample_rate, oversample)
    plan = replace(own_plan(preset), sample_rate=sample_rate, network_rate=preferred)
    if plan.copies:
        return measure_plan(preset, plan)
    a = preset.architecture
    if isinstance(a, WaveNet) or 2 * a.layers * a.hidden_size > MOST_MODES:  # its past cannot be interpolated
        return measure_plan(preset, replace(plan, network_rate=others[0]))
    modes, delay = modes_on_silence(preset), sample_rate / preset.sample_rate
    best, least, references = None, MOST_ESR, References()
    for order in sorted(ORDERS, reverse=True):
        radius = spectral_radius(modes, *lagrange_weights(delay, order))
        if radius < 1.0:
            tried = measure_plan(preset, replace(plan, order=order, radius=radius), references)
            if tried.esr is not None and tried.esr < least:
                best, least = tried, tried.esr
            if least < GOOD_ESR:
                break
    return best or measure_plan(preset, replace(plan, network_rate=others[0]), references)


def measure_plan(preset: Preset, plan: Plan, references: References | None = None) -> Plan:
    """The same plan with its figures; `references` keeps what it is held against for other plans of the two rates."""
    references = {} if references is None else references
    own_rate, rate = plan.preset_rate, plan.sample_rate
    edge = BAND * min(own_rate, rate) / 2
    test = make_test_signal(own_rate, edge)
    given = resample(test, own_rate, rate)
    got = _play(preset, plan, given)
    banded = limit_band(got, rate, edge)

    def compare(multiple: int) -> float | None:
        if multiple not in references:
            exact_rate = multiple * own_rate
            exact = replace(own_plan(preset), sample_rate=exact_rate, network_rate=exact_rate)
            played = _play(preset, exact, resample(test, own_rate, exact_rate))
            references[multiple] = limit_band(resample(played, exact_rate, rate), rate, edge)
        worst = measure_worst_esr(banded, references[multiple], len(PARTS))
        return None if worst is None else MARGIN * worst

    esr = esr_band = compare(1)
    nearest = max(1, round(plan.network_rate / own_rate))
    if plan.is_resampled or plan.order:
        esr = compare(nearest)
    else:
        phases = [_play(preset, own_plan(preset), given[phase :: plan.copies]) for phase in range(plan.copies)]
        esr = measure_esr(got, np.stack(phases, axis=1).ravel())
    return replace(plan, esr=esr, esr_band=esr_band)


def _play(preset: Preset, plan: Plan, audio: Float64Array) -> Float32Array:
    """What a preset makes of audio, float (frames,), of the same length: what it delays is taken out."""
    latency = plan.latency_frames
    out = np.concatenate([audio, np.zeros(latency)]).astype(np.float32)
    planned_stage(preset, plan).process(out)
    return out[latency:]


@cache
def make_test_signal(sample_rate: int, edge: float) -> Float64Array:
    """The parts of the riff, without what is above `edge` in Hz; float64 (frames,), whole seconds.

    Each part begins and ends with silence, so that no part rings into the next one, nor the last part into the first
    (the signal is periodic).
    """
    riff, frames = synthesise_riff(sample_rate), PART_S * sample_rate
    silent = sample_rate // 20
    fade = np.clip(np.minimum(np.arange(frames), np.arange(frames)[::-1] - silent) / silent, 0.0, 1.0)
    parts = []
    for start_s, level_db in PARTS:
        part = limit_band(riff[start_s * sample_rate :][:frames] * fade, sample_rate, edge)
        parts.append(part / float(np.abs(part).max()) * 10.0 ** (level_db / 20.0))
    return np.concatenate(parts)
