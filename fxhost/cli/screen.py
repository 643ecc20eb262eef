"""The live screen: what a player wants to see while playing, and the keys.

What must never leave a small window: the chain, the meters, CLIP and the dropouts. First to go are the details, then
the device, then the keys.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from fxhost.cli.key_commands import HELP, KEY_COMMANDS, RIG_COMMANDS, SCENE_COMMANDS
from fxhost.cli.keys import Presses
from fxhost.cli.screen_details import detail_rows, info
from fxhost.cli.screen_keys import key_row
from fxhost.cli.screen_loops import loop_rows
from fxhost.cli.screen_meters import FULL_SCALE_DB, Meter, draw_level, draw_slider, draw_tuner
from fxhost.cli.screen_rows import Row, arrange, as_text, cell_lines, join_in, shorten, wrap
from fxhost.cli.screen_words import describe_latency
from fxhost.control.commands import Command, Loop, TogglePlayAlong, ToggleSlot
from fxhost.engine.knobs import KnobBoard
from fxhost.engine.rack import Rack
from fxhost.engine.statistics import MeterReading, Statistics
from fxhost.io.realtime import LockedMemory, read_scheduling
from fxhost.io.streams import Stream
from fxhost.rig.pitch import Note
from fxhost.rig.slot import Slot

NOTE_S = 10.0
NAME_WIDTH = 18  # of an effect in its row, at most
LINK = " ▸ "  # between two effects of the chain


@dataclass
class Picture:
    """The screen at a moment, which takes the shape of the window that it is shown in."""

    screen: "Screen"
    now: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.height
        yield Text("\n").join(self.lines(options.max_width, height))

    def lines(self, width: int, height: int) -> list[Text]:
        """What stands in each line of a window, in cells."""
        rows = self.screen.rows(width, self.now)
        return list(cell_lines(arrange(rows, height), width))


@dataclass
class Screen:
    """What the screen shows, and what the keys mean.

    Parameters
    ----------
    slots : sequence of Slot
        The places of the rack.
    engine : str
    rack : Rack
    stream : Stream
    locked_memory : LockedMemory
    knobs : KnobBoard
    is_on : list of bool
        For each preset whether it is heard; shared with the session.
    recording : str
        The name of the file that is recorded into, or nothing.
    has_keys : bool
        Whether there is a terminal to type in.
    scene : str
        The name of the scene that plays; its number where it has none.
    scenes, rigs : int
        How many scenes the rig has, and how many rigs the set list or folder has.
    rig_name : str
        In the set list, with its number.
    is_tuning : bool
        Whether the tuner is open.
    pitch : Note or None
        The note that it hears.
    wants_learn : bool
        Whether the next MIDI controller that moves shall turn the chosen knob.
    learned : object
        The MIDI binding that was told last.
    """

    slots: Sequence[Slot]
    engine: str
    rack: Rack
    stream: Stream
    locked_memory: LockedMemory
    knobs: KnobBoard = field(default_factory=lambda: KnobBoard(()))
    is_on: Sequence[bool] = ()
    recording: str = ""
    has_keys: bool = True
    scene: str = ""
    scenes: int = 1
    rigs: int = 1
    rig_name: str = ""
    is_tuning: bool = False
    wants_learn: bool = False
    learned: object = None
    pitch: Note | None = None
    input_meter: Meter = field(default_factory=Meter)
    output_meter: Meter = field(default_factory=Meter)
    page: str = ""  # '', 'details' or 'help'
    _presses: Presses = field(default_factory=Presses)
    _limited: int = 0
    _dropouts: int = 0
    _dropped_at: float = 0.0
    _note: str = ""
    _noted_at: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def update(self, levels: MeterReading | None) -> None:
        """Take new levels, if there are any."""
        if levels is not None:
            now = time.monotonic()
            self.input_meter.update(levels.input_peak_db, levels.input_rms_db, now)
            self.output_meter.update(levels.output_peak_db, levels.output_rms_db, now)
            if levels.input_peak_db >= FULL_SCALE_DB:
                self.input_meter.clip(now)

    def note(self, text: str) -> None:
        """Show a line for some seconds."""
        self._note, self._noted_at = text, time.monotonic()

    def type(self, typed: str) -> list[Command]:
        """The commands that a player means by all that was typed since the last call."""
        commands = [self.press(key) for key in self._presses.take(typed, time.monotonic())]
        return [command for command in commands if command is not None]

    def press(self, key: str) -> Command | None:
        """The command that a key means, if any; a key that turns a page of the screen is done at once."""
        page = {"d": "details", "?": "help"}.get(key)
        if page is not None:
            self.page = "" if self.page == page else page
        self.wants_learn |= key == "l"
        if self.rigs > 1 and key in RIG_COMMANDS:
            return RIG_COMMANDS[key]
        if self.scenes > 1 and key in SCENE_COMMANDS:
            return SCENE_COMMANDS[key]
        if key == "x" and self.knobs.places:
            return ToggleSlot(self.knobs.places[self.knobs.chosen][0])
        command = KEY_COMMANDS.get(key)
        if isinstance(command, Loop) and self.rack.looper is None:
            self.note("loop: start with --looper")
        elif command == TogglePlayAlong() and self.rack.play_along is None:
            self.note("song: start with --play-along FILE")
        return command

    def draw(self) -> Picture:
        """The whole screen, for any window."""
        return Picture(self, time.monotonic())

    # --- its rows; the higher the rank of a form, the sooner it gives way ---------------------------------------------

    def rows(self, width: int, now: float) -> list[Row]:
        """The screen from top to bottom for a window of so many columns."""
        statistics = self.rack.statistics()
        if statistics.limited_samples > self._limited:
            self.output_meter.clip(now)
            self._limited = statistics.limited_samples
        if statistics.xruns.total > self._dropouts:
            self._dropouts, self._dropped_at = statistics.xruns.total, now
        notes = [info("note", [self._note], width, 60, 30)] if self._note and now - self._noted_at <= NOTE_S else []
        top = [
            self._chain_row(width, now),
            *self._scene_rows(width),
            *([Row([[draw_tuner(self.pitch, width)]], [4])] if self.is_tuning else []),
            Row([[draw_level("input", self.input_meter, self.rack.input_gain_db, width, now)]], [5]),
            Row([[draw_level("output", self.output_meter, self.rack.output_gain_db, width, now)]], [6]),
            *loop_rows(self.rack, width),
        ]
        if self.page == "help":
            return [
                *top,
                *(Row([[shorten(line, width)]], [30 + n]) for n, line in enumerate(HELP)),
                self._dropout_row(statistics, width, now),
            ]
        return [
            *top,
            *(self._slot_row(n, width) for n in range(len(self.slots))),
            *notes,
            self._device_row(statistics, width),
            self._dropout_row(statistics, width, now),
            *(self._detail_rows(statistics, width) if self.page == "details" else []),
            key_row(self.rack, self.knobs, width, self.scenes, self.rigs, has_keys=self.has_keys),
        ]

    def _chain_row(self, width: int, now: float) -> Row:
        status = Text()
        mute = "TUNER" if self.is_tuning else "MUTE"
        rack = self.rack
        for word, is_on in (("BYPASS", rack.is_bypassed), (mute, rack.is_muted), ("HOWL", rack.is_cut)):
            if is_on:
                status.append("  ").append(f" {word} ", style="reverse")
        room = max(1, width - status.cell_len)
        names = [as_text(slot.name).plain for slot in self.slots]
        numbered = [f"{n + 1} {name}" for n, name in enumerate(names)]
        if len(names) > 1 and _link_length(numbered) <= room:  # else the order tells the number
            names = numbered
        names = [name if self._plays(n) else f"({name})" for n, name in enumerate(names)]
        short = Text.assemble((join_in(names, LINK, room), "bold"), status)
        seconds = int(max(0.0, now - self._began))
        clock = f"{seconds // 3600}:" if seconds >= 3600 else ""
        clock += f"{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        if _link_length(names) > room:
            long = wrap([name if n == 0 else f"▸ {name}" for n, name in enumerate(names)], room)
            long[0].append_text(status)
            return Row([long, [short]], [50, 0])
        gap = width - short.cell_len - len(clock)
        if gap >= len("fxhost") + 4:
            short = Text.assemble(("fxhost  ", "dim"), short, " " * (gap - len("fxhost  ")), (clock, "dim"))
        return Row([[short]], [0])

    def _scene_rows(self, width: int) -> list[Row]:
        """The scene, and the place in the set list, where there is more than one."""
        pieces = [self.rig_name] if self.rigs > 1 else []
        if self.scenes > 1:
            pieces.append(f"scene {self.scene}")
        return [Row([[shorten(Text(" · ".join(pieces), "bold"), width)]], [7])] if pieces else []

    def _plays(self, n: int) -> bool:
        return n >= len(self.is_on) or self.is_on[n]

    def _slot_row(self, n: int, width: int) -> Row:
        """One place: its number and name, whether it is on, what it adds in latency, and its knobs."""
        name_width = min(NAME_WIDTH, max(4, width // 3))
        name = shorten(f"{n + 1} {as_text(self.slots[n].name).plain}", name_width)
        name.pad_right(name_width - name.cell_len)
        state = Text("  on    ", "green") if self._plays(n) else Text("  BYPASS", "reverse")
        lead = Text.assemble(name, state, " ")
        pieces: list[str | Text] = []
        slot = self.slots[n]
        if slot.kind != "effect":
            pieces.append(slot.kind)
        if slot.latency_frames:
            word, seconds = "aligned" if slot.kind == "blend" else "resampled", slot.latency_frames / slot.sample_rate
            pieces.append(f"{word}, +{1000 * seconds:.1f} ms")
        knobs = self._knobs_of(n)
        lines = wrap([*pieces, *(self._slider(index) for index in knobs)], width, label_width=lead.cell_len) or [Text()]
        long = [Text.assemble(lead, lines[0][lead.cell_len :]), *lines[1:]] if pieces or knobs else [lead]
        chosen = [index for index in knobs if index == self.knobs.chosen]
        if not chosen:
            return Row([long, [lead]] if len(long) > 1 else [long], [52, 44] if len(long) > 1 else [44])
        return Row([long, [shorten(self._slider(chosen[0]), width)]], [46, 22])

    def _knobs_of(self, n: int) -> list[int]:
        """The parameters of a slot that are shown: not those that are seldom turned."""
        parameters = self.knobs.parameters
        return [
            index for index, (slot, _) in enumerate(self.knobs.places) if slot == n and not parameters[index].is_fine
        ]

    def _slider(self, index: int) -> Text:
        slot, knob = self.knobs.places[index]
        is_chosen, value = index == self.knobs.chosen, self.knobs.values[slot][knob]
        return draw_slider(self.knobs.names[index], self.knobs.parameters[index], value, is_chosen)

    def _device_row(self, statistics: Statistics, width: int) -> Row:
        stream = self.stream
        pieces = [stream.name, f"{stream.sample_rate / 1000:g} kHz", describe_latency(stream.latency)]
        load = f"load {statistics.load.p99:.0%}"
        long = shorten(" · ".join([*pieces, load]), width)
        return Row([[long], [shorten(load, width)]], [65, 28])

    def _dropout_row(self, statistics: Statistics, width: int, now: float) -> Row:
        count = statistics.xruns.total
        text = Text(f"dropouts {count}", "" if count == 0 else "yellow")
        if count:
            text.append(f", the last {max(0.0, now - self._dropped_at):.0f} s ago")
        if statistics.bad_samples:
            text.append(f"   bad samples {statistics.bad_samples}", "red")
        if self.recording:
            recording = Text(f"● REC {as_text(self.recording).plain}", "red")
            text.append(" " * max(3, width - text.cell_len - recording.cell_len)).append_text(recording)
        return Row([[shorten(text, width)]], [8])

    def _detail_rows(self, statistics: Statistics, width: int) -> list[Row]:
        grants = read_scheduling(self.rack.thread), self.locked_memory
        return detail_rows(self.stream, self.engine, self.slots, statistics, grants, width)


def _link_length(names: Sequence[str]) -> int:
    return sum(map(cell_len, names)) + len(LINK) * (len(names) - 1)
