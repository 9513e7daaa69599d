//! The clients, one row each, with how sure we are and since when.
//!
//! A wrong path or key is silently ignored by a client. So a row that nobody has checked gives a snippet only.

use super::super::edit::{Format, Grammar};
use super::{Client, Place, Places, Rule, Shape, Sure, System};
use System::{Linux, Mac, Windows};

const ALL: &[System] = &[Mac, Windows, Linux];
const SERVERS: &[&[&str]] = &[&["mcpServers"]];

const STRICT: Format = Format::Json(Grammar::STRICT);
const STRICT_BOM: Format = Format::Json(Grammar { comments: false, trailing_commas: false, bom: true });
const COMMENTS: Format = Format::Json(Grammar { comments: true, trailing_commas: false, bom: false });
const COMMENTS_BOM: Format = Format::Json(Grammar { comments: true, trailing_commas: false, bom: true });
const JSONC: Format = Format::Json(Grammar::JSONC);

/// A row of which the columns that differ are filled in.
const ROW: Client = Client {
    name: "",
    title: "",
    restart: "",
    reads_again: false,
    restart_without: None,
    sure: Sure::Reported,
    checked: "2026-11-30",
    is_written: true,
    link: None,
    places: &[],
    project_files: &[],
    projects: None,
    sections: SERVERS,
    has_lock: false,
    extensions: None,
    shape: Shape::Plain,
    fills_in: Places::None,
    format: STRICT,
};

/// A place that is the same on all systems.
const fn everywhere(templates: &'static [&'static str]) -> Place {
    Place { on: ALL, rule: Rule::First(templates) }
}

/// All clients that we know.
pub static CLIENTS: &[Client] = &[
    Client {
        name: "claude-desktop",
        title: "Claude Desktop",
        restart: "quit and restart Claude Desktop",
        sure: Sure::Documented,
        checked: "2026-11-30, documentation and issues",
        places: &[
            Place { on: &[Mac, Linux], rule: Rule::First(&["{data}/Claude/claude_desktop_config.json"]) },
            // The packaged program has a folder of its own, but edits what was there before it in the classic place.
            Place {
                on: &[Windows],
                rule: Rule::EachFolder(
                    "{localappdata}/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json",
                ),
            },
            Place { on: &[Windows], rule: Rule::EachFolder("{appdata}/Claude/claude_desktop_config.json") },
            Place { on: &[Windows], rule: Rule::Otherwise("{appdata}/Claude/claude_desktop_config.json") },
        ],
        extensions: Some("Claude Extensions"),
        ..ROW
    },
    Client {
        name: "claude-code",
        title: "Claude Code",
        restart: "restart Claude Code, or open /mcp in it",
        sure: Sure::Tried,
        places: &[everywhere(&["${CLAUDE_CONFIG_DIR:-~}/.claude.json"])],
        // Copilot CLI reads it too.
        project_files: &[".mcp.json"],
        projects: Some("projects"),
        shape: Shape::Stdio,
        format: STRICT_BOM,
        fills_in: Places::Braces,
        has_lock: true,
        ..ROW
    },
    Client {
        name: "cursor",
        title: "Cursor",
        restart: "switch the server on in Cursor's settings, under MCP",
        restart_without: Some(""),
        sure: Sure::Documented,
        link: Some("cursor://anysphere.cursor-deeplink/mcp/install?name={name}&config={config}"),
        places: &[everywhere(&["~/.cursor/mcp.json"])],
        project_files: &[".cursor/mcp.json"],
        format: COMMENTS_BOM,
        fills_in: Places::DollarEnv,
        ..ROW
    },
    Client {
        name: "vscode",
        title: "VS Code",
        restart: "start the server in VS Code with the command `MCP: List Servers`",
        restart_without: Some(""),
        sure: Sure::Source,
        places: &[
            everywhere(&["{data}/Code/User/mcp.json"]),
            Place { on: ALL, rule: Rule::EachFile("{data}/Code/User/profiles/*/mcp.json") },
        ],
        // The kin of VS Code read it too.
        project_files: &[".vscode/mcp.json"],
        sections: &[&["servers"]],
        shape: Shape::Stdio,
        format: JSONC,
        fills_in: Places::DollarEnv,
        ..ROW
    },
    Client {
        name: "vscode-insiders",
        title: "VS Code Insiders",
        restart: "start the server in VS Code with the command `MCP: List Servers`",
        restart_without: Some(""),
        sure: Sure::Source,
        places: &[
            everywhere(&["{data}/Code - Insiders/User/mcp.json"]),
            Place { on: ALL, rule: Rule::EachFile("{data}/Code - Insiders/User/profiles/*/mcp.json") },
        ],
        sections: &[&["servers"]],
        shape: Shape::Stdio,
        format: JSONC,
        fills_in: Places::DollarEnv,
        ..ROW
    },
    Client {
        name: "vscodium",
        title: "VSCodium",
        restart: "start the server in VSCodium with the command `MCP: List Servers`",
        restart_without: Some(""),
        sure: Sure::Source,
        places: &[everywhere(&["{data}/VSCodium/User/mcp.json"])],
        sections: &[&["servers"]],
        shape: Shape::Stdio,
        format: JSONC,
        fills_in: Places::DollarEnv,
        ..ROW
    },
    Client {
        name: "windsurf",
        title: "Windsurf",
        restart: "refresh the servers in Windsurf's MCP panel",
        sure: Sure::Documented,
        places: &[everywhere(&["~/.codeium/windsurf/mcp_config.json"])],
        fills_in: Places::DollarEnv,
        ..ROW
    },
    Client {
        name: "cline",
        title: "Cline",
        restart: "nothing: Cline reads the file again by itself",
        reads_again: true,
        sure: Sure::Tried,
        places: &[everywhere(&[
            "${CLINE_MCP_SETTINGS_PATH}",
            "${CLINE_DATA_DIR}/settings/cline_mcp_settings.json",
            "${CLINE_DIR:-~/.cline}/data/settings/cline_mcp_settings.json",
        ])],
        fills_in: Places::DollarEnv,
        has_lock: true,
        ..ROW
    },
    Client {
        name: "zed",
        title: "Zed",
        restart: "nothing: Zed reads the file again by itself",
        reads_again: true,
        sure: Sure::Source,
        places: &[
            Place { on: &[Mac], rule: Rule::First(&["~/.config/zed/settings.json"]) },
            Place {
                on: &[Linux],
                rule: Rule::First(&["${FLATPAK_XDG_CONFIG_HOME}/zed/settings.json", "{config}/zed/settings.json"]),
            },
            Place { on: &[Windows], rule: Rule::First(&["{appdata}/Zed/settings.json"]) },
        ],
        sections: &[&["context_servers"]],
        shape: Shape::Custom,
        format: JSONC,
        ..ROW
    },
    Client {
        name: "codex",
        title: "Codex",
        restart: "start Codex anew",
        sure: Sure::Tried,
        places: &[everywhere(&["${CODEX_HOME:-~/.codex}/config.toml"])],
        project_files: &[".codex/config.toml"],
        sections: &[&["mcp_servers"]],
        format: Format::Toml,
        ..ROW
    },
    Client {
        name: "gemini",
        title: "Gemini CLI",
        restart: "start Gemini CLI anew",
        sure: Sure::Tried,
        places: &[everywhere(&["~/.gemini/settings.json"])],
        project_files: &[".gemini/settings.json"],
        format: COMMENTS,
        fills_in: Places::Dollar,
        ..ROW
    },
    Client {
        name: "qwen",
        title: "Qwen Code",
        restart: "start Qwen Code anew",
        sure: Sure::Tried,
        places: &[everywhere(&["~/.qwen/settings.json"])],
        project_files: &[".qwen/settings.json"],
        format: COMMENTS_BOM,
        fills_in: Places::Dollar,
        ..ROW
    },
    Client {
        name: "opencode",
        title: "opencode",
        restart: "start opencode anew",
        sure: Sure::Tried,
        places: &[
            Place {
                on: &[Mac, Linux],
                rule: Rule::Existing(&["{config}/opencode/opencode.jsonc", "{config}/opencode/opencode.json"]),
            },
            Place {
                on: &[Windows],
                rule: Rule::Existing(&["~/.config/opencode/opencode.jsonc", "~/.config/opencode/opencode.json"]),
            },
        ],
        project_files: &["opencode.json", "opencode.jsonc"],
        sections: &[&["mcp"], &["mcp", "servers"]],
        shape: Shape::OneList,
        format: JSONC,
        fills_in: Places::Env,
        ..ROW
    },
    Client {
        name: "copilot",
        title: "Copilot CLI",
        restart: "start Copilot CLI anew",
        sure: Sure::Tried,
        places: &[everywhere(&["${COPILOT_HOME:-~/.copilot}/mcp-config.json"])],
        project_files: &[".github/mcp.json"],
        shape: Shape::Local,
        format: JSONC,
        fills_in: Places::Dollar,
        ..ROW
    },
    Client {
        name: "continue",
        title: "Continue",
        restart: "reload the window of the editor; Continue CLI does not read this file, and takes the entry in config.yaml",
        restart_without: Some("reload the window of the editor"),
        sure: Sure::Source,
        places: &[everywhere(&["~/.continue/mcpServers/ferry-{entry}.json"])],
        shape: Shape::OwnFile,
        ..ROW
    },
    Client {
        name: "lm-studio",
        title: "LM Studio",
        restart: "nothing: LM Studio reads the file again by itself",
        reads_again: true,
        sure: Sure::Documented,
        link: Some("lmstudio://add_mcp?name={name}&config={config}"),
        places: &[everywhere(&["~/.lmstudio/mcp.json"])],
        ..ROW
    },
    Client {
        name: "kiro",
        title: "Kiro",
        restart: "nothing: Kiro reads the file again by itself",
        reads_again: true,
        sure: Sure::Documented,
        places: &[everywhere(&["~/.kiro/settings/mcp.json"])],
        fills_in: Places::Braces,
        ..ROW
    },
    Client {
        name: "warp",
        title: "Warp",
        restart: "restart Warp",
        sure: Sure::Documented,
        places: &[everywhere(&["~/.warp/.mcp.json"])],
        ..ROW
    },
    Client {
        name: "goose",
        title: "Goose",
        restart: "start a new Goose session",
        sure: Sure::Source,
        places: &[
            Place {
                on: &[Mac, Linux],
                rule: Rule::First(&["${GOOSE_PATH_ROOT}/config/config.yaml", "{config}/goose/config.yaml"]),
            },
            Place {
                on: &[Windows],
                rule: Rule::First(&[
                    "${GOOSE_PATH_ROOT}/config/config.yaml",
                    "{appdata}/Block/goose/config/config.yaml",
                ]),
            },
        ],
        sections: &[&["extensions"]],
        shape: Shape::Goose,
        format: Format::Yaml,
        ..ROW
    },
    Client {
        name: "kilo",
        title: "Kilo Code",
        sure: Sure::Documented,
        is_written: false,
        places: &[everywhere(&["${KILO_CONFIG_DIR:-~/.config/kilo}/kilo.jsonc"])],
        sections: &[&["mcp"]],
        shape: Shape::OneList,
        format: JSONC,
        fills_in: Places::Env,
        ..ROW
    },
    Client {
        name: "junie",
        title: "Junie",
        is_written: false,
        places: &[everywhere(&["~/.junie/mcp/mcp.json"])],
        project_files: &[".junie/mcp/mcp.json"],
        ..ROW
    },
    Client { name: "jetbrains", title: "JetBrains AI Assistant", sure: Sure::Documented, is_written: false, ..ROW },
    Client {
        name: "amazon-q",
        title: "Amazon Q",
        sure: Sure::Documented,
        is_written: false,
        places: &[everywhere(&["~/.aws/amazonq/mcp.json"])],
        fills_in: Places::DollarEnv,
        ..ROW
    },
    Client {
        name: "amp",
        title: "Amp",
        is_written: false,
        places: &[everywhere(&["~/.config/amp/settings.json"])],
        sections: &[&["amp.mcpServers"]],
        format: JSONC,
        fills_in: Places::Braces,
        ..ROW
    },
    Client {
        name: "trae",
        title: "Trae",
        is_written: false,
        places: &[Place { on: &[Mac, Windows], rule: Rule::First(&["{data}/Trae/User/mcp.json"]) }],
        ..ROW
    },
    Client {
        name: "antigravity",
        title: "Antigravity",
        is_written: false,
        places: &[everywhere(&["~/.gemini/config/mcp_config.json", "~/.gemini/antigravity/mcp_config.json"])],
        ..ROW
    },
    Client {
        name: "crush",
        title: "Crush",
        sure: Sure::Documented,
        is_written: false,
        places: &[
            Place { on: &[Mac, Linux], rule: Rule::First(&["{config}/crush/crush.json"]) },
            Place { on: &[Windows], rule: Rule::First(&["{localappdata}/crush/crush.json"]) },
        ],
        sections: &[&["mcp"]],
        shape: Shape::Stdio,
        fills_in: Places::Dollar,
        ..ROW
    },
];
