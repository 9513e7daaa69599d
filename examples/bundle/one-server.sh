#!/bin/sh
# The extensions of a service for its customers: each of them has an address of their own and a token. The one for
# staging is installed beside the other, with answers of its own.
#
#   examples/bundle/one-server.sh [--program FILE …] [--output FOLDER]
here=$(cd "$(dirname "$0")" && pwd)
exec "${MCP_FERRY:-mcp-ferry}" bundle \
    --url 'https://{account}.acme.example/api/mcp' \
    --variant 'staging=https://{account}.staging.acme.example/api/mcp' \
    --name acme \
    --display-name Acme \
    --version 1.0.0 \
    --description 'The pipelines of your Acme account.' \
    --author Acme \
    --icon "$here/../../dist/mcpb/icon.png" \
    --homepage https://www.acme.example \
    --documentation https://www.acme.example/docs/mcp \
    --support https://www.acme.example/support \
    --privacy-policy https://www.acme.example/privacy \
    --field 'account=Account: The first word of the address at which you use Acme' \
    --token \
    --field 'token=Access token: Made at Settings, Access tokens' \
    --ask read-only --field 'read_only=Read only: Hide the tools that change something' \
    --ask ca-cert --field 'ca_cert=CA certificate: For networks that read encrypted traffic: a PEM file' \
    "$@"
