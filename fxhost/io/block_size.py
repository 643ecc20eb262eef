"""The block size and the buffer that a device is asked for: powers of two, which every interface plays evenly.

What a device calls its low latency is a guess of PortAudio's, such as 418 frames; it only says how long about.
"""

from collections.abc import Iterable

from fxhost.io import jack

BLOCK_FRAMES = 64  # what is asked for where the user leaves it open
ALSA = "ALSA"  # as PortAudio names it
MOST_LATENCY_S = 0.2  # that is asked for unasked
LONGEST_PERIOD_S = 0.022  # of a sound server, as a rule: 1024 frames at 48 kHz


def choose_block_frames(asked: int, host_api: str, server: jack.Server | None) -> tuple[int, int]:
    """The block that is asked for, and what PortAudio is told.

    Parameters
    ----------
    asked : int
        By the user; 0 leaves it open.
    host_api : str
        As PortAudio names it.
    server : jack.Server or None
        Where JACK plays.

    Returns
    -------
    asked : int
        In frames; 0 leaves it to the device.
    told : int
        0 lets PortAudio pass on the blocks of the server as they come: any other number costs a block of latency, for
        PortAudio then cuts and joins them. PipeWire was asked by `ask_pipewire`.
    """
    if host_api != jack.HOST_API or server is None:
        is_jack = host_api == jack.HOST_API  # it runs at a period that nobody tells
        told = asked or (0 if is_jack else BLOCK_FRAMES)
        return told, told
    if server.is_pipewire:
        return asked or BLOCK_FRAMES, 0
    return asked or server.period_frames, 0 if asked == server.period_frames else asked


def choose_latency(low_s: Iterable[float | None], block_frames: int, host_api: str, sample_rate: float) -> float | None:
    """The latency in seconds that PortAudio is told where the user wants a low one; None leaves it the device's word.

    Parameters
    ----------
    low_s : iterable of float or None
        What each device claims to be low, in seconds; None is unknown.
    block_frames : int
        As PortAudio is told; 0 leaves it open.
    host_api : str
        Only of ALSA is it known what PortAudio makes of a latency.
    sample_rate : float
        In Hz.

    Returns
    -------
    float or None
        What makes the period 1, 2, 4, 8, … blocks long, so that the buffer holds four periods or a little more, and is
        not shorter than the claims.

    Notes
    -----
    As `PaAlsaStreamComponent_DetermineFramesPerBuffer` and `_FinishConfigure` of PortAudio's `pa_linux_alsa.c` have it:
    a period is (block + latency) / 4, rounded up to whole blocks, and the buffer is one period and the latency.
    """
    known = [way for way in low_s if way is not None]
    if host_api != ALSA or not block_frames or not known:
        return None
    wanted = max(known) * sample_rate + block_frames
    period = block_frames
    while (latency := max(3 * period, 4 * (period - block_frames))) + period < wanted:
        period *= 2
    return (latency + 0.5) / sample_rate  # PortAudio cuts off what is less than a frame


def choose_longer_latency(told_s: float | Iterable[float], wake_s: float) -> float | None:
    """The latency in seconds that a starving stream is to be opened with; None where it would be too long.

    Parameters
    ----------
    told_s : float or iterable of float
        What PortAudio was told, or what it tells of each way.
    wake_s : float
        How far apart the device calls, in seconds; 0 where it has not.
    """
    last_s = told_s
    if not isinstance(last_s, float | int):
        last_s = max((way_s for way_s in last_s if 0 <= way_s < MOST_LATENCY_S), default=0.0)
    wanted = max(2 * last_s, 1.5 * min(wake_s, LONGEST_PERIOD_S))
    return wanted if 0 < wanted <= MOST_LATENCY_S else None
