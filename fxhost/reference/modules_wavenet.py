"""A WaveNet as a torch module that keeps the contract of a preset.

`forward(x, h, c) -> (y, h, c)`: h `(1, 1, frames of all histories)` holds what each convolution remembers, one after
the other, channel by channel; c `(1, 1, 1)` goes through as it is. The parameters lie in the order in which
`fxhost.networks.wavenet` has the weights.
"""

import torch
from torch import Tensor, nn

from fxhost.arrays import Float32Array
from fxhost.networks.wavenet import WaveNet, film_sizes
from fxhost.networks.wavenet_layers import Activation, Layer, LayerArray

MOST_DIRECT = 1024  # taps


def activate(name: str, numbers: Tensor, x: Tensor) -> Tensor:
    """One of the activations, of x (1, channels, frames)."""
    if name == "Tanh":
        return torch.tanh(x)
    if name == "Hardtanh":
        return torch.clamp(x, -1.0, 1.0)
    if name == "ReLU":
        return torch.relu(x)
    if name == "LeakyReLU" or name == "PReLU":
        return torch.where(x > 0, x, x * numbers[:, None])
    if name == "Sigmoid":
        return torch.sigmoid(x)
    if name == "SiLU":
        return x * torch.sigmoid(x)
    if name == "Hardswish":
        return x * torch.clamp(x + 3.0, 0.0, 6.0) / 6.0
    if name == "LeakyHardtanh":
        low, high = numbers[0], numbers[1]
        below, above = numbers[2] * torch.clamp(x - low, max=0.0), numbers[3] * torch.clamp(x - high, min=0.0)
        return torch.minimum(torch.maximum(x, low), high) + below + above
    size = torch.abs(x)
    if name == "Fasttanh":
        over = x * (2.45550750702956 * (1.0 + size) + (0.893229853513558 + 0.821226666969744 * size) * x * x)
        return over / (2.44506634652299 + (2.44506634652299 + x * x) * (size + 0.814642734961073 * size * size))
    soft = x / (1.0 + size)
    return 0.5 + 0.5 * soft if name == "Softsigmoid" else soft


class Remembering(nn.Module):
    """A dilated convolution and what it remembers."""

    def __init__(self, into: int, out: int, taps: int, dilation: int, groups: int, bias: bool) -> None:
        super().__init__()
        self.channels, self.reach = into, (taps - 1) * dilation
        self.is_long = taps > MOST_DIRECT and into * out * dilation == 1
        self.convolution = nn.Conv1d(into, out, taps, dilation=dilation, groups=groups, bias=bias)

    def forward(self, x: Tensor, h: Tensor, at: int) -> tuple[Tensor, Tensor]:
        """Go on with `x` from the part of `h` that begins at `at`; return the output and the new part."""
        past = h[0, 0, at : at + self.channels * self.reach].reshape(1, self.channels, self.reach)
        joined = torch.cat([past, x], 2)
        kept = joined[:, :, joined.shape[2] - self.reach :]
        if self.is_long:
            return self.correlate(joined, x.shape[2]), kept.reshape(-1)
        return self.convolution(joined), kept.reshape(-1)

    def correlate(self, joined: Tensor, frames: int) -> Tensor:
        """The same of one channel by its spectrum: torch takes memory for every product of a long convolution."""
        size = joined.shape[2]
        spectrum = torch.fft.rfft(joined[0, 0]) * torch.conj(torch.fft.rfft(self.convolution.weight[0, 0], size))
        y: Tensor = torch.fft.irfft(spectrum, size)[:frames].reshape(1, 1, frames)
        bias = self.convolution.bias
        return y if bias is None else y + bias


class Modulation(nn.Module):
    """A film."""

    def __init__(self, into: int, size: int, groups: int, shift: bool) -> None:
        super().__init__()
        self.size, self.shift = size, shift
        self.convolution = nn.Conv1d(into, size * (1 + shift), 1, groups=groups)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """What becomes of x (1, size, frames)."""
        made = self.convolution(condition)
        y: Tensor = x * made[:, : self.size]
        if self.shift:
            y = y + made[:, self.size :]
        return y


class NoModulation(nn.Module):
    """What stands where there is no film."""

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Leave x as it is."""
        return x


def modulation(a: LayerArray, layer: Layer, place: str) -> nn.Module:
    """The film at a place of a layer, or what stands for none."""
    film = a.film(place)
    if film is None:
        return NoModulation()
    return Modulation(a.condition_size, film_sizes(a, layer)[place], film.groups, film.shift)


class WaveNetLayer(nn.Module):
    """One layer of an array."""

    primary_numbers: Tensor
    secondary_numbers: Tensor

    def __init__(self, a: LayerArray, layer: Layer) -> None:
        super().__init__()
        rows = a.activations * (1 if layer.gating == "none" else 2)
        self.rows, self.gating = a.activations, layer.gating
        self.primary, self.secondary = layer.activation.name, layer.secondary.name
        self.has_one, self.has_extra = a.layer1x1, a.head1x1_size > 0
        self.dilated = Remembering(a.channels, rows, layer.kernel_size, layer.dilation, a.groups_input, True)
        self.mixin = nn.Conv1d(a.condition_size, rows, 1, groups=a.groups_input_mixin, bias=False)
        self.one: nn.Module = nn.Identity()
        self.extra: nn.Module = nn.Identity()
        if self.has_one:
            self.one = nn.Conv1d(a.activations, a.channels, 1, groups=a.layer1x1_groups)
        if self.has_extra:
            self.extra = nn.Conv1d(a.activations, a.head1x1_size, 1, groups=a.head1x1_groups)
        # in the order of their weights
        self.conv_pre, self.conv_post = modulation(a, layer, "conv_pre"), modulation(a, layer, "conv_post")
        self.input_mixin_pre = modulation(a, layer, "input_mixin_pre")
        self.input_mixin_post = modulation(a, layer, "input_mixin_post")
        self.activation_pre = modulation(a, layer, "activation_pre")
        self.activation_post = modulation(a, layer, "activation_post")
        self.layer1x1_post = modulation(a, layer, "layer1x1_post")
        self.head1x1_post = modulation(a, layer, "head1x1_post")
        self.register_buffer("primary_numbers", numbers_of(layer.activation), persistent=True)
        self.register_buffer("secondary_numbers", numbers_of(layer.secondary), persistent=True)

    def forward(self, x: Tensor, condition: Tensor, h: Tensor, at: int) -> tuple[Tensor, Tensor, Tensor]:
        """The next layer's x, what is summed, and the new history."""
        z, kept = self.dilated(self.conv_pre(x, condition), h, at)
        z = self.conv_post(z, condition)
        mixed = self.mixin(self.input_mixin_pre(condition, condition))
        z = self.activation_pre(z + self.input_mixin_post(mixed, condition), condition)
        plain = z[:, : self.rows]
        a = activate(self.primary, self.primary_numbers, plain)
        if self.gating != "none":
            gate = activate(self.secondary, self.secondary_numbers, z[:, self.rows :])
            a = gate * a if self.gating == "gated" else gate * a + (1.0 - gate) * plain
        a = self.activation_post(a, condition)
        if self.has_one:
            x = x + self.layer1x1_post(self.one(a), condition)
        return x, self.head1x1_post(self.extra(a), condition), kept


def numbers_of(activation: Activation) -> Tensor:
    """The numbers of an activation; one where it has none, because an empty tensor has no type."""
    return torch.tensor(activation.numbers or (0.0,), dtype=torch.float32)


class WaveNetArray(nn.Module):
    """Layers of the same size, one after the other."""

    def __init__(self, a: LayerArray) -> None:
        super().__init__()
        self.entry = nn.Conv1d(a.input_size, a.channels, 1, bias=False)
        self.layers = nn.ModuleList(WaveNetLayer(a, layer) for layer in a.layers)
        self.result = Remembering(a.summed, a.head_size, a.head_kernel_size, a.head_dilation, 1, a.head_bias)

    def forward(
        self, x: Tensor, total: Tensor, condition: Tensor, h: Tensor, at: int
    ) -> tuple[Tensor, Tensor, list[Tensor], int]:
        """The next array's x, its sum to begin with, and the new histories."""
        kept: list[Tensor] = []
        x = self.entry(x)
        for layer in self.layers:
            x, summed, part = layer(x, condition, h, at)
            total = total + summed
            kept.append(part)
            at += part.shape[0]
        total, part = self.result(total, h, at)
        kept.append(part)
        return x, total, kept, at + part.shape[0]


class WaveNetHead(nn.Module):
    """What follows the last array; without convolutions it leaves everything as it is."""

    numbers: Tensor

    def __init__(self, network: WaveNet) -> None:
        super().__init__()
        head, matrices = network.head, network.head_matrices
        activation = head.activation if head else Activation("Tanh")
        self.activation, self.alone = activation.name, not network.arrays
        self.convolutions = nn.ModuleList(
            Remembering(m.columns, m.rows, m.taps, step, 1, True)
            for m, step in zip(matrices, head.steps if head else (), strict=True)
        )
        self.register_buffer("numbers", numbers_of(activation), persistent=True)

    def forward(self, x: Tensor, h: Tensor, at: int) -> tuple[Tensor, list[Tensor], int]:
        """The output, the new histories, and where the next network's begin."""
        kept: list[Tensor] = []
        for n, convolution in enumerate(self.convolutions):
            if n > 0 or not self.alone:
                x = activate(self.activation, self.numbers, x)
            x, part = convolution(x, h, at)
            kept.append(part)
            at += part.shape[0]
        return x, kept, at


class Scale(nn.Module):
    """The last factor; a module of its own, so that it is the last parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Scale x."""
        return x * self.factor


class WaveNetNetwork(nn.Module):
    """One network, without what makes its condition."""

    def __init__(self, network: WaveNet) -> None:
        super().__init__()
        self.arrays = nn.ModuleList(WaveNetArray(array) for array in network.arrays)
        self.head = WaveNetHead(network)
        self.alone = not network.arrays
        self.scale = Scale()

    def forward(self, audio: Tensor, condition: Tensor, h: Tensor, at: int) -> tuple[Tensor, list[Tensor], int]:
        """The result, the new histories, and where the next network's begin."""
        x, total = audio, torch.zeros(1, 1, 1, dtype=audio.dtype)
        kept: list[Tensor] = []
        for array in self.arrays:
            x, total, parts, at = array(x, total, condition, h, at)
            kept += parts
        y, parts, at = self.head(audio if self.alone else self.scale(total), h, at)
        return self.scale(y) if self.alone else y, kept + parts, at


class EffectWaveNet(nn.Module):
    """A whole WaveNet: first what makes the condition, if there is any, last what makes the output.

    Parameters
    ----------
    architecture : WaveNet
    """

    def __init__(self, architecture: WaveNet) -> None:
        super().__init__()
        self.architecture = architecture
        chain: list[WaveNet] = []
        network: WaveNet | None = architecture
        while network is not None:
            chain.insert(0, network)
            network = network.condition
        self.networks = nn.ModuleList(WaveNetNetwork(one) for one in chain)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Play `x` (1, frames, 1) from the histories `h` (1, 1, all)."""
        audio = x.transpose(1, 2)
        condition = audio
        kept: list[Tensor] = []
        at = 0
        for network in self.networks:
            condition, parts, at = network(audio, condition, h, at)
            kept += parts
        return condition.transpose(1, 2), torch.cat(kept).reshape(1, 1, -1), c


def build_wavenet(architecture: WaveNet, flat: Float32Array) -> EffectWaveNet:
    """The module with these weights."""
    module = EffectWaveNet(architecture)
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.tensor(flat), module.parameters())
    return module.eval()


def flat_weights(module: EffectWaveNet) -> Float32Array:
    """The weights of a module, one after the other."""
    weights: Float32Array = nn.utils.parameters_to_vector(module.parameters()).detach().numpy().astype("float32")
    return weights
