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
[ -e "runs/$day/run.json" ] && exit $code # it has ended
exec fanout run -c nightly.toml --date "$day"
