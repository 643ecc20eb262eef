"""From the slots of a rack to its stages, for either engine."""

from collections.abc import Sequence

from fxhost.engine.chain import planned_stage
from fxhost.rig.slot import Slot
from fxhost.stages.base import Stage
from fxhost.stages.dc_blocker import DcBlocker
from fxhost.stages.gain import Gain


def build_chain(slots: Sequence[Slot], engine: str = "compiled") -> list[Stage]:
    """The stages that play these slots in series.

    Parameters
    ----------
    slots : sequence of Slot
        At least one.
    engine : {'compiled', 'torchscript'}
        The compiled kernel, or the TorchScript module itself, which runs code from the file.
    """
    return [stage for slot in slots for stage in build_slot(slot, engine)]


def build_slot(slot: Slot, engine: str = "compiled") -> list[Stage]:
    """The stages of one slot: its network, a DC blocker if that puts out an offset, and its gains that are not 0 dB."""
    preset, plan = slot.preset, slot.plan
    network: Stage
    if engine == "torchscript":
        from fxhost.reference.torchscript import TorchScriptStage  # only now, since it needs torch

        network = TorchScriptStage(preset)
    else:
        network = planned_stage(preset, plan)
    before, after = ([Gain(db, plan.sample_rate)] if db else [] for db in (slot.gains.input_db, slot.gains.output_db))
    blockers = [DcBlocker(preset.silent_output, plan.sample_rate)] if slot.needs_dc_blocker else []
    return [*before, network, *blockers, *after]
