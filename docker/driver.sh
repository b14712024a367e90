#!/bin/sh
# Runs a command of hico-platform; one with --address HOST:PORT first makes this container a machine of that cluster,
# without CPUs, as Ray asks of a driver's machine. Trials run on the workers; the node itself gets no address of a store.
set -eu
address=
previous=
for word in "$@"; do
    case $previous:$word in
    --address:*) address=$word ;;
    *:--address=*) address=${word#--address=} ;;
    esac
    previous=$word
done
[ -z "$address" ] ||
    env -u HICO_STORAGE -u MLFLOW_TRACKING_URI -u PGSERVICEFILE \
        ray start --address="$address" --num-cpus=0 --num-gpus=0 --object-store-memory=100000000 \
        --disable-usage-stats >&2
exec hico-platform "$@"
