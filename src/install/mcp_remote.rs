//! Does a command start mcp-remote, and with which arguments? This program accepts them as they are.

use super::clients::{Server, base_name};

/// The options of a runner of packages that take no value.
const SWITCHES: [&str; 11] = [
    "-y",
    "--yes",
    "-q",
    "--quiet",
    "-s",
    "--silent",
    "--prefer-offline",
    "--prefer-online",
    "--ignore-existing",
    "--bun",
    "-b",
];

/// The arguments of mcp-remote that a command starts; `None` if it starts something else, or in a way that we do not
/// understand to the end.
pub(super) fn arguments(server: &Server) -> Option<Vec<String>> {
    let words: Vec<&str> = server.command.iter().map(String::as_str).collect();
    let arguments = package_arguments(&words)?;
    // Its first argument is the address.
    arguments.first()?.contains("://").then(|| arguments.iter().map(|&word| word.to_owned()).collect())
}

/// Whether a command names mcp-remote at all.
pub(super) fn is_mentioned(server: &Server) -> bool {
    server
        .command
        .iter()
        .any(|word| word.split(|c: char| !c.is_alphanumeric() && c != '-').any(|part| part == "mcp-remote"))
}

fn package_arguments<'w>(words: &[&'w str]) -> Option<Vec<&'w str>> {
    let (program, rest) = words.split_first()?;
    match base_name(program).as_str() {
        "cmd" => {
            let at = rest.iter().position(|word| word.eq_ignore_ascii_case("/c"))?;
            let is_plain =
                rest[..at].iter().all(|word| ["/d", "/s", "/q"].iter().any(|known| word.eq_ignore_ascii_case(known)));
            let inner = &rest[at + 1..];
            match inner {
                _ if !is_plain => None,
                // A whole command line. What has quotes or variables is for a shell to read.
                [line] if line.contains(' ') && !line.contains(['"', '^', '%', '&', '|', '<', '>', '\'']) => {
                    package_arguments(&line.split_whitespace().collect::<Vec<_>>())
                }
                _ => package_arguments(inner),
            }
        }
        "env" => package_arguments(rest),
        "npx" | "bunx" | "pnpx" => of_package(rest),
        "npm" if matches!(rest.first(), Some(&("exec" | "x"))) => of_package(&rest[1..]),
        "bun" if rest.first() == Some(&"x") => of_package(&rest[1..]),
        "pnpm" | "yarn" if rest.first() == Some(&"dlx") => of_package(&rest[1..]),
        "mcp-remote" => Some(rest.to_vec()),
        "node" => {
            let (script, arguments) = rest.split_first()?;
            let parts: Vec<_> = script.split(['/', '\\']).collect();
            let is_script =
                parts.windows(2).any(|pair| pair == ["mcp-remote", "dist"]) && parts.last() == Some(&"proxy.js");
            is_script.then(|| arguments.to_vec())
        }
        _ => None,
    }
}

/// The arguments behind the name of the package.
fn of_package<'w>(words: &[&'w str]) -> Option<Vec<&'w str>> {
    let mut words = words.iter().copied();
    let mut is_named = false;
    loop {
        match words.next()? {
            "--" => {}
            "-p" | "--package" => is_named = is_package(words.next()?),
            word if SWITCHES.contains(&word) => {}
            word if word.starts_with("--package=") => is_named = is_package(&word["--package=".len()..]),
            word if word.starts_with('-') => return None,
            word if is_package(word) || (is_named && word == "mcp-remote") => {
                // npm's `--` separates its own options from those of the program.
                return Some(words.skip_while(|word| *word == "--").collect());
            }
            _ => return None,
        }
    }
}

fn is_package(word: &str) -> bool {
    word == "mcp-remote" || word.starts_with("mcp-remote@")
}

#[cfg(test)]
mod tests {
    use super::super::edit::Value;
    use super::*;

    fn server(line: &str) -> Server {
        Server::read(&Value::Table(vec![("command".into(), Value::texts(line.split('~')))]))
    }

    #[test]
    fn every_spelling_of_the_command_is_understood() {
        for line in [
            "npx~mcp-remote",
            "npx~-y~mcp-remote",
            "/opt/homebrew/bin/npx~--yes~mcp-remote@latest",
            "C:\\Program Files\\nodejs\\npx.cmd~-y~mcp-remote@0.1.9",
            "cmd~/c~npx~-y~mcp-remote",
            "cmd.exe~/d~/s~/C~npx.cmd~mcp-remote",
            "npx~-p~mcp-remote@latest~mcp-remote",
            "npx~--package=mcp-remote~-y~mcp-remote",
            "npm~exec~-y~--~mcp-remote",
            "npm~exec~mcp-remote~--",
            "bunx~mcp-remote",
            "bunx~--bun~mcp-remote@latest",
            "bun~x~mcp-remote",
            "pnpm~dlx~mcp-remote",
            "pnpx~mcp-remote",
            "yarn~dlx~-q~mcp-remote",
            "mcp-remote",
            "node~/usr/lib/node_modules/mcp-remote/dist/proxy.js",
        ] {
            let arguments = arguments(&server(&format!("{line}~https://h/mcp~9696~--header~A: ${{B}}")));
            assert_eq!(arguments.unwrap(), ["https://h/mcp", "9696", "--header", "A: ${B}"], "{line}");
        }
        let line = "cmd~/c~npx -y mcp-remote https://h/mcp --allow-http";
        assert_eq!(arguments(&server(line)).unwrap(), ["https://h/mcp", "--allow-http"]);
    }

    #[test]
    fn what_is_not_certain_is_left_alone() {
        for line in [
            "npx~-y~mcp-remote",
            "npx~-y~mcp-remote-client~https://h",
            "npx~--registry~x~mcp-remote~https://h",
            "npx~other~mcp-remote~https://h",
            "cmd~/c~npx mcp-remote \"https://h\"",
            "cmd~/k~npx~mcp-remote~https://h",
            "sh~-c~npx mcp-remote https://h",
            "uvx~mcp-remote~https://h",
            "docker~run~mcp-remote~https://h",
            "",
        ] {
            assert_eq!(arguments(&server(line)), None, "{line}");
        }
        assert!(
            is_mentioned(&server("sh~-c~exec npx mcp-remote@1 https://h")) && !is_mentioned(&server("npx~mcp-remotes"))
        );
    }
}
