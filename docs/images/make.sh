#!/bin/sh
# Makes report.png, the picture of the README: the page of `altool report` after three rounds of `make demo`.
#
#   PATH="$PWD/.venv/bin:$PATH" sh docs/images/make.sh     (needs Chromium)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

sh "$here/../../sample_data/demo.sh" "$folder/demo" digits 3 > "$folder/log"
chromium --headless --no-sandbox --hide-scrollbars --window-size=1060,930 --screenshot="$folder/page.png" "file://$folder/demo/report.html"
python3 - "$folder/page.png" "$here/report.png" <<'EOF'
import sys
from PIL import Image
Image.open(sys.argv[1]).convert("RGB").quantize(64).save(sys.argv[2], optimize=True)  # text and few colours: a quarter of the bytes
EOF
ls -l "$here/report.png"
