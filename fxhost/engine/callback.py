"""The PortAudio callback: the one function that the audio thread runs.

It is a numba `cfunc` of PortAudio's own type `PaStreamCallback`, compiled once and cached on disk. Its user data is one
`CONTROL` record that Python owns; each field has one writer.

    input or source ─► head ─► chain (crossfading to the next) ─► guard ─► bypass mix ─► tail ─► monitor ─► outputs

Head, guard, bypass mix, tail and monitor handle both channels of a block; where the input or a chain is mono, the right
channel is a copy of the left one. What comes out of the tail is measured and recorded; the monitor adds what is only
heard.

Denormal numbers count as zero from the first line of the callback to its last, so that a fade costs no more than music.
The guard turns a block with NaN, infinity or a runaway level into silence and resets the chain; a fade-in follows.
"""

from typing import Any

import numpy as np
from numba import types

from fxhost.engine.chain_playing import RUNAWAY, guard, play_chains, run_chain
from fxhost.engine.control_block import (
    AT_CHANGES_READ,
    AT_CHANGES_WRITTEN,
    AT_HEARD,
    AT_MONITOR,
    AT_RELEASED,
    AT_SENT,
    AT_TABLE,
    CHANGE_WORDS,
    CHANGES,
    CONTROL,
    MAX_BLOCK,
    Block,
    callback_signature,
)
from fxhost.engine.histogram import count_in
from fxhost.engine.tape_writing import keep_state, record_dry, record_wet
from fxhost.native.blocks import after, clear, copy
from fxhost.native.code_cache import cached_cfunc
from fxhost.native.inlining import inlined
from fxhost.native.intrinsics import (
    FLUSH_DENORMALS,
    address_of,
    float_mode,
    floats_at,
    larger,
    load_acquire,
    now_ns,
    record_at,
    set_float_mode,
    smaller,
    store_release,
    thread_number,
    words_at,
)

CHANGES_A_BLOCK = 256  # the others wait for the next one
INPUT_UNDERFLOW, INPUT_OVERFLOW, OUTPUT_UNDERFLOW, OUTPUT_OVERFLOW = 1, 2, 4, 8  # PaStreamCallbackFlags


@inlined
def apply_changes(s: Any, rack: int) -> None:
    """Set the parameters that Python has changed since the last block, and note at which frame."""
    waiting = load_acquire(rack + AT_CHANGES_WRITTEN) - s.changes_read
    first = s.frames - s.block_frames
    for n in range(s.changes_read, s.changes_read + smaller(waiting, CHANGES_A_BLOCK)):
        at = s.changes + 8 * CHANGE_WORDS * (n & (CHANGES - 1))
        change = words_at(at)
        floats_at(change[0])[0] = floats_at(at + 8)[0]
        change[2] = first
    store_release(rack + AT_CHANGES_READ, s.changes_read + smaller(waiting, CHANGES_A_BLOCK))


@inlined
def read_input(s: Any, interleaved: Any, first: int, dry: Block, frames: int) -> int:
    """Fill `dry` from the input or the source; samples that are no signal become 0. Return how many were."""
    bad = 0
    peak, energy = np.float32(0.0), np.float32(0.0)
    for channel in range(s.inputs):
        side = after(dry, channel * MAX_BLOCK)
        given, step, count = side, 1, 0
        if s.source != 0:
            first_sample = s.source_position * s.source_channels + smaller(channel, s.source_channels - 1)
            given, step = after(floats_at(s.source), first_sample), s.source_channels
            count = smaller(frames, s.source_frames - s.source_position)
        elif s.in_channels > 0:
            of_device = s.in_channel if channel == 0 else s.right_in_channel
            given, step, count = after(interleaved, first * s.in_channels + of_device), s.in_channels, frames
        clear(after(side, count), frames - count)
        for n in range(count):
            side[n] = given[n * step]
        for n in range(frames):
            level = abs(side[n])
            if not level <= RUNAWAY:
                side[n] = 0.0
                level = np.float32(0.0)
                bad += 1
            peak = larger(peak, level)
            energy += level * level
    if s.source != 0:
        s.source_position += smaller(frames, s.source_frames - s.source_position)
    s.input_peak = larger(s.input_peak, peak)
    s.meter[0] = larger(s.meter[0], peak)
    s.meter[2] += energy / np.float32(s.inputs)
    return bad


@inlined
def keep_heard(s: Any, rack: int, dry: Block, frames: int) -> None:
    """Fill the right channel where the input is mono, and keep what goes into the chain."""
    right = after(dry, MAX_BLOCK)
    if s.inputs == 1:
        copy(right, dry, frames)
    heard = floats_at(s.heard)
    for n in range(frames):
        at = (s.heard_frames + n) & (s.heard_size - 1)
        heard[at] = dry[n]
        heard[s.heard_size + at] = right[n]
    store_release(rack + AT_HEARD, s.heard_frames + frames)


@inlined
def mix_bypass(s: Any, dry: Block, wet: Block, frames: int) -> None:
    """Glide to the dry signal, or back."""
    if s.bypass != s.bypassed or s.bypass != 0.0:
        for n in range(frames):
            step = s.bypassed - s.bypass
            s.bypass = s.bypassed if abs(step) < 1e-4 else s.bypass + s.bypass_smoothing * step
            for at in (n, n + MAX_BLOCK):
                wet[at] = wet[at] + s.bypass * (dry[at] - wet[at]) if s.bypass < 1.0 else dry[at]


@inlined
def finish_output(s: Any, rack: int, wet: Block, frames: int) -> None:
    """Fade in after a start, measure, and keep what leaves the rack."""
    if s.faded_in < s.fade_in_frames:
        for n in range(frames):
            rise = np.float32(smaller(1.0, (s.faded_in + n) / s.fade_in_frames))
            wet[n] *= rise
            wet[n + MAX_BLOCK] *= rise
        s.faded_in += frames
    sent = floats_at(s.sent)
    peak, energy = np.float32(0.0), np.float32(0.0)
    for n in range(frames):
        left, right = wet[n], wet[n + MAX_BLOCK]
        sent[(s.sent_frames + n) & (s.heard_size - 1)] = np.float32(0.5) * (left + right)
        peak = larger(peak, larger(abs(left), abs(right)))
        energy += np.float32(0.5) * (left * left + right * right)
    store_release(rack + AT_SENT, s.sent_frames + frames)
    s.output_peak = larger(s.output_peak, peak)
    s.meter[1] = larger(s.meter[1], peak)
    s.meter[3] += energy


@inlined
def write_output(s: Any, rack: int, wet: Block, out: Any, first: int, frames: int) -> None:
    """Left to the odd channels of the device, right to the even ones; to a single channel the mean of both.

    Before that the monitor adds what is only heard.
    """
    run_chain(load_acquire(rack + AT_MONITOR), s.scratch + 8 * MAX_BLOCK, frames)
    for n in range(frames):
        if s.out_channels == 1:
            out[first + n] = np.float32(0.5) * (wet[n] + wet[n + MAX_BLOCK])
        else:
            for channel in range(s.out_channels):
                out[(first + n) * s.out_channels + channel] = wet[(channel & 1) * MAX_BLOCK + n]


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
    s = record_at(control)
    rack = address_of(control)
    start = now_ns(words_at(rack))
    mode = float_mode()
    set_float_mode(mode | FLUSH_DENORMALS)
    frames = types.int64(frame_count)
    count_block(s, frames, types.int64(flags), start)
    dry = floats_at(s.scratch)
    wet = floats_at(s.scratch + 8 * MAX_BLOCK)
    other = floats_at(s.scratch + 16 * MAX_BLOCK)
    apply_changes(s, rack)

    table = load_acquire(rack + AT_TABLE)
    if s.playing == 0:
        s.playing = table
    if s.coming == 0 and table != s.playing:
        s.coming = table
        s.coming_since = s.frames - frames
        s.crossfaded = 0

    done = types.int64(0)
    while done < frames:
        n_frames = types.int64(smaller(MAX_BLOCK, frames - done))
        if s.source != 0:
            if s.source_position == s.source_frames and s.source_loops != 0:
                s.source_position = 0
            if s.source_position < s.source_frames:
                n_frames = smaller(n_frames, s.source_frames - s.source_position)
            else:
                s.source_done = 1
        bad = read_input(s, interleaved, done, dry, n_frames)
        keep_state(s, rack, s.frames - frames + done)
        records = record_dry(s, rack, dry, n_frames)
        run_chain(s.head, s.scratch, n_frames)
        keep_heard(s, rack, dry, n_frames)
        play_chains(s, dry, wet, other, n_frames)
        bad += guard(s, wet, n_frames)
        mix_bypass(s, dry, wet, n_frames)
        s.bad_samples += bad
        run_chain(s.tail, s.scratch + 8 * MAX_BLOCK, n_frames)
        finish_output(s, rack, wet, n_frames)
        if records:
            record_wet(s, rack, wet, n_frames)
        write_output(s, rack, wet, output, done, n_frames)
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
    load = elapsed * s.sample_rate / (1e9 * larger(frames, 1))
    s.max_load = larger(s.max_load, load)
    count_in(s.load_histogram, types.int64(load * 1e6))
    set_float_mode(mode)
    return types.intc(0)
