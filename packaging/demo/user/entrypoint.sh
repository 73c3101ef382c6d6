#!/bin/sh
# Works as root, and then becomes the user app and the program.
set -e
chown -R app:app "$VOLUME"
exec gosu app "$@"
