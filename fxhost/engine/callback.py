"""The PortAudio callback: the one function that the audio thread runs.

It is a numba `cfunc` of PortAudio's own type `PaStreamCallback`, compiled once and cached on disk. Its user data is one
`CONTROL` record that Python owns; each field has one writer. A chain is a table of int64 words: the number of stages,
then for each stage the addresses of its function, its memory and its initial state, and the length of the latter.

    input channel (or source) ─► head ─► chain (crossfading to the next one) ─► guard ─► bypass mix ─► tail ─► outputs

Denormal numbers count as zero from the first line of the callback to its last, so that a fade costs no more than music.
The guard turns a block with NaN, infinity or a runaway level into silence and resets the chain; a fade-in follows.
"""

from typing import Any

import numpy as np
from numba import carray, njit, types

from fxhost.engine.control_block import (
    AT_RELEASED,
    AT_RING_READ,
    AT_RING_WRITTEN,
    AT_TABLE,
    CONTROL,
    MAX_BLOCK,
    Block,
    callback_signature,
)
from fxhost.engine.histogram import count_in
from fxhost.native.code_cache import cached_cfunc
from fxhost.native.intrinsics import (
    FLUSH_DENORMALS,
    address_of,
    call_stage,
    float_mode,
    floats_at,
    load_acquire,
    now_ns,
    set_float_mode,
    store_release,
    thread_number,
    words_at,
)

# Parts of the callback. They are compiled without a wrapper for Python: calling one from Python crashes.
inlined = njit(error_model="numpy", forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)

STAGE_WORDS = 4
RUNAWAY = np.float32(1e6)  # 120 dB beyond full scale is no signal

INPUT_UNDERFLOW, INPUT_OVERFLOW, OUTPUT_UNDERFLOW, OUTPUT_OVERFLOW = 1, 2, 4, 8  # PaStreamCallbackFlags


@inlined
def run_chain(table: int, block: int, frames: int) -> None:
    """Send a block through every stage of a table."""
    words = carray(words_at(table), (1,))
    count = words[0]
    rows = carray(words_at(table + 8), (count * STAGE_WORDS,))
    for stage in range(count):
        call_stage(rows[stage * STAGE_WORDS], rows[stage * STAGE_WORDS + 1], block, frames)


@inlined
def reset_chain(table: int) -> None:
    """Copy the initial state of every stage of a table over its state."""
    words = carray(words_at(table), (1,))
    count = words[0]
    rows = carray(words_at(table + 8), (count * STAGE_WORDS,))
    for stage in range(count):
        length = rows[stage * STAGE_WORDS + 3]
        state = carray(words_at(rows[stage * STAGE_WORDS + 1]), (length,))
        initial = carray(words_at(rows[stage * STAGE_WORDS + 2]), (length,))
        for word in range(length):
            state[word] = initial[word]


@inlined
def read_input(s: Any, interleaved: Any, first: int, dry: Block, frames: int) -> int:
    """Fill `dry` from the input channel or the source; samples that are no signal become 0. Return how many were."""
    if s.source != 0:
        available = s.source_frames - s.source_position
        source = carray(floats_at(s.source), (s.source_frames,))
        for n in range(frames):
            if n >= available:
                dry[n] = 0.0
            else:
                dry[n] = source[s.source_position + n]
        s.source_position += min(frames, available)
    elif s.in_channels > 0:
        data = carray(interleaved, ((first + frames) * s.in_channels,))
        for n in range(frames):
            dry[n] = data[(first + n) * s.in_channels + s.in_channel]
    else:
        for n in range(frames):
            dry[n] = 0.0
    bad = 0
    peak, energy = np.float32(0.0), np.float32(0.0)
    for n in range(frames):
        level = abs(dry[n])
        if not level <= RUNAWAY:
            dry[n] = 0.0
            level = np.float32(0.0)
            bad += 1
        peak = max(peak, level)
        energy += level * level
    s.input_peak = max(s.input_peak, peak)
    s.meter[0] = max(s.meter[0], peak)
    s.meter[2] += energy
    return bad


@inlined
def play_chains(s: Any, dry: Block, wet: Block, other: Block, frames: int) -> None:
    """Play `dry` through the chain into `wet`; while a new chain comes in, through both, with a crossfade."""
    for n in range(frames):
        wet[n] = dry[n]
    if s.coming != 0:
        for n in range(frames):
            other[n] = dry[n]
        run_chain(s.coming, s.scratch + 8 * MAX_BLOCK, frames)
    run_chain(s.playing, s.scratch + 4 * MAX_BLOCK, frames)
    if s.coming != 0:
        for n in range(frames):
            angle = 0.5 * np.pi * min(1.0, (s.crossfaded + n) / s.crossfade_frames)
            fall, rise = np.cos(angle), np.sin(angle)
            if s.crossfade_equal_gain != 0:
                fall, rise = fall * fall, rise * rise
            wet[n] = np.float32(fall) * wet[n] + np.float32(rise) * other[n]


@inlined
def guard(s: Any, wet: Block, frames: int) -> int:
    """Silence a block that is no signal, and start the chain anew. Return the number of bad samples."""
    bad = 0
    for n in range(frames):
        if not abs(wet[n]) <= RUNAWAY:  # also true for NaN
            bad += 1
    if bad > 0:
        for n in range(frames):
            wet[n] = 0.0
        reset_chain(s.playing)
        if s.coming != 0:
            reset_chain(s.coming)
        s.faded_in = 0
    return bad


@inlined
def finish_output(s: Any, wet: Block, frames: int) -> None:
    """Fade in after a start, and measure."""
    if s.faded_in < s.fade_in_frames:
        for n in range(frames):
            wet[n] *= np.float32(min(1.0, (s.faded_in + n) / s.fade_in_frames))
        s.faded_in += frames
    peak, energy = np.float32(0.0), np.float32(0.0)
    for n in range(frames):
        peak = max(peak, abs(wet[n]))
        energy += wet[n] * wet[n]
    s.output_peak = max(s.output_peak, peak)
    s.meter[1] = max(s.meter[1], peak)
    s.meter[3] += energy


@inlined
def record(s: Any, rack: int, wet: Block, frames: int) -> None:
    """Append a block to the ring, or count what does not fit."""
    if s.ring == 0:
        return
    room = s.ring_size - (s.ring_written - load_acquire(rack + AT_RING_READ))
    if frames > room:
        s.ring_lost += frames
        return
    ring = carray(floats_at(s.ring), (s.ring_size,))
    for n in range(frames):
        ring[(s.ring_written + n) & (s.ring_size - 1)] = wet[n]
    store_release(rack + AT_RING_WRITTEN, s.ring_written + frames)


@inlined
def answer_meter(s: Any) -> None:
    """Hand the levels gathered since the last request to Python, and begin again."""
    if s.meter_request != s.meter_answered:
        for k in range(4):
            s.metered[k] = s.meter[k]
            s.meter[k] = 0.0
        s.metered_frames = s.meter_frames
        s.meter_frames = 0
        s.meter_answered = s.meter_request


@inlined
def count_block(s: Any, frames: int, flags: int, start: int) -> None:
    """Count a block, what PortAudio says went wrong before it, and the time since the last one, in µs."""
    s.input_underflows += 1 if flags & INPUT_UNDERFLOW else 0
    s.input_overflows += 1 if flags & INPUT_OVERFLOW else 0
    s.output_underflows += 1 if flags & OUTPUT_UNDERFLOW else 0
    s.output_overflows += 1 if flags & OUTPUT_OVERFLOW else 0
    if s.blocks == 0:
        s.first_block_ns = start
    if s.starting != 0:
        s.starting = 0
        s.thread = thread_number()
    else:
        count_in(s.interval_histogram, (start - s.last_block_ns) // 1000)
    s.last_block_ns = start
    s.blocks += 1
    s.frames += frames
    s.block_frames = frames


@cached_cfunc(callback_signature(CONTROL), error_model="numpy", forceinline=True)
def callback(interleaved: Any, output: Any, frame_count: int, time_info: Any, flags: int, control: Any) -> Any:
    """Play one block. Every output sample is filled on every path; the answer is always paContinue (0)."""
    s = carray(control, (1,))[0]
    rack = address_of(control)
    start = now_ns(words_at(rack))
    mode = float_mode()
    set_float_mode(mode | FLUSH_DENORMALS)
    frames = types.int64(frame_count)
    count_block(s, frames, types.int64(flags), start)
    out = carray(output, (frames * s.out_channels,))
    dry = carray(floats_at(s.scratch), (MAX_BLOCK,))
    wet = carray(floats_at(s.scratch + 4 * MAX_BLOCK), (MAX_BLOCK,))
    other = carray(floats_at(s.scratch + 8 * MAX_BLOCK), (MAX_BLOCK,))

    table = load_acquire(rack + AT_TABLE)
    if s.playing == 0:
        s.playing = table
    if s.coming == 0 and table != s.playing:
        s.coming = table
        s.crossfaded = 0

    done = types.int64(0)
    while done < frames:
        n_frames = types.int64(min(MAX_BLOCK, frames - done))
        if s.source != 0:
            if s.source_position == s.source_frames and s.source_loops != 0:
                s.source_position = 0
            if s.source_position < s.source_frames:
                n_frames = min(n_frames, s.source_frames - s.source_position)
            else:
                s.source_done = 1
        bad = read_input(s, interleaved, done, dry, n_frames)
        run_chain(s.head, s.scratch, n_frames)
        play_chains(s, dry, wet, other, n_frames)
        bad += guard(s, wet, n_frames)
        if s.bypass != s.bypassed or s.bypass != 0.0:
            for n in range(n_frames):
                step = s.bypassed - s.bypass
                s.bypass = s.bypassed if abs(step) < 1e-4 else s.bypass + s.bypass_smoothing * step
                wet[n] = wet[n] + s.bypass * (dry[n] - wet[n]) if s.bypass < 1.0 else dry[n]
        s.bad_samples += bad
        run_chain(s.tail, s.scratch + 4 * MAX_BLOCK, n_frames)
        finish_output(s, wet, n_frames)
        if s.source_done == 0:
            record(s, rack, wet, n_frames)
        for n in range(n_frames):
            for channel in range(s.out_channels):
                out[(done + n) * s.out_channels + channel] = wet[n]
        s.meter_frames += n_frames
        if s.coming != 0:
            s.crossfaded += n_frames
            if s.crossfaded >= s.crossfade_frames:
                s.playing = s.coming
                s.coming = 0
                store_release(rack + AT_RELEASED, s.released + 1)
        done += n_frames
    if s.source != 0 and s.source_loops == 0 and s.source_position == s.source_frames:
        s.source_done = 1
    answer_meter(s)

    elapsed = now_ns(words_at(rack)) - start
    load = elapsed * s.sample_rate / (1e9 * max(frames, 1))
    s.max_load = max(s.max_load, load)
    count_in(s.load_histogram, types.int64(load * 1e6))
    set_float_mode(mode)
    return types.intc(0)
