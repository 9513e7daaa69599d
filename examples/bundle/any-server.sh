#!/bin/sh
# The extension for any server: it asks for the URL, and for a token that may be left empty.
#
#   examples/bundle/any-server.sh [--program FILE …] [--output FOLDER]
here=$(cd "$(dirname "$0")" && pwd)
exec "${MCP_FERRY:-mcp-ferry}" bundle --icon "$here/../../dist/mcpb/icon.png" "$@"
