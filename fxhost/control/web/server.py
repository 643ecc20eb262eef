"""The server of the web remote, on threads of its own: it knows a snapshot of the state and a queue of commands.

The loop that plays a session publishes the snapshot and takes the commands. Neither the audio thread nor the rack is
ever touched from here.
"""

import hmac
import json
import logging
import secrets
import threading
import time
from collections import deque
from http import HTTPStatus
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fxhost.control.commands import Command
from fxhost.control.messages import read_command
from fxhost.errors import DeviceError

logger = logging.getLogger(__name__)

HOST, PORT = "127.0.0.1", 8765
MOST_CLIENTS = 8
MOST_BYTES = 1024  # of a message
MOST_WAITING = 256  # commands; what comes when so many wait is lost
MESSAGES_PER_S = 100.0  # of a client
PERIOD_S = 1 / 15  # between two messages to a client
FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'"


def import_websockets() -> Any:
    """The websockets package.

    Raises
    ------
    DeviceError
        If it is not installed, with the way to install it.
    """
    try:
        import websockets.sync.server
    except ImportError as err:
        raise DeviceError("the web remote needs websockets; run pip install 'fxhost[web]'") from err
    return websockets


class WebRemote:
    """A page that shows and controls a rig.

    Parameters
    ----------
    host : str
        The address to listen at; other than 127.0.0.1 lets others in, who need the token.
    port : int
        0 takes any that is free.

    Attributes
    ----------
    token : str
        Who does not know it is refused.

    Raises
    ------
    DeviceError
        If the address cannot be used.
    """

    def __init__(self, host: str = HOST, port: int = PORT) -> None:
        self._websockets = import_websockets()
        self.token = secrets.token_urlsafe(12)
        self._state: dict[str, Any] = {}
        self._commands: deque[Command] = deque(maxlen=MOST_WAITING)
        self._clients = threading.BoundedSemaphore(MOST_CLIENTS)
        self._host = host
        try:
            self._server = self._websockets.sync.server.serve(
                self._serve_client, host, port, process_request=self._answer, max_size=MOST_BYTES, compression=None
            )
        except OSError as err:
            reason = str(err.strerror or err).partition(" (while")[0]
            raise DeviceError(
                f"the web remote cannot listen at {host}:{port}: {reason}; give another HOST:PORT"
            ) from err
        self.port = int(self._server.socket.getsockname()[1])
        threading.Thread(target=self._server.serve_forever, name="fxhost web", daemon=True).start()

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{self._host}:{self.port}/?token={self.token}"

    def publish(self, state: dict[str, Any]) -> None:
        """Show this state from now on; it must not be changed afterwards."""
        self._state = state

    def take_commands(self) -> list[Command]:
        """The commands that have come since the last call."""
        return [self._commands.popleft() for _ in range(len(self._commands))]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()

    # --- on the threads of the server --------------------------------------------------------------------------------

    def _answer(self, connection: Any, request: Any) -> Any:
        """The answer to a request for a file; None lets a WebSocket be opened."""
        host = (request.headers.get("Host") or "").rpartition(":")[0].strip("[]")
        if self._host in ("127.0.0.1", "localhost") and host not in ("127.0.0.1", "localhost"):
            return connection.respond(HTTPStatus.FORBIDDEN, "unknown host\n")
        url = urlsplit(request.path)
        if url.path in FILES and "Upgrade" not in request.headers:
            name, kind = FILES[url.path]
            response = connection.respond(HTTPStatus.OK, _read_file(name))
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = f"{kind}; charset=utf-8"
            response.headers["Content-Security-Policy"] = POLICY
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "no-referrer"
            return response
        given = parse_qs(url.query).get("token", [""])[0]
        if url.path != "/socket" or not hmac.compare_digest(given.encode(), self.token.encode()):
            return connection.respond(HTTPStatus.FORBIDDEN, "wrong token\n")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
            return connection.respond(HTTPStatus.FORBIDDEN, "foreign page\n")
        return None

    def _serve_client(self, socket: Any) -> None:
        if not self._clients.acquire(blocking=False):
            socket.close(1013, "too many clients")
            return
        try:
            self._talk(socket)
        except self._websockets.exceptions.ConnectionClosed:
            pass
        finally:
            self._clients.release()

    def _talk(self, socket: Any) -> None:
        """Send what changes, take what comes, until the client is gone."""
        shown: dict[str, Any] | None = None
        sent_s, allowed, filled_s = -PERIOD_S, MESSAGES_PER_S, time.monotonic()
        while True:
            now = time.monotonic()
            if self._state is not shown and now - sent_s >= PERIOD_S:
                shown, sent_s = self._state, now
                socket.send(json.dumps(shown))
            try:
                text = socket.recv(timeout=PERIOD_S / 2)
            except TimeoutError:
                continue
            now = time.monotonic()
            allowed = min(MESSAGES_PER_S, allowed + MESSAGES_PER_S * (now - filled_s))
            filled_s = now
            if allowed < 1.0:
                continue
            allowed -= 1.0
            try:
                command = read_command(json.loads(text))
            except (ValueError, RecursionError):
                continue
            if command is not None:
                self._commands.append(command)


def _read_file(name: str) -> str:
    return resources.files("fxhost.control.web").joinpath(name).read_text(encoding="utf-8")
