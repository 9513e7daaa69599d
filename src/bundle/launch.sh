#!/bin/sh
# Starts the mcp-ferry for this system and processor.
#
# Some hosts unpack all files without the right to execute them, into a folder that may be read-only or belong to
# another user. Then a copy in the user's own folder is started.

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac

fail() {
    printf 'mcp-ferry: error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

machine=$(uname -s 2>/dev/null)-$(uname -m 2>/dev/null)
case $machine in
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
[ -f "$program" ] || fail "this extension has no program for ${machine%%-*} on ${machine#*-}" 'install one that was made for this system and processor'

[ -x "$program" ] || chmod u+x "$program" 2>/dev/null
[ -x "$program" ] && exec "$program" "$@"

# The sum of a program makes the name of its copy, so that another version is another file.
case $name in
@SUMS@
esac
folder=${MCP_FERRY_HOME:-${HOME:+$HOME/.mcp-ferry}}
[ -n "$folder" ] || fail "$program cannot be executed, and HOME, where a copy would be put, is not set" 'set HOME, or MCP_FERRY_HOME to a folder for the copy'
folder=$folder/bin
copy=$folder/mcp-ferry-$sum
# What a killed machine left may be the beginning of a copy only.
if ! { [ -x "$copy" ] && cmp -s "$program" "$copy"; }; then
    [ ! -d "$copy" ] || fail "$copy is a folder" 'move it away'
    umask 077
    # Several may start at once: each renames a copy of its own.
    if ! { mkdir -p "$folder" && cp "$program" "$copy.$$" && chmod 700 "$copy.$$" && mv -f "$copy.$$" "$copy"; } 2>/dev/null; then
        rm -f "$copy.$$" 2>/dev/null
        fail "$program cannot be executed, and cannot be copied to $folder" 'set MCP_FERRY_HOME to a folder that you may write to'
    fi
    # Copies of versions that were replaced long ago, and those that were never finished.
    find "$folder" -name 'mcp-ferry-*' ! -name "mcp-ferry-$sum" \( -mtime +90 -o -name '*.*' -mtime +1 \) -exec rm -f {} + 2>/dev/null
fi
[ -x "$copy" ] || fail "$copy cannot be executed" 'its file system may allow no programs; set MCP_FERRY_HOME to a folder elsewhere'
exec "$copy" "$@"
