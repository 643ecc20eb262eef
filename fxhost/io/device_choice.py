"""The devices and the rate of a run, where the options leave them open."""

from collections.abc import Callable, Sequence

from fxhost.errors import DeviceError
from fxhost.io.devices import Device, choose_device, find_rate, takes_rate
from fxhost.io.stream_options import Options

USUAL_RATE = 48_000  # Hz: of the virtual device, where nothing asks for another
Devices = tuple[Device | None, Device]


def choose_devices(options: Options, notice: Callable[[str], None]) -> Devices | None:
    """The input (None where a file plays) and the output; None where there is no sound and the user named none.

    Raises
    ------
    DeviceError
        If there is no such device.
    """
    try:
        output = choose_device(options.output_device, "output")
        return None if options.input_file is not None else choose_device(options.input_device, "input"), output
    except DeviceError as err:
        if options.input_device or options.output_device:
            raise
        notice(f"{err}. Playing the virtual device instead")
        return None


def choose_sample_rate(
    rates: Sequence[int], devices: Devices | None, *, tells: bool, notice: Callable[[str], None]
) -> int:
    """The first of the wanted rates that the devices take, or else their own, in Hz.

    Parameters
    ----------
    rates : sequence of int
        None where a rig has no network.
    devices : (Device or None, Device), optional
        The virtual device, which takes any, where there are none.
    tells : bool
        Whether to tell where it is the devices' own.
    notice : callable
    """
    if devices is None:
        return rates[0] if rates else USUAL_RATE
    if taken := [rate for rate in rates if takes_rate(*devices, rate)]:
        return taken[0]
    output = devices[1]
    own = find_rate(*devices, output.sample_rate)
    if rates and tells:
        refused = " or ".join(map(str, rates))
        notice(f"{output} does not play at {refused} Hz. Playing at its own {own} Hz")
    return own
