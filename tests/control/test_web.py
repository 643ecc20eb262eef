"""The web remote: a real session on the virtual device behind a real server, with clients that are kind and unkind."""

import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fxhost.cli.remotes import Remotes, open_web
from fxhost.control.commands import ChooseScene, Command, Quit, SetKnob, ToggleBypass
from fxhost.control.messages import TABLE, read_command
from fxhost.errors import DeviceError, FxhostError
from fxhost.io.stream_options import Options
from fxhost.preset.archive import read_preset
from fxhost.rig.effect import Effect
from fxhost.rig.parts import Tone
from fxhost.rig.rig import Rig
from fxhost.rig.scenes import Scene
from fxhost.session import Session
from tests.conftest import RATE

server_module = pytest.importorskip("fxhost.control.web.server")
pytest.importorskip("websockets", reason="needs the extra `web`")
from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402
from websockets.sync.client import ClientConnection, connect  # noqa: E402


@pytest.fixture
def remote() -> Iterator[Any]:
    made = server_module.WebRemote(port=0)
    yield made
    made.close()


@pytest.fixture
def session(remote: Any, make_preset: Callable[..., Path], tmp_path: Path) -> Iterator[Session]:
    """A rig of two scenes that plays until the test is over."""
    effect, flat, bright = Effect(read_preset(make_preset(1, 8))), Tone(), Tone(treble=6.0)
    scenes = [Scene("Crunch", [effect, flat], (True, True)), Scene("Lead", [effect, bright], (True, True))]
    soundfile.write(tmp_path / "song.wav", np.full((RATE, 2), 0.1), RATE)
    options = Options("virtual", "virtual", looper=True, play_along=tmp_path / "song.wav")
    made = Session(Rig([effect, flat], scenes=scenes), options, notice=print)
    stop, remotes = threading.Event(), Remotes(None, remote)

    def poll() -> list[Command]:
        return [*remotes.poll(made, made.rack.read_meters()), *([Quit()] if stop.is_set() else [])]

    thread = threading.Thread(target=lambda: made.play(poll))
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join(20)


def open_socket(remote: Any, token: str | None = None, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{remote.port}/socket?token={remote.token if token is None else token}", **options)


def receive_until(client: ClientConnection, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        state: dict[str, Any] = json.loads(client.recv(timeout=20))
        if is_so(state):
            return state
    raise AssertionError("the state never became so")


def send(client: ClientConnection, **message: Any) -> None:
    client.send(json.dumps(message))


def test_commands_reach_the_session_and_two_clients_agree(remote: Any, session: Session) -> None:
    with open_socket(remote) as one, open_socket(remote) as two:
        state = receive_until(one, lambda state: bool(state))
        assert (state["scenes"], state["scene"], state["device"]) == (["Crunch", "Lead"], 0, "virtual")
        assert [slot["kind"] for slot in state["slots"]] == ["effect", "tone"]
        send(one, command="set_knob", slot=1, knob=0, position=1.0)
        changed = receive_until(two, lambda state: state["slots"][1]["knobs"][0]["text"] == "+15.0 dB")
        assert changed["slots"][1]["knobs"][0]["position"] == 1.0
        send(two, command="choose_scene", scene=1)
        assert receive_until(one, lambda state: state["scene"] == 1)["slots"][1]["knobs"][2]["text"] == "+6.0 dB"
        send(one, command="toggle_slot", slot=0)
        receive_until(two, lambda state: not state["slots"][0]["is_on"])
        receive_until(one, lambda state: state["output_peak_db"] > -100.0)


def test_the_looper_and_the_song_are_used_from_a_page(remote: Any, session: Session) -> None:
    with open_socket(remote) as client:
        state = receive_until(client, bool)
        assert state["loop"]["state"] == "empty"
        assert (state["play_along"]["name"], state["play_along"]["is_on"]) == ("song.wav", True)
        send(client, command="loop", action="record")
        receive_until(client, lambda state: state["loop"]["position_s"] > 0.2)
        send(client, command="loop", action="record")
        looped = receive_until(client, lambda state: state["loop"]["state"] == "playing")["loop"]
        assert 0.2 < looped["length_s"] < 5.0
        send(client, command="loop", action="record")
        receive_until(client, lambda state: state["loop"]["has_overdub"])
        send(client, command="loop", action="undo")
        receive_until(client, lambda state: state["loop"]["is_undone"])
        send(client, command="choose_scene", scene=1)
        send(client, command="set_gain", side="loop", gain_db=-6)
        send(client, command="step_gain", side="play_along", steps=-1)
        send(client, command="toggle_play_along")
        state = receive_until(client, lambda state: state["scene"] == 1 and not state["play_along"]["is_on"])
        assert (state["loop"]["state"], state["loop"]["length_s"]) == ("playing", looped["length_s"])
        assert (state["loop"]["level_db"], state["play_along"]["level_db"]) == (-6.0, -1.0)


def test_a_wrong_token_a_foreign_host_and_a_foreign_page_are_refused(remote: Any) -> None:
    for options in ({"token": "guess"}, {"token": ""}, {"additional_headers": {"Origin": "http://evil.example"}}):
        with pytest.raises(InvalidStatus, match="403"):
            open_socket(remote, **options)
    address = f"http://127.0.0.1:{remote.port}/"
    request = urllib.request.Request(address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{address}../../etc/passwd", timeout=10)
    for path in ("", "page.css", "page.js"):
        with urllib.request.urlopen(address + path, timeout=10) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert b"http://" not in answer.read().replace(b"http://www.w3.org", b"")


def test_rubbish_floods_and_silent_clients_change_nothing(remote: Any, session: Session) -> None:
    with open_socket(remote) as kind, ExitStack() as stalled:
        receive_until(kind, bool)
        before = session.rack.blocks
        for _ in range(3):  # they never read
            stalled.enter_context(open_socket(remote))
        for rubbish in (
            "",
            "{",
            "[1]",
            '{"command": "quit"}',
            '{"command": "set_knob", "slot": -1}',
            "null",
            "[" * 900,
        ):
            kind.send(rubbish)
        with open_socket(remote) as flood:
            for n in range(3000):
                flood.send(f'{{"command": "set_knob", "slot": 1, "knob": 0, "position": {n % 2}}}')
        with open_socket(remote) as large:
            large.send("x" * 2000)
            with pytest.raises(ConnectionClosed):
                while True:
                    large.recv(timeout=10)
        send(kind, command="set_knob", slot=1, knob=0, position=0.5)
        receive_until(kind, lambda state: state["slots"][1]["knobs"][0]["text"] == "+0.0 dB")
        assert session.rack.blocks > before
        assert session.rack.statistics().bad_samples == 0


def test_no_more_clients_are_served_than_are_allowed(remote: Any) -> None:
    remote.publish({"a": 1})
    with ExitStack() as clients:
        for _ in range(server_module.MOST_CLIENTS):
            client = clients.enter_context(open_socket(remote))
            assert json.loads(client.recv(timeout=10)) == {"a": 1}
        with open_socket(remote) as late, pytest.raises(ConnectionClosed):
            late.recv(timeout=10)


def test_messages_are_commands_with_checked_fields() -> None:
    assert read_command({"command": "set_knob", "slot": 0, "knob": 2, "position": 0.25}) == SetKnob(0, 2, 0.25)
    assert read_command({"command": "choose_scene", "scene": 3}) == ChooseScene(3)
    assert read_command({"command": "toggle_bypass"}) == ToggleBypass()
    wrong = [
        {"command": "quit"}, {"command": "set_knob", "slot": 0, "knob": 0}, {"command": "choose_scene", "scene": True},
        {"command": "loop", "action": "stop"}, {"command": "loop"}, {"command": "set_gain", "side": "song", "gain_db": 0},
        {"command": "choose_scene", "scene": 1.5}, {"command": "step_gain", "side": "left", "steps": 1}, ["reset"],
        {"command": "set_knob", "slot": 0, "knob": 0, "position": float("nan")}, {"command": "reset", "more": 1}, None,
    ]  # fmt: skip
    assert [read_command(message) for message in wrong] == [None] * len(wrong)
    told = (Path(server_module.__file__).parent / "PROTOCOL.md").read_text()
    assert all(f"`{name}`" in told for name in TABLE)


def test_an_address_that_cannot_be_used_is_one_clear_line(remote: Any) -> None:
    with pytest.raises(DeviceError, match=f"cannot listen at 127.0.0.1:{remote.port}"):
        server_module.WebRemote(port=remote.port)
    with pytest.raises(FxhostError, match="'x' is not a port"):
        open_web("localhost:x")


@pytest.mark.parametrize("size", ["390,844", "1280,800"])
def test_a_browser_shows_the_rig(remote: Any, session: Session, size: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium: apt install chromium")
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    done = subprocess.run(
        [*command, f"--window-size={size}", "--virtual-time-budget=4000", "--dump-dom", remote.address],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    for expected in ("1 Crunch", "2 Lead", "treble", "dropouts", 'class="slot"', "loop empty", "song.wav"):
        assert expected in done.stdout, done.stdout[-2000:]
