#!/bin/bash
set -Eeo pipefail

if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=store --regid=store --clear-groups "$BASH_SOURCE" "$@"
fi
stat -c '%A %u %g' "$PGDATA"
python3 - "$PGDATA/store.db" /docker-entrypoint-initdb.d/*.sql <<'END'
import sqlite3
import sys

store = sqlite3.connect(sys.argv[1])
for script in sys.argv[2:]:
    print("running", script)
    store.executescript(open(script).read())
print(store.execute("select name from article order by name").fetchall())
END
echo "$@" of $STORE_MAJOR as "$(id -un)"
