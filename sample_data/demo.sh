#!/bin/sh
# `make demo`: labeling rounds on the sample digits, answered from the truth file instead of by people.
#
#   demo.sh FOLDER [ROUNDS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: demo.sh FOLDER [ROUNDS]} rounds=${2:-5}

rm -rf "$folder"
mkdir -p "$folder"
for file in items.parquet holdout.csv targets.toml classes.txt; do cp "$here/digits/$file" "$folder"; done
echo 'BACKBONE="pixels --image-size 8" BUDGET=40' > "$folder/round.env"

for step in $(seq 0 "$rounds"); do
    sh "$here/round.sh" "$folder"
    round=$(ls "$folder/rounds" | tail -n 1)
    if [ -e "$folder/rounds/$round/met" ] || [ "$step" = "$rounds" ]; then break; fi
    # The annotator: looks up the rows of todo.csv in the truth.
    awk -F, 'NR == FNR { asked[$1]; next } FNR == 1 || $1 in asked' "$folder/rounds/$round/todo.csv" "$here/digits/truth.csv" \
        > "$folder/answers/$round.csv"
done

set -- # the metrics of the rounds before
for metrics in "$folder"/rounds/*/metrics.parquet; do
    [ "$metrics" = "$folder/rounds/$round/metrics.parquet" ] || set -- "$@" --history "$metrics"
done
altool report --predictions "$folder/rounds/$round/predictions.parquet" --labels "$folder/labels" --targets "$folder/targets.toml" \
    --features "$folder/features.parquet" --round "$round" "$@" -o "$folder/report.html"
echo
echo "Open $folder/report.html"
