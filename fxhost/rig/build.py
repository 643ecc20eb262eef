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
    waiting: list[int] = []  # slots, for the last effect to be over
    last_effect = max((n for n, slot in enumerate(slots) if slot.effects), default=-1)
    turned: list[Sequence[Settable]] = [() for _ in slots]
    channels = inputs

    def place(n: int) -> None:
        nonlocal channels
        built = slots[n].build(engine, channels)
        if built.after_effects and n < last_effect and n not in waiting:
            waiting.append(n)  # it is built for the channels that there are then
            return
        for listener in built.head:
            listener.channel = min(listener.channel, inputs - 1)  # a side that a cabinet makes has no input of its own
        head.extend(built.head)
        body.extend(built.stages)
        turned[n] = built.turned
        channels = count_channels(built.stages, channels)

    for n in range(len(slots)):
        place(n)
        if n == last_effect:
            for each in waiting:
                place(each)
    return Chain([*head, *body], turned)
