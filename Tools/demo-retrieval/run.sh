#!/usr/bin/env bash
# Indexes the project's documents, answers five questions from them, and draws how well each way of searching does.
#   run.sh INFER [FOLDER]      from the repository's root; results lie in FOLDER (.build/demo-retrieval)
# EMBEDDER=MODEL adds vectors and the arms that use them, GENERATOR=MODEL answers in place of the bundled model, and
# RERANKER=MODEL scores the hits anew.
set -euo pipefail
infer=$1
folder=${2:-.build/demo-retrieval}
here=$(dirname "$0")
mkdir -p "$folder"
rm -f "$folder"/docs.db*

if [ -n "${EMBEDDER:-}" ]; then
    "$infer" index docs --model "$EMBEDDER" -c "$folder/docs.db"
    modes=lexical,dense,hybrid
else
    echo "(words only; EMBEDDER=MODEL adds vectors)"
    "$infer" index docs --lexical-only -c "$folder/docs.db"
    modes=lexical
fi
[ -z "${RERANKER:-}" ] || modes="$modes,${modes##*,}+rerank"

for question in \
    "What was the bundled model trained on?" \
    "What happens when the blocks of the cache run out?" \
    "Which fields can a filter of a search name?" \
    "How does the server end on SIGTERM?" \
    "What is the capital of Peru?"; do
    echo
    echo "## $question"
    "$infer" ask "$question" -c "$folder/docs.db" ${GENERATOR:+--model "$GENERATOR"} --max-tokens 64 --sources 3 \
        2>/dev/null
done

echo
"$infer" evaluate retrieval -c "$folder/docs.db" --queries "$here/questions.jsonl" --qrels "$here/qrels" --k 3 \
    ${RERANKER:+--rerank "$RERANKER"} --sweep "mode=$modes" --sweep chunk-tokens=60,120,300 \
    --svg "$folder/quality-against-time.svg"
echo "drawn: $folder/quality-against-time.svg"
