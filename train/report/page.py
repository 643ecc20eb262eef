"""The page of a training report: HTML that needs no other file and nothing from the net, and works without script.

Figures and audio are inline as data URIs. Whatever comes from a preset was written by a stranger and is escaped.
"""

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from fxhost.arrays import Float32Array
from fxhost.plain_text import plain_line
from fxhost.preset.effect import Preset
from train.report.verdict import explain_unfit

Facts = list[tuple[str, str]]  # name and value

# the figures and what is said on each, in the order of the page; `load` has numbers only
FIGURES = {
    "worst-place": ("The worst place", "The 40 ms in which the model is furthest from the target, among those loud "
                    "enough to count (at most 20 dB below the average)."),
    "median-place": ("A place in the middle", "Half of the loud places are better than this one, half are worse."),
    "spectra": ("Long-term spectra", "Over the whole test. The closer the difference comes to the target, the less of "
                "that range was learned."),
    "level-bands": ("ESR by level", "Soft playing has little say in the ESR of the whole; here every level stands for "
                    "itself, in windows of 40 ms, with its share of the time."),
    "time": ("ESR over time", "Through the test, and below it the level of the target. Gaps are near silence."),
    "learning-curve": ("Learning curve", "The validation ESR is measured on audio that is never trained on. The best "
                       "one gave the preset its weights."),
    "harmonics": ("Harmonics of a sine", "What the model makes of a steady sine of four frequencies and four peak "
                  "levels. The first harmonic is the sine itself."),
    "sweep": ("A sine sweep", "A sine of −6 dB goes up. Lines that rise with it are harmonics, lines that fall are "
              "aliasing, a haze is the network oscillating by itself. The numbers: the strongest component that is not "
              "a harmonic, relative to the sine in the output."),
    "tail": ("Silence after loud playing", "The output after the loudest second of the test at full scale, without its "
             "DC, which the host takes away."),
    "load": ("Load on this machine", "Compute time of a block over its duration; below 100 % keeps up. The network "
             "alone, called block by block from Python."),
}  # fmt: skip
GROUPS = (
    ("Model and target", ("worst-place", "median-place", "spectra", "level-bands", "time", "learning-curve")),
    ("The model by itself", ("harmonics", "sweep", "tail", "load")),
)
PLAYERS = {"dry": "Dry", "target": "Target", "model": "Model", "difference": "Difference"}
MOST_GAIN = 1000.0  # of the difference, 60 dB


@dataclass(frozen=True)
class Summary:
    """What the head of the page says.

    Attributes
    ----------
    preset : Preset
    esr_test : float
        Of the preset, as it was measured for this report.
    esr_best : float or None
        The best validation ESR of the history, for a preset whose record has none.
    test_seconds : float
        The length of the test audio.
    """

    preset: Preset
    esr_test: float
    esr_best: float | None
    test_seconds: float

    @property
    def esr_validation(self) -> float | None:
        """By which the weights were chosen, as far as it is known."""
        training = self.preset.metadata.get("training")
        validation = training.get("esr_validation") if isinstance(training, dict) else None
        return float(validation) if isinstance(validation, int | float) else self.esr_best

    @property
    def is_fit(self) -> bool:
        """Whether the preset is ready to be played."""
        return not explain_unfit(self.esr_validation, self.esr_test)

    @property
    def verdict(self) -> str:
        """The same in a sentence, with the reason."""
        reason = explain_unfit(self.esr_validation, self.esr_test)
        return f"Not ready to be played: {reason}." if reason else "Ready to be played."


def load_template(name: str) -> Template:
    """A page of this folder, which escapes what is put into it."""
    return Environment(
        loader=PackageLoader("train.report", ""), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    ).get_template(name)


def format_esr(ratio: float | None) -> str:
    """An ESR with two digits, and in dB."""
    if ratio is None or math.isnan(ratio):
        return "not known"
    return f"{ratio:.1e} ({format_db(10 * math.log10(ratio))})" if 0 < ratio < math.inf else f"{ratio:g}"


def format_db(level: float) -> str:
    """A level in dB, with a real minus; what is at −200 dB or below is nothing."""
    return "nothing at all" if level <= -199 else f"{level:.0f}\u00a0dB".replace("-", "−")


def format_page(
    summary: Summary,
    figures: Mapping[str, bytes],
    facts: Mapping[str, Facts],
    excerpts: Mapping[str, Float32Array],
) -> str:
    """The whole page.

    Parameters
    ----------
    summary : Summary
    figures : mapping of str to bytes
        PNG by the names of `FIGURES`; what is missing is left out.
    facts : mapping of str to pairs of name and value
        What stands below the figure of that name, or alone.
    excerpts : mapping of str to float32 (frames,)
        To listen to: dry, target, model.

    Returns
    -------
    str
        HTML.
    """
    preset, a = summary.preset, summary.preset.architecture
    training = preset.metadata.get("training")
    test = training.get("test") if isinstance(training, dict) else None
    return load_template("page.html.j2").render(
        name=plain_line(preset.name),
        architecture=f"{a.cell.upper()} {a.layers}×{a.hidden_size}",
        sample_rate=preset.sample_rate,
        author=plain_line(str(preset.metadata.get("author") or "")),
        is_fit=summary.is_fit,
        verdict=summary.verdict,
        test_seconds=f"{summary.test_seconds:.1f}",
        error_percent=f"{100 * summary.esr_test:.2g}",
        esr_test=format_esr(summary.esr_test),
        esr_validation=format_esr(summary.esr_validation),
        tested_on=plain_line(str(test.get("on", ""))) if isinstance(test, dict) else "",
        groups=[{"title": title, "cards": list(_cards(names, figures, facts))} for title, names in GROUPS],
        record=list(_record(preset)),
        **_players(excerpts, preset.sample_rate),
    )


def _players(excerpts: Mapping[str, Float32Array], sample_rate: int) -> dict[str, Any]:
    """The excerpts as players. The difference, softer by far as a rule, is played as loud as it goes."""
    peak = max(float(np.abs(excerpts[name]).max(initial=0.0)) for name in excerpts if name != "difference")
    gain = 0.999 / max(peak, 0.999)  # the same for all, so that they can be compared
    gains = dict.fromkeys(excerpts, gain)
    if "difference" in excerpts:
        loudest = float(np.abs(excerpts["difference"]).max(initial=0.0))
        gains["difference"] = min(MOST_GAIN, 0.999 / max(loudest, 1e-9))
    louder_db = 20 * math.log10(gains.get("difference", gain) / gain)
    return {
        "players": [
            {
                "title": PLAYERS[name],
                "source": _inline("audio/flac", _flac(audio * np.float32(gains[name]), sample_rate)),
            }
            for name, audio in excerpts.items()
        ],
        "excerpt_seconds": f"{max(len(audio) for audio in excerpts.values()) / sample_rate:.1f}",
        "softer": f", all {-20 * math.log10(gain):.1f} dB softer than they are" if gain < 0.999 else "",
        "difference_louder": f"{louder_db:+.0f} dB louder than it is".replace("-", "−").replace("+", ""),
    }


def _cards(names: Sequence[str], figures: Mapping[str, bytes], facts: Mapping[str, Facts]) -> Iterator[dict[str, Any]]:
    for name in names:
        if name in figures or name in facts:
            title, caption = FIGURES[name]
            image = _inline("image/png", figures[name]) if name in figures else ""
            listed = [(plain_line(key), plain_line(value)) for key, value in facts.get(name, ())]
            yield {"id": name, "title": title, "caption": caption, "image": image, "facts": listed}


def _record(preset: Preset) -> Iterator[tuple[Markup, str]]:
    known = {key: preset.metadata.get(key) for key in ("name", "author", "licence", "created", "fxhost_version")}
    known |= {"sample_rate": preset.sample_rate, "file": preset.path.name}
    for key, text in (*_flatten(known), *_flatten(preset.metadata.get("training"))):
        broken = str(escape(plain_line(key))).replace("_", "_<wbr>").replace(".", ".<wbr>")
        yield Markup(broken), plain_line(text)


def _flatten(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of nested objects, under its keys joined by dots."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flatten(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        yield key, "; ".join(map(str, value)) or "–"
    else:
        yield key, "–" if value is None or value == "" else f"{value:.6g}" if isinstance(value, float) else str(value)


def _flac(audio: Float32Array, sample_rate: int) -> bytes:
    """16-bit FLAC: half the size of wav, and every browser plays it."""
    file = io.BytesIO()
    soundfile.write(file, audio, sample_rate, subtype="PCM_16", format="FLAC")
    return file.getvalue()


def _inline(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
