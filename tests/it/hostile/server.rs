//! An MCP server that sends what should stop the bridge: huge values, endless streams, wrong envelopes.
