#!/bin/bash
# Runs clients that others wrote against `infer serve`: installs them from PyPI into a folder outside the repository
# (INFER_CLIENTS, ~/.cache/infer-clients), starts a server with the bundled model, and runs the tests here: clients,
# lm-eval on a task of ours, and the chat page where there is a Chromium.
# Usage: Tests/Clients/run.sh PATH-OF-INFER [pytest arguments]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
infer=$1
shift
folder=${INFER_CLIENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/infer-clients}
python=${INFER_CLIENTS_PYTHON:-$folder/bin/python}
if [ ! -x "$python" ]; then
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet pytest openai anthropic langchain-openai litellm requests schemathesis \
        "lm-eval[api]" websockets
fi
work=$(mktemp -d)
: >"$work/log"
# Models of tasks get the tokenizer that they share with others beside them.
for task in embed-mean rerank; do
    cp -r "$here/../Fixtures/tasks/$task" "$work/$task"
    kind=unigram
    grep -q BertTokenizer "$work/$task/tokenizer_config.json" && kind=wordpiece
    cp "$here/../Fixtures/tokenizers/$kind/tokenizer.json" "$work/$task"
done
"$infer" index "$here/../../docs" --lexical-only --collection "$work/docs.db" >"$work/log" 2>&1
# The second model reasons, says something and calls a tool, whatever it is asked; the last one calls the server's search
# tool and cites what it hears; the others make vectors and rank.
"$infer" serve --port 0 --parallel 8 --model "$here/../../Sources/BundledModel/bard" \
    --model "$here/../Fixtures/scripted" --model "$work/embed-mean" \
    --model "$work/rerank" --model "$here/../Fixtures/scripted-search" --collection "$work/docs.db" 2>"$work/log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    address=$(sed -n 's/.*listening on \(http:[^,]*\),.*/\1/p' "$work/log")
    [ -n "$address" ] && break
    kill -0 $server || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
LITELLM_LOCAL_MODEL_COST_MAP=True INFER_URL=$address INFER_SERVER_PID=$server \
    "$python" -m pytest -q -p no:cacheprovider "$here" "$@"
