"""The page of a training report: HTML that needs no other file and nothing from the net, and works without script.

Figures and audio are inline as data URIs. Whatever comes from a preset was written by a stranger and is escaped.
"""

import base64
import html
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile

from fxhost.arrays import Float32Array
from fxhost.plain_text import plain_line
from fxhost.preset.effect import Preset

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
              "aliasing, a haze is the network oscillating by itself. The numbers: the strongest component that is no "
              "harmonic, relative to the sine in the output."),
    "tail": ("Silence after loud playing", "The output after the loudest second of the test at full scale, without its "
             "DC, which the host takes away."),
    "load": ("Load on this machine", "Compute time of a block over its duration; below 100 % keeps up. The network "
             "alone, called block by block from Python."),
}  # fmt: skip
GROUPS = (
    ("Model and target", ("worst-place", "median-place", "spectra", "level-bands", "time", "learning-curve")),
    ("The model by itself", ("harmonics", "sweep", "tail", "load")),
)
PLAYERS = {"dry": "Dry", "target": "Target", "model": "Model"}


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
    name = on_page(summary.preset.name)
    groups = "".join(
        f"<h2>{title}</h2><div class=grid>{''.join(_cards(names, figures, facts))}</div>" for title, names in GROUPS
    )
    return f"""<!doctype html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<meta name=color-scheme content="light dark">
<meta http-equiv=Content-Security-Policy content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{name} – training report</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{_head(summary)}
<h2>Listen</h2>
{_players(excerpts, summary.preset.sample_rate)}
{groups}
<h2>Record of the training</h2>
{_record(summary.preset)}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""  # noqa: E501


def _head(summary: Summary) -> str:
    preset, a = summary.preset, summary.preset.architecture
    record = preset.metadata.get("training")
    record = record if isinstance(record, dict) else {}
    validation = record.get("esr_validation")
    validation = float(validation) if isinstance(validation, int | float) else summary.esr_best
    test = record.get("test")
    on = test.get("on", "") if isinstance(test, dict) else ""
    author = preset.metadata.get("author")
    by = f" by {on_page(str(author))}" if author else ""
    return f"""<header>
<p class=over>fxhost training report</p>
<h1>{on_page(preset.name)}</h1>
<p class=by>LSTM {a.layers}×{a.hidden_size}, {preset.sample_rate} Hz{by}</p>
<p class=lead>On {summary.test_seconds:.1f} s that it was not trained on, the model’s error carries
<strong>{100 * summary.esr_test:.2g}\u00a0%</strong> of the energy of the target.</p>
<dl class=tiles>
<div><dt>Test ESR</dt><dd>{format_esr(summary.esr_test)}</dd><dd class=note>{on_page(str(on))}</dd></div>
<div><dt>Validation ESR</dt><dd>{format_esr(validation)}</dd><dd class=note>by which the weights were chosen</dd></div>
</dl>
<p class=legend>ESR is the error-to-signal ratio Σ(y−ŷ)²/Σy²: the energy of the difference between the target y and the
model ŷ, over that of the target, all samples together, no pre-emphasis. 0 is perfect, 1 is what silence would score,
and every factor of ten is 10\u00a0dB.</p>
</header>"""


def _players(excerpts: Mapping[str, Float32Array], sample_rate: int) -> str:
    peak = max(float(np.abs(audio).max(initial=0.0)) for audio in excerpts.values())
    gain = 0.999 / max(peak, 0.999)  # the same for all, so that they can be compared
    seconds = max(len(audio) for audio in excerpts.values()) / sample_rate
    softer = f", all {-20 * math.log10(gain):.1f} dB softer than they are" if gain < 0.999 else ""
    rows = "".join(
        f'<figure class=player><figcaption>{PLAYERS[name]}</figcaption><audio controls preload=metadata src="'
        f'{_inline("audio/flac", _flac(audio * np.float32(gain), sample_rate))}"></audio></figure>'
        for name, audio in excerpts.items()
    )
    buttons = "".join(f"<button type=button>{PLAYERS[name]}</button>" for name in excerpts)
    return f"""<div class=card><div class=players>{rows}</div>
<div id=switch hidden>{buttons}<span class=note>change while it plays</span></div>
<p>The loudest {seconds:.1f} s of the test{softer}. Where the test is in several pieces they follow one another.</p>
</div>"""


def _cards(names: Sequence[str], figures: Mapping[str, bytes], facts: Mapping[str, Facts]) -> Iterator[str]:
    for name in names:
        if name not in figures and name not in facts:
            continue
        title, caption = FIGURES[name]
        image = ""
        if name in figures:
            image = f'<img alt="{on_page(title)}" src="{_inline("image/png", figures[name])}">'
        rows = "".join(
            f"<div><dt>{on_page(key)}</dt><dd>{on_page(value)}</dd></div>" for key, value in facts.get(name, ())
        )
        listed = f"<dl class=facts>{rows}</dl>" if rows else ""
        yield f"<section class=card id={name}><h3>{title}</h3>{image}{listed}<p>{caption}</p></section>"


def _record(preset: Preset) -> str:
    known = {key: preset.metadata.get(key) for key in ("name", "author", "licence", "created", "fxhost_version")}
    known |= {"sample_rate": preset.sample_rate, "file": preset.path.name}
    rows = [*_flatten(known), *_flatten(preset.metadata.get("training"))]
    cells = "".join(
        f"<tr><th scope=row>{on_page(key).replace('_', '_<wbr>').replace('.', '.<wbr>')}</th>"
        f"<td>{on_page(text)}</td></tr>"
        for key, text in rows
    )
    return f"<div class=card><table>{cells}</table></div>"


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


def on_page(text: str) -> str:
    """A text of anybody's as it may stand on the page: one line of what can be seen, and no markup."""
    return html.escape(plain_line(text))


def _inline(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


STYLE = """
:root { --ink: #1c1d20; --soft: #5c6068; --page: #f6f6f4; --card: #fff; --line: #e3e3df; --accent: #2459b8 }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 40px 20px 64px }
h1 { font-size: clamp(28px, 5vw, 44px); line-height: 1.15; margin: 4px 0 6px; letter-spacing: -0.015em }
h2 { font-size: 22px; margin: 48px 0 14px; letter-spacing: -0.01em }
h3 { font-size: 16px; margin: 0 0 10px }
p, dl, figure { margin: 0 }
.over { color: var(--accent); font-size: 13px; font-weight: 600; letter-spacing: .06em; text-transform: uppercase }
.by, .legend, .note, .card p { color: var(--soft) }
.lead { font-size: 20px; line-height: 1.45; margin: 22px 0; max-width: 40em }
.legend, .card p, .note { font-size: 14px }
.legend { max-width: 56em; margin-top: 16px }
.tiles { display: flex; flex-wrap: wrap; gap: 12px }
.tiles div, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px }
.tiles div { padding: 12px 18px; flex: 1 1 260px }
.tiles dt { color: var(--soft); font-size: 14px }
.tiles dd { margin: 0; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums }
.tiles dd.note { font-size: 14px; font-weight: 400 }
.grid { columns: 440px 2; column-gap: 16px }
.grid .card { break-inside: avoid; margin-bottom: 16px }
.card { padding: 18px }
.card p { margin-top: 10px }
.card img { display: block; width: 100%; height: auto }
.facts div, .players figure { display: flex; gap: 4px 16px; flex-wrap: wrap; align-items: center }
.facts { font-size: 14px; margin-top: 10px }
.facts div { justify-content: space-between; border-top: 1px solid var(--line); padding: 4px 0 }
.facts dt { color: var(--soft) }
.facts dd { margin: 0; font-variant-numeric: tabular-nums }
.players { display: grid; gap: 8px }
.player figcaption { width: 4em; font-weight: 600 }
.player audio { flex: 1 1 220px; min-width: 0; max-width: 100% }
#switch:not([hidden]) { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-top: 12px }
button { font: inherit; padding: 6px 18px; border: 1px solid var(--line); border-radius: 8px; cursor: pointer;
  background: var(--page); color: var(--ink) }
button[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: var(--page) }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th, td { text-align: left; vertical-align: top; padding: 5px 16px 5px 0; border-top: 1px solid var(--line) }
tr:first-child > * { border-top: 0 }
th { font-weight: 400; color: var(--soft); width: 38% }
td { font-variant-numeric: tabular-nums }
@media (max-width: 560px) {
  main { padding: 24px 12px 48px }
  .card { padding: 14px 12px }
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #ebebeb; --soft: #a3a7ae; --page: #0c0d0e; --card: #141414; --line: #2a2b2e; --accent: #8ab4ff }
  .card img { filter: invert(0.92) hue-rotate(180deg) } /* white becomes the card's #141414, colours keep their hue */
}
"""

# A button, and a player that is started while another one plays, goes on where that one is.
SCRIPT = """
const players = [...document.querySelectorAll("audio")]
const area = document.getElementById("switch"), buttons = [...area.querySelectorAll("button")]
let last = players[0]
players.forEach((player, n) => {
  player.addEventListener("play", () => {
    if (last !== player && !last.paused) { player.currentTime = last.currentTime; last.pause() }
    last = player
    buttons.forEach((button, m) => button.setAttribute("aria-pressed", m === n))
  })
  buttons[n].addEventListener("click", () => {
    if (last !== player) player.currentTime = last.currentTime
    player.play()
  })
})
area.hidden = false
"""
