"""A small network that sees marks laid over pictures. Imported only where torch is wanted: it brings it.

It is fully convolutional. Its first layer is also given what differs from its surroundings, in relation to how much
does so there: a faint mark on a calm sky and a strong one on grass then look alike. It learns where the mark is (its
map, of an eighth of the side), which tells it much more of each picture than one yes or no; that answer is made of the
strongest places of the map and of what the deepest layer has seen anywhere.
"""

from __future__ import annotations

from typing import Any

from search.encoders.pytorch import torch

nn: Any = torch().nn
functional = nn.functional
Module: Any = nn.Module

STRIDE = 8
"""Pixels of the side of what one number of the map stands for."""
_STRONGEST = 32
_WIDTHS = (16, 32, 64, 96)


class Small(Module):
    def __init__(self, widths: tuple[int, int, int, int] = _WIDTHS, blocks: tuple[int, int, int] = (1, 2, 2)) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.stem = _layer(6, first, stride=2)
        self.second = nn.Sequential(_layer(first, second, stride=2), *(_Block(second) for _ in range(blocks[0])))
        self.third = nn.Sequential(_layer(second, third, stride=2), *(_Block(third) for _ in range(blocks[1])))
        self.fourth = nn.Sequential(
            _layer(third, fourth, stride=2), *(_Block(fourth, dilation=1 + i % 2) for i in range(blocks[2]))
        )
        self.down = nn.Conv2d(fourth, third, 1)
        self.fused = _layer(third, third)
        self.where = nn.Conv2d(third, 1, 1)
        self.answer = nn.Sequential(nn.Linear(3 + 2 * fourth, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, pixels: Any) -> Any:
        """(n,) logits of (n, 3, side, side)."""
        return self.seen(pixels)[0]

    def seen(self, pixels: Any) -> tuple[Any, Any]:
        """(n,) logits, and (n, side / STRIDE, side / STRIDE) of the map."""
        pixels = pixels.contiguous(memory_format=torch().channels_last)  # twice as fast
        third = self.third(self.second(self.stem(torch().cat([pixels, _standing_out(pixels)], dim=1))))
        fourth = self.fourth(third)
        fused = self.fused(third + functional.interpolate(self.down(fourth), size=third.shape[2:]))
        where = self.where(fused).float().flatten(1)
        strongest = where.topk(min(_STRONGEST, where.shape[1]), dim=1).values
        deep = fourth.float()
        found = [strongest[:, :1], strongest.mean(1, keepdim=True), where.mean(1, keepdim=True)]
        answer = self.answer(torch().cat([*found, deep.amax((2, 3)), deep.mean((2, 3))], dim=1))
        return answer.float().flatten(), where.view(-1, *third.shape[2:])


class _Block(Module):
    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _layer(width, width, dilation=dilation),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, seen: Any) -> Any:
        return functional.relu(seen + self.layers(seen))


def _layer(came: int, goes: int, stride: int = 1, dilation: int = 1) -> Any:
    conv = nn.Conv2d(came, goes, 3, stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(goes), nn.ReLU())


def _standing_out(pixels: Any) -> Any:
    """(n, 3, side, side): what differs from the mean of 5 x 5 around it, in units of how much does so around there."""
    with torch().autocast(pixels.device.type, enabled=False):  # a faint mark is lost in 16 bits
        pixels = pixels.float()
        fine = pixels - _mean(pixels)
        energy = functional.avg_pool2d(fine.square().mean(1, keepdim=True), 2 * STRIDE, ceil_mode=True)
        around = functional.avg_pool2d(energy, 3, 1, padding=1, count_include_pad=False)
        return fine * functional.interpolate((around + 4e-4).rsqrt(), size=pixels.shape[2:], mode="bilinear")


def _mean(pixels: Any) -> Any:
    """Of 5 x 5: two convolutions of this kind take a fifth of the time of PyTorch's own pooling."""
    channels = pixels.shape[1]
    line = pixels.new_full((channels, 1, 1, 5), 0.2)
    padded = functional.pad(pixels, (2, 2, 2, 2), mode="replicate")
    lying = functional.conv2d(padded, line, groups=channels)
    return functional.conv2d(lying, line.transpose(2, 3), groups=channels)
