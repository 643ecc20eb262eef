"""The block size that a device is asked for."""

from fxhost.io import jack

BLOCK_FRAMES = 64  # what is asked for where the user leaves it open
EXACT_APIS = ("ALSA", "Core Audio", "OSS", "PulseAudio")  # the other ones have periods of their own


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
        told = asked or (BLOCK_FRAMES if host_api in EXACT_APIS else 0)
        return told, told
    if server.is_pipewire:
        return asked or BLOCK_FRAMES, 0
    return asked or server.period_frames, 0 if asked == server.period_frames else asked
