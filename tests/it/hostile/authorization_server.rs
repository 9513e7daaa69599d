//! An MCP server and an authorization server that want credentials which are not for them.
