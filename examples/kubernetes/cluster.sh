#!/bin/sh
# The cluster of this repository: `cluster.sh up FOLDER` starts it, or joins the one that runs, and leaves its kubeconfig in
# the folder; `cluster.sh down` lets it end as soon as nobody uses it.
set -e
cd "${REPOSITORY:-$(dirname "$0")/../..}"
python=$(test -x .venv/bin/python && echo .venv/bin/python || echo python3)
way=$($python -m scripts.cluster "$1")
if [ "$1" = up ]; then
    eval "$way" # export KUBECONFIG=…
    cp "$KUBECONFIG" "$2/kubeconfig"
fi
