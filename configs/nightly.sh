#!/bin/sh
# Goes on with nights that were interrupted, then starts tonight's; the exit code is that of the last. An argument
# (2026-11-30) names another day.
cd "$(dirname "$0")" || exit 2
day=${1:-$(date -u +%F)}
code=0
for run in runs/*; do
    if [ -e "$run/run.json" ] && [ ! -e "$run/summary.json" ]; then
        fanout resume "$run"
        code=$?
        case $code in 0 | 3) ;; *) exit $code ;; esac
    fi
done
if [ -e "runs/$day/run.json" ]; then
    echo "nightly.sh: the night of $day has ended: fanout status runs/$day" >&2
    exit $code
fi
exec fanout run -c nightly.toml --date "$day"
