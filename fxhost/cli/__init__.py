"""The command line. Every error ends a command with one line on stderr and an exit code.

0 done, 1 an error, 2 wrong usage, 130 interrupted. Nothing is imported before `main`, so that an interrupt, a lack of
memory or a broken installation is met inside it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after `fxhost`; those of the process by default.

    Returns
    -------
    int
        The exit code.
    """
    try:
        from fxhost.cli.ending import run_to_the_end

        return run_to_the_end(arguments)
    except (KeyboardInterrupt, MemoryError, OSError, ImportError) as err:  # before there were any words
        import os

        interrupted = isinstance(err, KeyboardInterrupt)
        message = "interrupted" if interrupted else f"cannot start: {type(err).__name__} {err}"
        os.write(2, f"fxhost: {ascii(message)[1:-1]}\n".encode())
        return 130 if interrupted else 1
