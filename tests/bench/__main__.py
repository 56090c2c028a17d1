"""``make bench``: every benchmark, or those named: ``make bench ARGS="import scale"``.

Each prints a table; ratios are against a baseline of the same run. Nothing here is an assertion.
"""

import subprocess
import sys

BENCHES = [
    "phash",
    "color",
    "local_features",
    "local_scale",
    "embeddings",
    "encoders",
    "global_features",
    "import",
    "scale",
    "web",
    "text_search",
    "ocr_words",
    "tags",
    "complete",
    "ocr",
    "novelty",
    "quality",
    "mining",
    "datasets",
    "watermark",
]


def main() -> None:
    unknown = set(sys.argv[1:]) - set(BENCHES)
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHES)}.")
    for name in sys.argv[1:] or BENCHES:
        print(f"\n== {name}", flush=True)
        # A process each: memory and thread pools of one benchmark do not weigh on the next.
        subprocess.run([sys.executable, "-m", f"tests.bench.bench_{name}"], check=False)


if __name__ == "__main__":
    main()
