#!/bin/sh
# Makes report.png and report-rows.png, the pictures of the README and of the guide: the page of `altool report` after three rounds of
# `make demo`.
#
#   PATH="$PWD/.venv/bin:$PATH" sh docs/images/make.sh [PAGE]     (needs Chromium; with PAGE, of that page)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

page=${1:-$folder/demo/report.html}
[ -n "${1:-}" ] || sh "$here/../../sample_data/demo.sh" "$folder/demo" digits 3 > "$folder/log"
chromium --headless --no-sandbox --hide-scrollbars --window-size=1060,1900 --screenshot="$folder/page.png" "file://$(realpath "$page")"
python3 - "$folder/page.png" "$here" <<'END'
import sys
from PIL import Image
page = Image.open(sys.argv[1]).convert("RGB")
for name, top, bottom in (("report", 0, 770), ("report-rows", 785, 1900)):
    part = page.crop((0, top, 1060, bottom)).quantize(64)  # text and few colours: a quarter of the bytes
    part.save(f"{sys.argv[2]}/{name}.png", optimize=True)
END
ls -l "$here"/report*.png
