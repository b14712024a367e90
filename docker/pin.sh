#!/bin/sh
# Fetches the newest digest of every image that files in docker/ name by tag and digest, and writes it into them.
#   docker/pin.sh     then read the diff, build, and test
set -eu
cd "$(dirname "$0")"
for image in $(sed -nE 's/^ *(FROM|image:) +([^ ]+)@sha256:.*/\2/p' Dockerfile compose.yaml | sort -u); do
    digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image")
    case $digest in
    sha256:*) sed -i -E "s#($image)@sha256:[0-9a-f]{64}#\1@$digest#" Dockerfile compose.yaml ;;
    *) echo "expected a digest of $image, got '$digest'" >&2 && exit 1 ;;
    esac
    echo "$image $digest"
done
