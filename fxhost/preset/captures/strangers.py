"""Names what a JSON object is that is no capture, from its keys, and says what to do."""

from typing import Any

from fxhost.preset.json_fields import show

MOST_KEYS = 4
NETWORKS = ("weight_ih_l0", "weight_hh_l0")
RECORDS = ("loss", "epoch", "esr")
SETTINGS = (
    "optimizer",
    "x_path",
    "unit_type",
    "lr_scheduler",
    "trainer",
    "train_dataloader",
    "learning_rate",
    "batch_size",
)


def describe_object(data: dict[str, Any]) -> str:
    """What an object is that no format claims: the end of a sentence."""
    keys = {str(key).lower() for key in data}
    if not data:
        return "it is empty; get the file again"
    if {"architecture", "config", "weights"} <= keys:
        return (
            "it has no version, by which a .nam file is known; get the file again, "
            'or write "version": "0.5.4" into it if it comes from an old trainer'
        )
    if "model_data" in keys or "state_dict" in keys:
        missing = "state_dict" if "model_data" in keys else "model_data"
        return f"{missing} is missing, expected model_data and state_dict; get the file again"
    if "layers" in keys:
        return "in_shape is missing, expected in_shape and layers; get the file again"
    if {"dilations", "variables"} <= keys:
        return "it is a WaveNet of SmartGuitarAmp, which fxhost does not play; train or get it as .nam"
    if any(key.endswith(NETWORKS) for key in keys):
        return "it holds bare weights without the sizes of the network; give the file that the trainer exported"
    if {"train", "common"} <= keys or "net" in keys or any(key in keys for key in SETTINGS):
        return "it holds the settings of a training, not the network; give the file that the training exported"
    if any(part in key for key in keys for part in RECORDS):
        return "it holds the record of a training, not the network; give the file that the training exported"
    if {"content", "encoding"} <= keys or "download_url" in keys:
        return "it is GitHub's description of the file; open its page and download the raw file"
    answer = data.get("error") if isinstance(data.get("error"), dict) else data
    for key in ("message", "error", "detail"):
        if isinstance(answer, dict) and isinstance(answer.get(key), str):
            return f"it is the answer of a server, {show(answer[key])}; get the file again"
    shown = ", ".join(show(key) for key in list(data)[:MOST_KEYS])
    more = f" and {len(data) - MOST_KEYS} more" if len(data) > MOST_KEYS else ""
    return f"it holds {shown}{more}, and no weights; give the file that a trainer exported"
