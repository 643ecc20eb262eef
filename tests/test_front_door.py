"""What the README shows and promises: its picture, its length, its commands and its links."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fxhost.cli.parser import build_parser
from tests.conftest import ROOT
from tests.measure.screen_picture import PICTURE, draw_picture

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    *(ROOT / folder / "README.md" for folder in ("fxhost", "train", "presets", "tests/measure")),
]


def words_of(svg: str) -> set[str]:
    """The words of a picture without numbers, meters, and who claims the latency."""
    texts = [html.unescape(text).replace("\xa0", " ") for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]
    return {word for word in " ".join(texts).split() if not re.search(r"[\d█▌·∞]", word)}


def test_the_picture_is_that_of_the_screen_as_it_is() -> None:
    stored, now = words_of(PICTURE.read_text(encoding="utf-8")), words_of(draw_picture())
    assert {"dropouts", "peak", "quit", "overdrive"} <= now
    assert stored == now, "draw it again: python -m tests.measure.screen_picture"


def test_the_front_door_is_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_command_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:python|pytest) ((?:tests|train)/[\w/.]+)", text)
    named += [f"{module.replace('.', '/')}.py" for module in re.findall(r"python -m (train\.\w+)", text)]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_command_of_the_front_door_is_known() -> None:
    found = re.findall(r"```sh\n(.*?)```|`([^`\n]*)`", README, re.DOTALL)
    code = "\n".join(fenced or inline for fenced, inline in found)
    commands = set(re.findall(r"(?:^|&& )fxhost ([a-z]+)\b", code, re.MULTILINE))
    helped = subprocess.run([sys.executable, "-m", "fxhost", "help"], capture_output=True, text=True, check=True).stdout
    assert {"run", "render", "train", "bench", "info"} <= commands
    assert [command for command in sorted(commands) if command not in helped] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "fxhost" / "README.md"], ids=lambda page: page.parent.name)
def test_every_option_that_a_page_names_is_one_of_a_command(page: Path) -> None:
    _, commands = build_parser()
    known = {name for command in commands.values() for name in command.option_names}
    text = re.sub(r"systemctl --user", "", page.read_text(encoding="utf-8"))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert len(named) > 10
    assert sorted(named - known) == []
