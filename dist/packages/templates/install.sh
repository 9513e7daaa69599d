#!/bin/sh
# Installs mcp-ferry @VERSION@ into ~/.local/bin, or into the folder that MCP_FERRY_INSTALL_DIR names.
#
# The sums of the archives stand below: what has another sum is not unpacked. MCP_FERRY_DOWNLOAD_URL is another
# place to load the archives from, for a company's own copy.
set -eu

from=${MCP_FERRY_DOWNLOAD_URL:-@RELEASE@}
into=${MCP_FERRY_INSTALL_DIR:-$HOME/.local/bin}

fail() {
    printf 'mcp-ferry: %s\n' "$1" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

load() {
    if has curl; then
        curl --fail --silent --show-error --location --output "$2" "$1"
    elif has wget; then
        wget --quiet --output-document="$2" "$1"
    else
        fail 'curl or wget is needed'
    fi || fail "cannot load $1"
}

sum_of() {
    if has sha256sum; then
        sha256sum "$1"
    elif has shasum; then
        shasum -a 256 "$1"
    elif has openssl; then
        openssl dgst -sha256 -r "$1"
    else
        fail 'sha256sum, shasum or openssl is needed'
    fi | cut -d ' ' -f 1
}

# All of it is read before it runs, so that half a script does nothing.
main() {
    machine=$(uname -s)-$(uname -m)
    case $machine in
    @MACHINES@
    *) fail "there is no program for $machine" ;;
    esac
    name=@NAME@-@VERSION@-$target
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    load "$from/$name.tar.gz" "$scratch/$name.tar.gz"
    found=$(sum_of "$scratch/$name.tar.gz")
    [ "$found" = "$sum" ] || fail "$name.tar.gz has the sum $found instead of $sum; nothing was installed"
    tar -xzf "$scratch/$name.tar.gz" -C "$scratch"
    mkdir -p "$into"
    # A new file in the old one's place: a program that runs keeps its own.
    cp "$scratch/$name/mcp-ferry" "$into/.mcp-ferry.new"
    chmod 755 "$into/.mcp-ferry.new"
    mv -f "$into/.mcp-ferry.new" "$into/mcp-ferry"
    printf 'installed %s\n' "$into/mcp-ferry"
    case :$PATH: in
    *:"$into":*) printf 'next: mcp-ferry install URL\n' ;;
    *) printf 'next: %s install URL\n' "$into/mcp-ferry" ;;
    esac
}

main
