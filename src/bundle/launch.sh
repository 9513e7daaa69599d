#!/bin/sh
# Starts the mcp-ferry for this system and processor.
#
# Some hosts unpack all files without the right to execute them, into a folder that may be read-only or belong to
# another user. Then a copy in the user's own folder is started.

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac

fail() {
    printf 'mcp-ferry: error: %s\n' "$1" >&2
    exit 1
}

case $(uname -s)-$(uname -m) in
Linux-x86_64 | Linux-amd64) names=linux-x86_64 ;;
Linux-aarch64 | Linux-arm64) names=linux-aarch64 ;;
Darwin-arm64) names='macos-aarch64 macos macos-x86_64' ;;
Darwin-*) names='macos-x86_64 macos' ;;
*) names='' ;;
esac
program=
for name in $names; do
    program=$here/mcp-ferry-$name
    [ -f "$program" ] && break
done
[ -f "$program" ] || fail "this extension has no program for $(uname -s) on $(uname -m)"

[ -x "$program" ] || chmod u+x "$program" 2>/dev/null
[ -x "$program" ] && exec "$program" "$@"

# The sum of a program makes the name of its copy, so that another version is another file.
case $name in
@SUMS@
esac
folder=${MCP_FERRY_HOME:-${HOME:+$HOME/.mcp-ferry}}
[ -n "$folder" ] || fail "$program cannot be executed, and HOME, where a copy would be put, is not set"
folder=$folder/bin
copy=$folder/mcp-ferry-$sum
if ! [ -x "$copy" ]; then
    umask 077
    # Several may start at once: each renames a copy of its own.
    if ! { mkdir -p "$folder" && cp "$program" "$copy.$$" && chmod 700 "$copy.$$" && mv -f "$copy.$$" "$copy"; }; then
        rm -f "$copy.$$"
        fail "$program cannot be executed, and cannot be copied to $folder"
    fi
    # Copies of versions that were replaced long ago.
    find "$folder" -name 'mcp-ferry-*' ! -name "*$sum*" -mtime +90 -exec rm -f {} + 2>/dev/null
fi
exec "$copy" "$@"
