"""From the slots of a rack to its stages, for either engine."""

from collections.abc import Sequence

from fxhost.engine.knobs import Settable
from fxhost.rig.built import count_channels
from fxhost.rig.slot import Slot
from fxhost.stages.base import Stage


class Chain(list[Stage]):
    """Stages in the order in which they play.

    Parameters
    ----------
    stages : sequence of Stage
    turned : sequence of sequence of Settable
        For each slot what has its parameters.
    """

    def __init__(self, stages: Sequence[Stage], turned: Sequence[Sequence[Settable]] = ()) -> None:
        super().__init__(stages)
        self.turned = turned


def build_chain(slots: Sequence[Slot], engine: str = "compiled", inputs: int = 1) -> Chain:
    """Fresh stages that play these slots in series.

    Parameters
    ----------
    slots : sequence of Slot
    engine : {'compiled', 'torchscript'}
        The compiled kernel, or the TorchScript module itself, which runs code from the file.
    inputs : {1, 2}
        Channels that come in; with two, everything is played twice.
    """
    head: list[Stage] = []
    body: list[Stage] = []
    waiting: list[Stage] = []  # for the last effect to be over
    last_effect = max((n for n, slot in enumerate(slots) if slot.effects), default=-1)
    turned = []
    channels = inputs
    for n, slot in enumerate(slots):
        built = slot.build(engine, channels)
        head += built.head
        (waiting if built.after_effects and n < last_effect else body).extend(built.stages)
        turned.append(built.turned)
        channels = count_channels(built.stages, channels)
        if n == last_effect:
            body += waiting
    return Chain([*head, *body], turned)
