#!/bin/bash
# Checks the walks of docs/architecture.md: every function and type that a step names in backticks is declared in the
# sources. A name is `function`, `Type.function` or `Type`; arguments and labels do not count.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
walks=$(awk '/^## Walk/ { inside = 1; next } /^## / { inside = 0 } inside && /^[0-9]+\. /' docs/architecture.md)
count=$(printf '%s\n' "$walks" | grep -c . || true)
if [ "$count" -lt 20 ]; then
    echo "error: docs/architecture.md has walks of $count steps in all; the sections are called '## Walk: …'" >&2
    exit 1
fi
sections=$(awk '/^## Walk/ { if (n > 15) print name ": " n " steps"; name = $0; n = 0 } /^[0-9]+\. / { n++ }
    END { if (n > 15) print name ": " n " steps" }' docs/architecture.md)
if [ -n "$sections" ]; then
    echo "error: a walk has at most 15 steps: $sections" >&2
    failed=1
fi
named=$(printf '%s\n' "$walks" | grep -oE '`[A-Za-z_][A-Za-z0-9_.]*(\([^`]*\))?`' | tr -d '`' | sed 's/(.*//' | sort -u)
for name in $named; do
    type=${name%.*}
    own=${name##*.}
    if ! grep -rqE \
        "(^|[^A-Za-z0-9_])(func|var|let|case|class|struct|enum|protocol|actor|typealias) ${own}([^A-Za-z0-9_]|$)" \
        Sources --include='*.swift' && ! grep -rqE "(^|[^A-Za-z0-9_])${own} *\(" Sources --include='*.[ch]'; then
        [ "$own" = init ] || {
            echo "error: docs/architecture.md names '$name', which no source declares" >&2
            failed=1
        }
    fi
    if [ "$type" != "$name" ] && ! grep -rqE \
        "(class|struct|enum|protocol|actor|extension|typealias) ${type}([^A-Za-z0-9_]|$)" \
        Sources --include='*.swift'; then
        echo "error: docs/architecture.md names '$name', but no source declares '$type'" >&2
        failed=1
    fi
done
[ "$failed" -eq 0 ] && echo "walks: every name is there"
exit "$failed"
