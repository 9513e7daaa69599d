//! What does a person want to have installed, or uninstalled, and is that possible at all?

use super::clients::{CLIENTS, Client};
use super::notices::is_same_url;
use crate::log::Secret;

/// A longer name does not fit where clients join it with the names of tools.
const LONGEST_NAME: usize = 48;

/// Names that Claude Code keeps for servers of its own: it refuses to add or to load such an entry.
const RESERVED: [&str; 3] = ["workspace", "computer-use", "claude-in-chrome"];

/// Second levels below a country's, as in `co.uk`.
const SECOND_LEVELS: [&str; 14] =
    ["ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "ltd", "ne", "net", "nom", "or", "org"];

/// Hosts below which each customer has a name.
const SHARED: [&str; 25] = [
    "workers.dev",
    "pages.dev",
    "run.app",
    "web.app",
    "vercel.app",
    "netlify.app",
    "github.io",
    "gitlab.io",
    "fly.dev",
    "onrender.com",
    "railway.app",
    "herokuapp.com",
    "azurewebsites.net",
    "azurecontainerapps.io",
    "cloudfunctions.net",
    "amazonaws.com",
    "deno.dev",
    "deno.net",
    "modal.run",
    "hf.space",
    "replit.app",
    "supabase.co",
    "ngrok.app",
    "ngrok-free.app",
    "trycloudflare.com",
];

/// An entry to install.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The server's address, as the bridge takes it.
    pub url: String,
    /// The entry's name; without one, [`name_of`] the address.
    pub name: Option<String>,
    /// The clients, by their names; see [`super::found`] for all that there are.
    pub clients: Vec<String>,
    /// The options of the bridge, one word each.
    pub options: Vec<String>,
    /// Variables for the bridge: the place for secrets.
    pub env: Vec<(String, Secret)>,
    /// Whether nothing is written: the report says what would change.
    pub is_preview: bool,
}

/// Entries to uninstall.
#[derive(Debug, Clone, Default)]
pub struct Removal {
    /// The name or the address.
    pub what: String,
    /// The clients, by their names; all if there are none.
    pub clients: Vec<String>,
    /// Whether nothing is written: the report says what would change.
    pub is_preview: bool,
}

/// A request that cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No client has this name.
    #[error("no client is called {0}")]
    UnknownClient(String),
    /// No client was named.
    #[error("no client is named")]
    NoClient,
    /// A name that some client would not accept.
    #[error(
        "{0} cannot be the name of an entry: it must begin with a letter or digit, and have at most {LONGEST_NAME} letters, digits, - and _"
    )]
    Name(String),
    /// A name that a client keeps for itself.
    #[error("{0} cannot be the name of an entry: Claude Code keeps it for a server of its own")]
    Reserved(String),
    /// An address from which no name can be made.
    #[error("no name can be made from the URL")]
    NoName,
    /// The folder of records cannot be used.
    #[error("the records of what was installed cannot be kept: {0}")]
    Records(#[from] std::io::Error),
}

impl InstallError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownClient(_) | Self::NoClient => {
                let names: Vec<_> = CLIENTS.iter().map(|client| client.name).collect();
                format!("the clients are {}", names.join(", "))
            }
            Self::Name(_) | Self::Reserved(_) | Self::NoName => "give another name with --name".to_owned(),
            Self::Records(_) => "check the folder ~/.mcp-ferry/installs, or end the other run".to_owned(),
        }
    }
}

impl Request {
    /// The name that the entry gets.
    pub fn name(&self) -> Result<String, InstallError> {
        match &self.name {
            Some(name) if RESERVED.contains(&name.as_str()) => Err(InstallError::Reserved(name.clone())),
            Some(name) if is_name(name) => Ok(name.clone()),
            Some(name) => Err(InstallError::Name(crate::log::foreign_name(name))),
            None => name_of(&self.url).ok_or(InstallError::NoName),
        }
    }
}

impl Removal {
    pub(super) fn is_meant(&self, name: &str, url: &str) -> bool {
        name == self.what || (!url.is_empty() && is_same_url(url, &self.what))
    }
}

/// The clients with these names, each once.
pub(super) fn clients(names: &[String]) -> Result<Vec<&'static Client>, InstallError> {
    let mut clients: Vec<&'static Client> = Vec::new();
    for name in names {
        let client = Client::named(name).ok_or_else(|| InstallError::UnknownClient(crate::log::foreign_name(name)))?;
        if !clients.iter().any(|other| other.name == client.name) {
            clients.push(client);
        }
    }
    if clients.is_empty() { Err(InstallError::NoClient) } else { Ok(clients) }
}

/// A name for the server at this address: the part of its host that tells it from others.
pub fn name_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let name = match url.host()? {
        url::Host::Domain(host) => {
            let shared = SHARED.iter().find_map(|shared| host.strip_suffix(shared)?.strip_suffix('.'));
            let is_telling = |part: &&str| !["mcp", "api", "www", "server"].contains(part);
            match shared {
                // `service.account.workers.dev`
                Some(own) => own.split('.').find(is_telling).or(own.split('.').next())?.to_owned(),
                None => {
                    let parts: Vec<&str> = host.split('.').collect();
                    let domain = match parts.as_slice() {
                        [_, .., second, country] if country.len() == 2 && SECOND_LEVELS.contains(second) => 2,
                        [_] => 0,
                        _ => 1,
                    };
                    let names = &parts[..parts.len() - domain];
                    names.iter().copied().rfind(is_telling).or(names.last().copied())?.to_owned()
                }
            }
        }
        address => format!("server-{address}"),
    };
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let name: String = name.trim_matches('-').chars().take(LONGEST_NAME).collect();
    let name = if RESERVED.contains(&name.as_str()) { format!("{name}-mcp") } else { name };
    Some(name).filter(|name| is_name(name))
}

/// Whether every client accepts this name.
fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_from_the_telling_part_of_the_host() {
        for (url, name) in [
            ("https://mcp.linear.app/mcp", "linear"),
            ("https://example.com/mcp", "example"),
            ("https://api.githubcopilot.com/mcp/", "githubcopilot"),
            ("https://docs.mcp.cloudflare.com/sse", "cloudflare"),
            ("https://mcp.bbc.co.uk", "bbc"),
            ("http://localhost:3000/mcp", "localhost"),
            ("http://127.0.0.1:3000/mcp", "server-127-0-0-1"),
            ("https://mcp.com/", "mcp"),
            ("https://mcp.fly.io/x", "fly"),
            ("https://mcp.x.ai/mcp", "x"),
            ("https://api.mem.ai", "mem"),
            ("https://mcp.example.com.au/mcp", "example"),
            ("https://notes.someone.workers.dev/sse", "notes"),
            ("https://notes-12345-uc.a.run.app/mcp", "notes-12345-uc"),
            ("https://someone.github.io/mcp", "someone"),
            ("https://mcp.vercel.app/mcp", "mcp"),
            ("https://workspace.example/mcp", "workspace-mcp"),
        ] {
            assert_eq!(name_of(url).as_deref(), Some(name), "{url}");
        }
        assert_eq!(name_of("linear"), None);
    }

    #[test]
    fn a_name_that_some_client_would_not_accept_is_refused() {
        let request = |name: &str| Request { name: Some(name.to_owned()), ..Request::default() };
        for name in ["", "-a", "a b", "a.b", "__proto__", "é", &"a".repeat(49)] {
            assert!(request(name).name().is_err(), "{name}");
        }
        assert_eq!(request("Linear_2-x").name().unwrap(), "Linear_2-x");
        let removal = Removal { what: "https://H.example/mcp/".into(), ..Removal::default() };
        assert!(removal.is_meant("x", "https://h.example/mcp") && !removal.is_meant("x", ""));
    }
}
