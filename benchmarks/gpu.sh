#!/bin/sh
# What altool does on a GPU, beside the processor, in one table and within ten minutes (gpu.py):
#   sh benchmarks/gpu.sh [--device cuda] [--small] [--pools FOLDER] [--out FILE]
# With --device cpu --small every line of it is tried without a GPU.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
needed="import hypothesis, jinja2, pyarrow, pytest, rich, safetensors, sklearn, threadpoolctl, torch, torchvision, typer, xdist"
"$python" -c "$needed" 2>/dev/null || "$python" -m pip install --quiet --editable '.[torch,dev]'
exec "$python" -m benchmarks.gpu "$@"
