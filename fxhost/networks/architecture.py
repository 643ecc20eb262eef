"""An architecture: the kind and the sizes of a network, recurrent or of convolutions."""

from fxhost.networks.recurrent import Recurrent
from fxhost.networks.wavenet import WaveNet

Architecture = Recurrent | WaveNet
NETWORKS = ("wavenet", "convnet", "linear")  # of convolutions
