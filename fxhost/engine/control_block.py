"""The memory that Python and the audio thread share, and the types of the callback that gets its address."""

import ctypes
from typing import Any

import numpy as np
from numba import from_dtype, types

from fxhost.stages.base import PLANE, offset_of

MAX_BLOCK = PLANE  # frames that go through the rack at once; a longer block is cut
CHANGES = 1024  # parameters that Python may set before a block comes; a power of two
CHANGE_WORDS = 3  # address of the parameter, its value (float32), and the frame at which it was set

CONTROL = np.dtype(
    [
        ("clock", "i8", 2),  # scratch of the clock; must be first
        # written by Python before the stream starts
        ("starting", "i8"),  # 1 until the first block of a stream has come
        ("in_channels", "i8"),
        ("in_channel", "i8"),
        ("inputs", "i8"),  # channels of the rack's input: 1 or 2
        ("right_in_channel", "i8"),
        ("out_channels", "i8"),
        ("sample_rate", "f8"),
        ("scratch", "i8"),  # address of 3 × 2 × MAX_BLOCK float32
        ("head", "i8"),  # tables that stay
        ("tail", "i8"),
        ("fade_in_frames", "i8"),
        ("crossfade_frames", "i8"),
        ("bypass_smoothing", "f4"),
        ("source", "i8"),  # address of float32 to play instead of the input, or 0
        ("source_channels", "i8"),
        ("source_frames", "i8"),
        ("source_loops", "i8"),
        ("heard", "i8"),  # address of float32 (2, heard_size): what went into the chain last
        ("heard_size", "i8"),  # a power of two
        ("sent", "i8"),  # address of float32 (heard_size,): what left the rack last, the mean of both channels
        ("changes", "i8"),  # address of int64 (CHANGES, CHANGE_WORDS)
        ("load_histogram", "i8"),  # addresses of int64 (BUCKETS,)
        ("interval_histogram", "i8"),
        # written by Python while it plays
        ("table", "i8"),  # the chain that shall play
        ("monitor", "i8"),  # a table of what is only heard
        ("changes_written", "i8"),
        ("bypassed", "f4"),  # 0 or 1
        ("ring", "i8"),  # address of float32 (ring_size, ring_channels + inputs) that records, or 0
        ("ring_size", "i8"),
        ("ring_channels", "i8"),  # of the output; those of the dry input come after them
        ("ring_read", "i8"),
        ("state_table", "i8"),  # a table of the stages whose state is kept on request
        ("kept", "i8"),  # address of int64: where their states go, one after the other
        ("state_request", "i8"),
        ("meter_request", "i8"),
        # written by the callback
        ("playing", "i8"),  # the chain that does play
        ("coming", "i8"),  # the chain that is being faded in, or 0
        ("coming_since", "i8"),  # the frame at which the last crossfade began
        ("crossfaded", "i8"),  # frames of the crossfade that are done
        ("released", "i8"),  # crossfades completed: as many old chains may be freed
        ("changes_read", "i8"),
        ("heard_frames", "i8"),  # so many frames have gone into the chain
        ("sent_frames", "i8"),  # so many have left the rack
        ("faded_in", "i8"),
        ("bypass", "f4"),
        ("source_position", "i8"),
        ("source_done", "i8"),
        ("ring_written", "i8"),
        ("ring_lost", "i8"),
        ("state_answered", "i8"),  # the last request that was answered
        ("kept_frame", "i8"),  # when: before the frame with this number was played
        ("kept_position", "i8"),  # which is written at this position of the ring
        ("kept_bypass", "f4"),
        ("kept_faded_in", "i8"),
        ("thread", "i8"),  # the number of the thread that played the stream's first block, or 0
        ("blocks", "i8"),
        ("frames", "i8"),
        ("block_frames", "i8"),  # of the last block
        ("first_block_ns", "i8"),
        ("last_block_ns", "i8"),
        ("input_underflows", "i8"),
        ("input_overflows", "i8"),
        ("output_underflows", "i8"),
        ("output_overflows", "i8"),
        ("bad_samples", "i8"),
        ("max_load", "f8"),
        ("input_peak", "f4"),  # since the start
        ("output_peak", "f4"),
        ("meter_answered", "i8"),  # the last request that was answered
        ("meter", "f4", 4),  # input peak, output peak, sums of squares: being gathered
        ("meter_frames", "i8"),
        ("metered", "f4", 4),  # the answer
        ("metered_frames", "i8"),
    ],
    align=True,
)


AT_TABLE, AT_RELEASED, AT_RING, AT_RING_READ, AT_RING_WRITTEN, AT_CHANGES_WRITTEN, AT_CHANGES_READ, AT_HEARD = (
    offset_of(CONTROL, field)
    for field in (
        *("table", "released", "ring", "ring_read", "ring_written", "changes_written", "changes_read", "heard_frames"),
    )
)
AT_STATE_REQUEST, AT_STATE_ANSWERED, AT_BYPASSED = (
    offset_of(CONTROL, field) for field in ("state_request", "state_answered", "bypassed")
)

AT_SENT, AT_MONITOR = offset_of(CONTROL, "sent_frames"), offset_of(CONTROL, "monitor")

Block = np.ndarray[Any, np.dtype[np.float32]]  # (2 × MAX_BLOCK,): left, right; the first `frames` of each count

_c_ulong = types.uint64 if ctypes.sizeof(ctypes.c_ulong) == 8 else types.uint32


def callback_signature(user_data: np.dtype[Any]) -> Any:
    """The numba type of a `PaStreamCallback` whose user data is a record."""
    return types.intc(
        types.CPointer(types.float32),  # input, interleaved
        types.CPointer(types.float32),  # output, interleaved
        _c_ulong,  # frames
        types.voidptr,  # PaStreamCallbackTimeInfo: not needed, `now_ns` is the same clock on every host API
        _c_ulong,  # PaStreamCallbackFlags
        types.CPointer(from_dtype(user_data)),
    )


# The same type for Python, to drive the callback without a device. Python releases the GIL around the call.
PROTOTYPE = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
)
