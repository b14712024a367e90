#!/bin/sh
# Runs a command of hico-platform. With --address HOST:PORT this container first joins that Ray cluster, without CPUs, since
# Ray requires the driver's machine to be a node. Trials run on the workers; Ray's processes get no address of a store.
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
