#!/bin/sh
# One labeling round in plain shell, for cron: call it as often as you like.
#
#   round.sh PROJECT
#
# PROJECT/items.parquet   what there is to label (id and image, path or text)
# PROJECT/targets.toml    what each class must reach
# PROJECT/holdout.csv     labels that are only measured on (altool_id, label)
# PROJECT/classes.txt     the classes, one per line; without it, whatever people answer is a class
# PROJECT/answers/        put each round's exports here, named after it: 003.csv, 003-anna.json, …
# PROJECT/round.env       your settings, for example: BACKBONE="hashing" BUDGET=50 STRATEGY=margin
#
# It imports the answers that have come, and says what is still open. When a round is answered it trains, scores, measures and asks
# for the next one in PROJECT/rounds/NNN/todo.csv. It stops with status 0 when every target is met by estimate, and when there is nothing to do.
# Every step leaves its output whole or not at all, and a step whose output is there is not run again: kill it whenever you like.
set -eu

project=${1:?usage: round.sh PROJECT}
cd "$project"
BACKBONE="pixels" CLASSIFIER="logistic" STRATEGY="auto" TARGET_AWARE="yes" SELECT_OPTIONS="" BUDGET=30
if [ -e round.env ]; then . ./round.env; fi

train_classes="" import_classes="--allow-new-classes"
if [ -e classes.txt ]; then train_classes="--classes classes.txt" import_classes="--classes classes.txt"; fi

exec 9> .lock
flock -n 9 || { echo "another round.sh is at work in $project" >&2; exit 0; }
mkdir -p labels answers rounds

# 0. The vectors of items that have none yet; and, once, the labels that are only measured on.
altool embed --items items.parquet --backbone $BACKBONE -o features.parquet --update --quiet
[ -e .holdout ] || { altool import-labels holdout.csv --labels labels --source holdout --quiet; touch .holdout; }

# 1. The last round: import what was answered. Importing an export twice changes nothing.
last=$(ls rounds | tail -n 1)
if [ -n "$last" ] && [ -e "rounds/$last/queries.parquet" ]; then
    for export in answers/"$last"*; do
        [ -e "$export" ] || continue
        altool import-labels "$export" --labels labels --queries "rounds/$last/queries.parquet" $import_classes --quiet
    done
    status=0
    altool select --strategy queue --queue "rounds/$last/queries.parquet" --labels labels --budget 1000000 \
        -o "rounds/$last/open.parquet" --overwrite --quiet 2> /dev/null || status=$?
    case $status in
        0) echo "round $last waits for answers in $project/answers/ (see rounds/$last/todo.csv)"; exit 0 ;;
        4) ;; # nothing is open any more
        *) echo "round $last: altool select ended with status $status" >&2; exit $status ;;
    esac
    next=$(printf %03d $(($(echo "$last" | sed 's/^0*//; s/^$/0/') + 1)))
else
    next=${last:-000}
fi
here=rounds/$next
mkdir -p "$here"

if [ -e "$here/met" ]; then echo "round $next: every target is met by estimate"; exit 0; fi

# 2. Train, score and measure. The first round has no labels yet: it asks for a random sample.
if [ "$next" = 000 ]; then
    set -- --strategy random
else
    [ -e "$here/model" ] || altool train --features features.parquet --labels labels --classifier $CLASSIFIER $train_classes \
        -o "$here/model" --quiet
    [ -e "$here/predictions.parquet" ] ||
        altool score --model "$here/model" --features features.parquet -o "$here/predictions.parquet" --quiet
    set -- # the metrics of the rounds before say how often the holdout was looked at
    for metrics in rounds/*/metrics.parquet; do
        [ ! -e "$metrics" ] || [ "$metrics" = "$here/metrics.parquet" ] || set -- "$@" --history "$metrics"
    done
    status=0
    COLUMNS=200 altool report --predictions "$here/predictions.parquet" --labels labels --targets targets.toml --round "$next" "$@" \
        --metrics-output "$here/metrics.parquet" --check-targets --overwrite > "$here/report.txt" 2> "$here/report.log" || status=$?
    sed -n "s/^accuracy/round $next: accuracy/p" "$here/report.txt"
    case $status in
        0) touch "$here/met"; echo "round $next: every target is met by estimate"; exit 0 ;;
        5) ;; # some target is not met yet: go on
        *) cat "$here/report.log" >&2; exit $status ;;
    esac
    set -- --strategy $STRATEGY $SELECT_OPTIONS --predictions "$here/predictions.parquet" --suggest
    [ "$TARGET_AWARE" != yes ] || set -- "$@" --target-aware --targets targets.toml --metrics "$here/metrics.parquet"
fi

# 3. Ask for the next labels. The queries are written last: they mean that the round has begun.
status=0
altool select "$@" --features features.parquet --labels labels --budget $BUDGET --round "$next" \
    --items items.parquet --export csv="$here/todo.csv" -o "$here/queries.parquet" --overwrite --quiet || status=$?
case $status in
    0) echo "round $next asks for labels: $project/$here/todo.csv" ;;
    4) rm -f "$here/queries.parquet"; echo "round $next: nothing is left to label" ;;
    *) exit $status ;;
esac
