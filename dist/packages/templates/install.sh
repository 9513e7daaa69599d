#!/bin/sh
# Installs mcp-ferry @VERSION@ into ~/.local/bin, or into the folder that MCP_FERRY_INSTALL_DIR names.
#
# The sums of the archives stand below: what has another sum is not unpacked. MCP_FERRY_DOWNLOAD_URL is another
# place to load the archives from, for a company's own copy.
set -eu

from=${MCP_FERRY_DOWNLOAD_URL:-@RELEASE@}
into=${MCP_FERRY_INSTALL_DIR:-${HOME:+$HOME/.local/bin}}

fail() {
    printf 'mcp-ferry: %s; nothing was installed\n' "$1" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

load() {
    if has curl; then
        curl --fail --silent --show-error --location --output "$2" "$1"
    elif has wget; then
        wget --quiet --tries=3 --output-document="$2" "$1"
    else
        fail 'curl or wget is needed'
    fi || fail "cannot load $1"
}

sum_of() {
    if has sha256sum; then
        sha256sum "$1"
    elif has shasum; then
        shasum -a 256 "$1"
    else
        openssl dgst -sha256 -r "$1"
    fi | cut -d ' ' -f 1
}

# All of it is read before it runs, so that half a script does nothing.
main() {
    machine=$(uname -s)-$(uname -m)
    case $machine in
    @MACHINES@
    *) fail "there is no program for $machine" ;;
    esac
    [ -n "$into" ] || fail 'HOME is not set; name a folder with MCP_FERRY_INSTALL_DIR'
    [ ! -d "$into/mcp-ferry" ] || fail "$into/mcp-ferry is a folder; name another one with MCP_FERRY_INSTALL_DIR"
    has sha256sum || has shasum || has openssl || fail 'sha256sum, shasum or openssl is needed'
    has tar || fail 'tar is needed'
    name=@NAME@-@VERSION@-$target
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    load "$from/$name.tar.gz" "$scratch/$name.tar.gz"
    found=$(sum_of "$scratch/$name.tar.gz")
    [ "$found" = "$sum" ] || fail "$name.tar.gz has the sum $found instead of $sum"
    tar -xzf "$scratch/$name.tar.gz" -C "$scratch" || fail "cannot unpack $name.tar.gz"
    # A new file in the old one's place: a program that runs keeps its own.
    new=$into/.mcp-ferry.new
    if ! { mkdir -p "$into" && cp "$scratch/$name/mcp-ferry" "$new" && chmod 755 "$new" && mv -f "$new" "$into/mcp-ferry"; }; then
        rm -f "$new"
        fail "cannot write to $into; name another folder with MCP_FERRY_INSTALL_DIR"
    fi
    printf 'installed %s\n' "$into/mcp-ferry"
    case :$PATH: in
    *:"${into%/}":* | *:"${into%/}/":*) printf 'next: mcp-ferry install URL\n' ;;
    *) printf "next: '%s' install URL\n" "$into/mcp-ferry" ;;
    esac
}

main
