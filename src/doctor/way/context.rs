//! What do all steps of the way need?

use http::Uri;

use crate::auth::Authorizer;
use crate::config::Settings;
use crate::net::Http;

/// What the steps need.
pub(super) struct Way<'a> {
    pub(super) settings: &'a Settings,
    pub(super) http: &'a Http,
    pub(super) authorizer: &'a Authorizer,
    /// Scheme and host.
    pub(super) host: String,
    /// The address as a word of a shell.
    pub(super) url: String,
}

impl Way<'_> {
    pub(super) fn server(&self) -> &Uri {
        &self.settings.upstream.uri
    }

    /// Another address of the server for people. Where variables stand in the one that was typed, the path may have
    /// their values.
    pub(super) fn shown(&self, other: &Uri) -> String {
        if self.settings.auth.typed_url.contains('$') {
            return format!("{}/…", crate::net::origin(other));
        }
        crate::log::redact(&other.to_string())
    }

    /// The command that logs in to this server.
    pub(super) fn login_command(&self, option: &str) -> String {
        format!("{}{option}", self.authorizer.login_command())
    }
}
