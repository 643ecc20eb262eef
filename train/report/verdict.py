"""What may be said of a training at its end: play it, or what to do before."""

from train.progress import Result

SILENCE_ESR = 0.9  # silence scores 1
POOR_ESR = 0.3  # from here on anybody hears which is which
FAR_OVER = 4.0  # times the validation ESR: what was learned does not hold for other playing
NOTICEABLE_ESR = 0.05  # of a test: below it such a factor is no fault


def judge(result: Result) -> tuple[bool, str]:
    """Whether a preset is fit to be played, and why not.

    Parameters
    ----------
    result : Result

    Returns
    -------
    fit : bool
    reason : str
        One line that says what to do; empty where nothing is wrong.
    """
    more = "go on with --resume" if result.interrupted else "train for longer"
    worst = max(result.esr_validation, result.esr_validation if result.esr_test is None else result.esr_test)
    if result.epochs < 1 and worst >= NOTICEABLE_ESR:
        return False, f"it has not been through the recording once, so it has hardly learned yet; {more}"
    reason = explain_unfit(result.esr_validation, result.esr_test, more)
    return not reason, reason


def explain_unfit(validation: float | None, test: float | None, more: str = "train for longer") -> str:
    """Why a preset is not fit to be played, and what to do; empty if it is.

    Parameters
    ----------
    validation, test : float or None
        The ESR, where it was measured.
    more : str
        What to do for a training that was too short.
    """
    worst = max((esr for esr in (validation, test) if esr is not None), default=0.0)
    if worst >= SILENCE_ESR:
        where = "the test" if worst == test else "the validation"
        return (
            f"on {where} it is no nearer to the recording than silence is (ESR {worst:.2g}, silence has 1); {more}; if "
            "that does not help, see whether the two recordings are one performance throughout"
        )
    if test is not None and validation is not None and test >= NOTICEABLE_ESR and test > FAR_OVER * validation:
        return (
            f"the test ESR is {test / validation:.0f} times that of the validation: it does not hold for playing that "
            "it was not trained on; record more, and more varied playing"
        )
    if worst >= POOR_ESR:
        return f"the difference from the recording is plain to hear (ESR {worst:.2g}); {more}, or with more units"
    return ""
