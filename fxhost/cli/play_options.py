"""The options of the commands that play: run, render, capture, bench, devices, doctor."""

import argparse
from pathlib import Path

from fxhost.cli.options import (
    BENCH_PRESETS,
    PRESET,
    Group,
    add_connections,
    add_device,
    add_engine,
    add_force,
    add_json,
    add_sample_rate,
    add_sound,
    channel,
    number,
)


def add_run(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost run`."""
    command.add_argument(
        "presets",
        nargs="+",
        metavar="PRESET",
        help=f"{PRESET}; or instead one rig file or one folder",
    )
    sound = command.add_argument_group("sound")
    add_sound(sound)
    sound.add_argument(
        "--howl-guard", action="store_true", help="turn the output down while a loudspeaker feeds back into the input"
    )
    device = command.add_argument_group("device")
    add_device(device, two_inputs=True)
    device.add_argument(
        "--block-frames",
        type=number(1, 65536, int, "frames"),
        default=0,
        metavar="FRAMES",
        help="length of a block, 1 to 65536 frames (default: 64, or that of the JACK server)",
    )
    add_sample_rate(device, "the input file's, the presets', or the device's")
    device.add_argument(
        "--patience",
        type=number(0, 1e6, unit="s"),
        default=60.0,
        metavar="S",
        help="how long to wait for a device or sound server that goes away while playing, 0 to 1000000 s (default 60)",
    )
    control = command.add_argument_group("control")
    control.add_argument(
        "--midi",
        nargs="?",
        const="",
        metavar="PORT",
        help="listen to the MIDI ports with PORT in their names (default: to all). A rig file says what they control; "
        "apart from that, programs choose scenes (in a folder, or a set list of rigs without scenes: rigs), "
        "controller 7 is the output volume, 11 the input volume, 64 the bypass, 20 to 27 turn the first knobs, 80 to "
        "83 record, play, undo and clear the loop, 85 starts and stops the song, 102 to 110 switch slots",
    )
    control.add_argument(
        "--web",
        nargs="?",
        const="",
        metavar="HOST:PORT",
        help="serve a page that controls the rig from a browser, and print its address (default: 127.0.0.1:8765, for "
        "this machine alone; 0.0.0.0:8765 lets a phone in the same network in)",
    )
    add_beside(command.add_argument_group("beside the rig"))
    recording = command.add_argument_group("recording")
    recording.add_argument(
        "--input-file", type=Path, metavar="DRY.wav", help="play this recording once instead of the input"
    )
    recording.add_argument("--output-file", type=Path, metavar="OUT.wav", help="record the output into this file")
    recording.add_argument(
        "--record",
        type=Path,
        metavar="TAKE.wav",
        help="record a take: the output, and beside it the input, which --bits does not round, and all that is done, "
        "so that `fxhost render TAKE.take OUT.wav` plays it again to the bit; the key R begins and ends takes too",
    )
    recording.add_argument(
        "--bits", choices=("16", "24", "32f"), help="bits of a written sample (default: 32f, in .flac 24)"
    )
    recording.add_argument(
        "--duration",
        type=number(0.01, 1e9, unit="s"),
        metavar="S",
        help="stop after this time, 0.01 s or more (default: never, or at the end of --input-file)",
    )
    recording.add_argument("--save", type=Path, metavar="RIG.toml", help="write the rig as it stands at the end")
    add_force(recording)
    advanced = command.add_argument_group("advanced")
    add_engine(advanced)
    add_json(advanced)
    advanced.add_argument(
        "--no-overrun-guard", action="store_true", help="do not bypass a slot that takes longer than its blocks last"
    )
    add_connections(advanced)


def add_beside(group: Group) -> None:
    """What is heard beside the rig."""
    group.add_argument(
        "--looper",
        action="store_true",
        help="a looper behind the rig, for loops of up to 5 minutes: space records, plays and overdubs, s stops, u "
        "undoes, c clears",
    )
    group.add_argument(
        "--play-along",
        type=Path,
        metavar="SONG",
        help="play a song of up to 20 minutes beside the rig, again and again: .wav, .flac, .mp3, .ogg at any rate; it "
        "is heard, but not recorded; a stops and starts it",
    )
    group.add_argument(
        "--play-along-level",
        type=number(-40, 40, unit="dB"),
        default=0.0,
        metavar="DB",
        help="level of the song, −40 to 40 dB (default 0)",
    )


def add_render(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost render`."""
    command.add_argument(
        "words",
        nargs="+",
        metavar="PRESET… IN.wav OUT.wav",
        help="presets or one rig file as for run, a dry recording, and the file to write (.wav, .flac, .ogg, .mp3 and "
        "others); with -o, presets and any number of recordings",
    )
    command.add_argument(
        "-o",
        "--output-folder",
        type=Path,
        metavar="FOLDER",
        help="write each recording into this folder under its name",
    )
    sound = command.add_argument_group("sound")
    add_sound(sound)
    sound.add_argument(
        "--scene", metavar="NAME|N", help="scene of the rig file, by name or number (default: the first)"
    )
    sound.add_argument(
        "--channel",
        "--input-channel",
        type=channel,
        metavar="CHANNEL",
        help="channel of the recording: left, right, or a number from 1 (default: all that differ, each by itself)",
    )
    files = command.add_argument_group("files")
    files.add_argument(
        "--bits", choices=("16", "24", "32f"), help="bits of a written sample (default: 32f, in .flac 24)"
    )
    files.add_argument(
        "--quality", type=number(0.0, 1.0), metavar="Q", help="quality of .ogg and .mp3, 0 to 1 (default: the format's)"
    )
    add_sample_rate(files, "that of the recording")
    files.add_argument(
        "--format", metavar="ENDING", help="with -o: write .flac, .wav or others (default: as each recording)"
    )
    add_force(files)
    advanced = command.add_argument_group("advanced")
    add_engine(advanced)
    add_json(advanced)


def add_capture(capture: argparse.ArgumentParser) -> None:
    """Options of `fxhost capture`."""
    capture.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the folder to write dry.wav and wet.wav into",
    )
    signal = capture.add_argument_group("signal")
    signal.add_argument("--signal", type=Path, metavar="DRY.wav", help="play this recording instead of the test signal")
    signal.add_argument(
        "--signal-channel",
        type=channel,
        metavar="CHANNEL",
        help="channel of DRY.wav: left, right, or a number from 1 (default: the one with the signal)",
    )
    signal.add_argument(
        "--seconds",
        type=number(5, 1200, unit="seconds"),
        metavar="S",
        help="length, 5 to 1200 s (default: 180, or all of DRY.wav)",
    )
    signal.add_argument(
        "--peak",
        type=number(-60, 0, unit="dB"),
        metavar="DB",
        help="peak level, −60 to 0 dB of full scale (default −1, or that of DRY.wav)",
    )
    signal.add_argument("--no-check", action="store_true", help="record at once, without the level check of 5 s before")
    device = capture.add_argument_group("device")
    add_device(device)
    device.add_argument(
        "--block-frames",
        type=number(1, 65536, int, "frames"),
        default=0,
        metavar="FRAMES",
        help="length of a block, 1 to 65536 frames (default: 1024, or that of the JACK server)",
    )
    add_sample_rate(device, "the file's, or 48000 where the device takes it")
    advanced = capture.add_argument_group("advanced")
    add_force(advanced)
    add_json(advanced)
    add_connections(advanced)


def add_bench(bench: argparse.ArgumentParser) -> None:
    """Options of `fxhost bench`."""
    bench.add_argument(
        "presets", nargs="*", default=BENCH_PRESETS, metavar="PRESET", help=f"{PRESET} (default ts-overdrive)"
    )
    modes = bench.add_mutually_exclusive_group()
    modes.add_argument("--stream", action="store_true", help="play on the device: time between blocks, and dropouts")
    modes.add_argument(
        "--loopback", action="store_true", help="measure the latency through a cable from output to input"
    )
    modes.add_argument("--largest-hidden", action="store_true", help="find the largest network that this machine plays")
    modes.add_argument("--smallest-block", action="store_true", help="find the smallest block that this machine plays")
    bench.add_argument(
        "--block-frames",
        type=number(1, 65536, int, "frames"),
        nargs="+",
        metavar="FRAMES",
        help="length of a block, 1 to 65536 frames, or several (default: 16 to 1024; for --largest-hidden 64; for "
        "--stream and --loopback as run)",
    )
    add_sample_rate(bench, "the presets' own")
    bench.add_argument(
        "--engine",
        nargs="+",
        choices=("compiled", "torchscript"),
        default=["compiled"],
        help="what computes: compiled, fxhost's own (default), torchscript, which runs code from the preset's file, "
        "or both",
    )
    bench.add_argument(
        "--seconds",
        type=number(0.01, 3600, unit="s"),
        metavar="S",
        help="time for each row, 0.01 to 3600 s (default 1; for --largest-hidden and --smallest-block 3)",
    )
    bench.add_argument(
        "--duration",
        type=number(0.01, 86_400, unit="s"),
        metavar="S",
        help="with --stream: stop after this time, 0.01 to 86400 s (default 10)",
    )
    bench.add_argument(
        "--stress",
        type=number(1, 256, int),
        default=0,
        metavar="N",
        help="with --stream: let N Python threads compute beside it, 1 to 256 (default: none)",
    )
    add_device(bench)
    add_json(bench)


def add_rig(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost rig`."""
    command.add_argument(
        "action",
        choices=("init", "check", "show", "service"),
        metavar="init|check|show|service",
        help="init writes a rig file to start from, check finds all mistakes in one, show draws the path of the "
        "signal, service prints a systemd user unit",
    )
    command.add_argument("file", nargs="?", type=Path, metavar="FILE.toml", help="a rig file (default rig.toml)")
    command.add_argument(
        "run_options", nargs="*", metavar="-- OPTION", help="options of run for the unit, such as --midi --web"
    )
    add_force(command)


def add_devices(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost devices`."""
    command.add_argument("--midi", action="store_true", help="list the MIDI ports instead")
    add_json(command)


def add_doctor(command: argparse.ArgumentParser) -> None:
    """Options of `fxhost doctor`."""
    add_json(command)
