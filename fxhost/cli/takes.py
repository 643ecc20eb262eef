"""`fxhost render` of a take."""

import argparse
from pathlib import Path

from fxhost.cli.console import end_like_ctrl_c, make_console, print_json, say
from fxhost.errors import FxhostError


def render_take(options: argparse.Namespace, path: Path, output: Path) -> int:
    """Play a take again into a file.

    Raises
    ------
    FxhostError
        If the take cannot be played again.
    """
    from fxhost.io.files import check_output
    from fxhost.io.sound_comparison import Comparison
    from fxhost.io.sound_writing import BITS, check_encoding, check_format, writing
    from fxhost.rig.replay import Replay
    from fxhost.rig.take_file import read_take

    take = read_take(path)
    if take.lost_frames:
        raise FxhostError(
            f"{path} lacks {take.lost_frames} frames, because the disk was too slow; render its {take.dry} instead"
        )
    if take.has_old_loop:
        raise FxhostError(
            f"{path} has a loop in it from before its beginning, or from its first second, which cannot be made again; "
            f"render its {take.dry}"
        )
    inputs = [path, path.parent / take.dry, path.parent / take.wet, *(path.parent / name for name in take.rigs)]
    check_format(output)
    check_encoding(output, options.bits, options.quality)
    check_output(output, overwrite=options.force, inputs=inputs)

    from rich.progress import Progress

    end_like_ctrl_c()
    replay = Replay(path, take)
    comparison = Comparison(path.parent / take.wet, take.frames, take.channels, take.sample_rate, first=take.exact_from)
    console = make_console(stderr=True)
    subtype = BITS[options.bits] if options.bits else None
    with (
        writing(
            output,
            take.sample_rate,
            overwrite=options.force,
            inputs=inputs,
            channels=take.channels,
            subtype=subtype,
            quality=options.quality,
        ) as writer,
        Progress(console=console, transient=True, disable=options.json or not console.is_terminal) as progress,
    ):
        task = progress.add_task(f"playing {path.name} again", total=take.frames)
        for block in replay.play():
            comparison.add(block)
            writer.write(block[:, 0] if take.channels == 1 else block)
            progress.update(task, completed=writer.frames)
    exact_s = take.exact_from / take.sample_rate
    if options.json:
        print_json(
            {
                "take": str(path),
                "output": str(output),
                "frames": take.frames,
                "exact_from": take.exact_from,
                "largest_difference": comparison.largest,
            }
        )
        return 0
    since = "" if not take.exact_from else f" from {exact_s:.2f} s on, where the chain is a fresh one,"
    cause = f"the take is from another CPU or version, or {take.dry} was changed or rounded"
    seconds = take.frames / take.sample_rate
    say(f"{output}: {seconds:.1f} s at {take.sample_rate} Hz;{since} {comparison.describe(cause)}")
    return 0
