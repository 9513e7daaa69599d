//! What does the help say besides the commands and options? Each example here is parsed by a test.

/// Below the first screen.
pub(super) const EXAMPLES: &str = "\
Examples:
  mcp-ferry install https://mcp.example.com/mcp      into the programs that you choose
  mcp-ferry https://mcp.example.com/mcp --header 'X-Api-Key: ${KEY}'   the bridge
  mcp-ferry call https://mcp.example.com/mcp search query=boats";

/// Below the whole help.
pub(super) const LONG: &str = "\
Examples:
  mcp-ferry https://mcp.example.com/mcp
      The bridge, as a program starts it: messages come on stdin and go to stdout
  mcp-ferry https://mcp.example.com/mcp --header 'X-Api-Key: ${KEY}'
      The same with a header whose value is in an environment variable
  mcp-ferry https://mcp.example.com/mcp --bearer-token-env EXAMPLE_TOKEN --read-only
      The same with a token, and only with tools that the server declares to be read-only
  mcp-ferry install https://mcp.example.com/mcp
      Have the programs that you choose start the bridge to this server
  mcp-ferry bundle --url https://mcp.example.com/mcp
      Make an extension for this server, which others install with a click
  mcp-ferry login https://mcp.example.com/mcp
      Log in before a program needs it
  mcp-ferry tools https://mcp.example.com/mcp
      The tools of the server, with their arguments
  mcp-ferry call https://mcp.example.com/mcp search query=boats
      The result of a tool
  mcp-ferry status --json
      The logins of this machine, for a script
  mcp-ferry help login
      The whole help of a command

Environment and configuration:
  MCP_FERRY_<OPTION>         the value of an option that is not typed; 1 turns a switch on
  MCP_FERRY_HOME             the folder for the bridge's files [default: ~/.mcp-ferry]
  ~/.mcp-ferry/config.toml   options by their long names: at the top for every server,
                             in [servers.\"https://host/path\"] for one server
  NO_COLOR, CLICOLOR_FORCE   no colours, marks and progress; colours and marks without a terminal.
                             TERM=dumb has none
  HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS, BROWSER
                             as other programs use them

  A typed option is used before the environment, and the environment before config.toml.

Output:
  Commands print their results on stdout and everything else on stderr: JSON with --json, and
  nothing but results and errors with --quiet. Without arguments, mcp-ferry prints its help on
  a terminal; elsewhere that is an error, because a program forgot the URL.

Exit status:
  0  done; for the bridge: the client closed stdin or stdout, or a signal came
  1  it failed, or a login could not be kept
  2  the arguments, or a file that they name, are not valid
  3  the tool that was called says that it failed
  4  the server wants a login, or `status URL` finds none that works: run `mcp-ferry login URL`";

/// Below the help of `install`.
pub(super) const INSTALL: &str = "\
Examples:
  mcp-ferry install https://mcp.example.com/mcp
  mcp-ferry install https://mcp.example.com/mcp --client claude-desktop,cursor --name example
  mcp-ferry install https://mcp.example.com/mcp --all --bearer-token-env EXAMPLE_TOKEN
  mcp-ferry install https://mcp.example.com/mcp --client codex --dry-run   the change as a diff
  mcp-ferry install --replace-mcp-remote    entries of npx mcp-remote start mcp-ferry instead
  mcp-ferry install --list";

/// Below the help of `uninstall`.
pub(super) const UNINSTALL: &str = "\
Examples:
  mcp-ferry uninstall example
  mcp-ferry uninstall https://mcp.example.com/mcp --client cursor --dry-run";

/// Below the help of `bundle`.
pub(super) const BUNDLE: &str = "\
Examples:
  mcp-ferry bundle                              asks for the URL, and for a token
  mcp-ferry bundle --url https://mcp.example.com/mcp
  mcp-ferry bundle --url 'https://{account}.example.com/mcp' --token --name example
  mcp-ferry bundle --url https://mcp.example.com/mcp --header 'X-Api-Key: {key}' --ask read-only
  mcp-ferry bundle --url https://mcp.example.com/mcp --variant staging=https://test.example.com/mcp";

/// Below the help of `login`.
pub(super) const LOGIN: &str = "\
Examples:
  mcp-ferry login https://mcp.example.com/mcp
  mcp-ferry login https://mcp.example.com/mcp --no-browser    on a machine without a browser
  mcp-ferry login https://mcp.example.com/mcp --device        with a code, on another device";

/// Below the help of `logout`.
pub(super) const LOGOUT: &str = "\
Examples:
  mcp-ferry logout https://mcp.example.com/mcp
  mcp-ferry logout --all";

/// Below the help of `status`.
pub(super) const STATUS: &str = "\
Examples:
  mcp-ferry status                                        all logins, the version and what updates it
  mcp-ferry status https://mcp.example.com/mcp            exit status 4: no login that works
  mcp-ferry status https://mcp.example.com/mcp --json";

/// Below the help of `doctor`.
pub(super) const DOCTOR: &str = "\
Examples:
  mcp-ferry doctor https://mcp.example.com/mcp
  mcp-ferry doctor https://mcp.example.com/mcp --json
  mcp-ferry doctor https://mcp.example.com/mcp --as codex
  mcp-ferry doctor --entry example
  mcp-ferry doctor --codes

Exit status: 0 if it works, warnings or not; 1 if a step fails, or with --strict if one warns;
2 if an argument is not valid; 4 if a login is all that is missing.";

/// Below the help of `tools`.
pub(super) const TOOLS: &str = "\
Examples:
  mcp-ferry tools https://mcp.example.com/mcp
  mcp-ferry tools https://mcp.example.com/mcp search     what it does, and its schema
  mcp-ferry tools https://mcp.example.com/mcp --json";

/// Below the help of `call`.
pub(super) const CALL: &str = "\
Examples:
  mcp-ferry call https://mcp.example.com/mcp search query=boats limit=5
  mcp-ferry call https://mcp.example.com/mcp store 'tags:=[1,2]' text=@notes.txt
  mcp-ferry call https://mcp.example.com/mcp search -    arguments as JSON from stdin
  mcp-ferry call https://mcp.example.com/mcp docs://readme
  mcp-ferry call https://mcp.example.com/mcp review --prompt language=rust
  mcp-ferry call https://mcp.example.com/mcp --raw resources/list";
