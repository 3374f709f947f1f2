#!/bin/sh
# A round of labeling for a scheduler, every table of it below one place: a folder, or an address in object storage.
#
#   round.sh PLACE ROUND [BUDGET]
#
# PLACE holds items.parquet and, for round 0, holdout.csv: labels to measure on. Round 0 asks for a first sample. Every later round imports
# what PLACE/answers holds, learns of it, asks for more and reports. A call that was killed is repeated as it is: it comes to the same.
set -eu
place=${1:?usage: round.sh PLACE ROUND [BUDGET]} round=${2:?usage: round.sh PLACE ROUND [BUDGET]} budget=${3:-40}
altool=${ALTOOL:-altool} backbone=${BACKBONE:-pixels}

$altool embed --items "$place/items.parquet" --backbone "$backbone" -o "$place/features.parquet" --overwrite
if [ "$round" = 0 ]; then
    $altool import-labels "$place/holdout.csv" --labels "$place/labels" --source holdout --items "$place/items.parquet"
    $altool select --features "$place/features.parquet" --labels "$place/labels" --strategy random --budget "$budget" --round 0 \
        -o "$place/queries/0.parquet" --items "$place/items.parquet" --export "csv=$place/todo/0.csv" --overwrite
    exit
fi
$altool import-labels "$place/answers" --labels "$place/labels" --queries "$place/queries/*.parquet"
$altool train --features "$place/features.parquet" --labels "$place/labels" -o "$place/models/$round" --overwrite
$altool score --model "$place/models/$round" --features "$place/features.parquet" -o "$place/predictions/$round.parquet" --overwrite
$altool select --predictions "$place/predictions/$round.parquet" --labels "$place/labels" --strategy margin --budget "$budget" \
    --round "$round" -o "$place/queries/$round.parquet" --items "$place/items.parquet" --export "csv=$place/todo/$round.csv" --overwrite
$altool report --predictions "$place/predictions/$round.parquet" --labels "$place/labels" --round "$round" \
    -o "$place/reports/$round.html" --metrics-output "$place/metrics/$round.parquet" --overwrite
