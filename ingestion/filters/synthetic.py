"""Made by a generator, as far as the file itself says so: a hint, for anybody can take such words out or put them in.

Looked at: content credentials (C2PA) and their digitalSourceType, the same property of IPTC in XMP, and what Stable
Diffusion web UIs, ComfyUI, InvokeAI, NovelAI, Fooocus and Midjourney write into PNG texts or EXIF. Nothing is verified.
"""

from __future__ import annotations

import re
from typing import Any

from ingestion.declared import Declared, read
from ingestion.filters._base import Filter, Finding, Score, Screened

_TYPE = re.compile(
    rb"digitalsourcetype/(trainedAlgorithmicMedia|compositeWithTrainedAlgorithmicMedia|compositeSynthetic"
    rb"|algorithmicMedia|dataDrivenMedia|[a-z]{1,40})",
    re.IGNORECASE,
)
"""Known names first: in CBOR the next text begins with a byte that looks like one more letter."""
_MADE = {"trainedalgorithmicmedia"}
_PARTLY = {
    "compositewithtrainedalgorithmicmedia": "partly by a trained model",
    "compositesynthetic": "partly by a generator",
    "algorithmicmedia": "by an algorithm",
    "datadrivenmedia": "by an algorithm",
}
"""IPTC NewsCodes, digitalsourcetype: not all of the picture, or not by a trained model."""
_TOOL = re.compile(rb"CreatorTool(?:=[\"']|>)([^<\"']{1,100})")
_NAMES = re.compile(
    r"stable.?diffusion|automatic1111|comfyui|invokeai|novelai|fooocus|swarmui|easy diffusion|draw things"
    r"|midjourney|dall.?e\b|adobe firefly|made with google ai|leonardo\.ai|ideogram|nightcafe|dreamstudio",
    re.IGNORECASE,
)
_STEPS = re.compile(r"Steps: \d+, (?:[\w ]{1,40}: [^,]{1,80}, ){0,3}?(?:Sampler|Schedule type|CFG scale|Seed): ")
"""The last line that Stable Diffusion web UIs write after the prompt."""
_KEYS = {
    "invokeai_metadata": "InvokeAI",
    "invokeai_graph": "InvokeAI",
    "sd-metadata": "InvokeAI",
    "Dream": "InvokeAI",
    "fooocus_scheme": "Fooocus",
}
"""Keywords of PNG texts that nobody else writes."""
_TEXTS = (
    ("parameters", _STEPS, "Stable Diffusion"),
    ("parameters", re.compile("sui_image_params"), "SwarmUI"),
    ("prompt", re.compile(r'"class_type"\s*:'), "ComfyUI"),
    ("workflow", re.compile(r'"last_node_id"\s*:|"links"\s*:'), "ComfyUI"),
    ("Comment", re.compile(r'"sampler"\s*:'), "NovelAI"),
    ("Description", re.compile(r"Job ID: [0-9a-f]{8}-"), "Midjourney"),
)


class Synthetic(Filter):
    name = "synthetic"
    label = "Made by a generator"
    order = 20
    scores = (
        Score(
            "synthetic",
            "Made by a generator",
            "What the file says of itself: 1 says so, 0.5 is unsure, 0 says nothing.",
            "low",
            cut_off=0.25,
        ),
    )

    def judge(self, screened: Screened, options: dict[str, Any]) -> Finding:
        declared = read(screened.path, screened.picture.format)
        score, sentence, said = _judged(declared, screened.picture.exif)
        return Finding({"synthetic": score}, sentence, facts={"declared": said} if said else {})


def _judged(declared: Declared, exif: dict[str, Any]) -> tuple[float, str, dict[str, str]]:
    """(score, sentence, what was declared)"""
    types = {found.decode().lower() for found in _TYPE.findall(declared.xmp) + _TYPE.findall(declared.c2pa)}
    by = _generator(declared, exif)
    if types & _MADE:
        return 1.0, "The file says that a trained model has made it.", {"source_type": "trainedAlgorithmicMedia"}
    if by:
        return 1.0, f"The file says that it was made with {by}.", {"generator": by}
    for partly in sorted(types & _PARTLY.keys()):
        return 0.5, f"The file says that it was made {_PARTLY[partly]}.", {"source_type": partly}
    if types:
        return 0.0, "", {"source_type": min(types)}
    if declared.c2pa or b"dcterms:provenance" in declared.xmp:
        words = "Unsure: it has content credentials, and they do not say how it was made."
        return 0.5, words, {"credentials": "without a source type"}
    return 0.0, "", {}


def _generator(declared: Declared, exif: dict[str, Any]) -> str:
    """The name of one, or ""."""
    for key, text in declared.texts:
        if by := _KEYS.get(key) or next((name for k, words, name in _TEXTS if k == key and words.search(text)), ""):
            return by
    if _STEPS.search(declared.exif.replace(b"\0", b"").decode("latin-1")):  # without NUL, UTF-16 reads as ASCII
        return "Stable Diffusion"
    tools = [tool.decode("latin-1") for tool in _TOOL.findall(declared.xmp)]
    tools += [str(exif.get(name, "")) for name in ("Software", "Make", "Model")]
    tools += [text[:500] for key, text in declared.texts if key in ("Software", "Source")]
    return next((found[0] for tool in tools if (found := _NAMES.search(tool))), "")


FILTER = Synthetic()
