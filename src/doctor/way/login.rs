//! What does a 401 lead to? The metadata of the login, the ways to a client id, and the login that is kept.

use std::time::Duration;

use super::context::Way;
use super::status::said;
use super::steps::{Failed, Steps};
use super::talk::{Response, Talk};
use crate::auth::challenge::Challenge;
use crate::auth::{Held, HeldLogin, MetadataError, MetadataProblem, Registration, Survey, now};
use crate::doctor::{Cause, Code, Step};
use crate::log;

/// How long the search for the metadata may take.
const SEARCH: Duration = Duration::from_secs(6);

/// How a login is told that the next program renews.
const RENEWS: &str = "the next program that uses it renews it";
const RENEWED: &str = "renewed by itself";

/// Whether these steps have found a login that is renewed when it has expired.
pub(crate) fn is_renewed(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.name == "login" && [RENEWS, RENEWED].iter().any(|words| step.fact.ends_with(words)))
}

/// What is used to authorize requests, in words.
pub(super) fn described(login: &HeldLogin) -> String {
    match &login.held {
        Held::Nothing => "none is needed".to_owned(),
        Held::Given if login.shown.is_empty() => "your headers, without a token".to_owned(),
        Held::Given => format!("{}, given by you", login.shown),
        Held::Renewable => format!("expired; {RENEWS}"),
        Held::SignedOut => "signed out".to_owned(),
        _ => {
            let renewed = if login.is_renewable { RENEWED } else { "not renewed" };
            let until = match login.expires_at {
                Some(end) => format!("expires in {}, ", span(end.saturating_sub(now()))),
                None => String::new(),
            };
            format!("{}, {until}{renewed}", login.shown)
        }
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The server has refused a request with 401. `Ok`: a program would renew the login, and go on.
pub(super) async fn refused(
    way: &Way<'_>,
    talk: &Talk<'_>,
    response: &Response,
    steps: &mut Steps,
) -> Result<(), Failed> {
    let (host, said) = (&way.host, said(response));
    let login = talk.login.clone();
    let held = login.as_ref().map_or(Held::Nothing, |login| login.held.clone());
    let left_out = way.authorizer.left_out();
    if !left_out.is_empty() {
        let sentence = format!("{host} wants a credential (401){said}; {left_out}");
        let cause = Cause::new(Code::VariableUnset, sentence, "set the variable where the program is started");
        return Err(steps.fail("login", "a header is left out", cause));
    }
    if held == Held::Given && !way.authorizer.can_log_in() {
        let source = way.authorizer.source();
        let shown = login.map(|login| login.shown).unwrap_or_default();
        let sentence = format!("{host} refuses {source} (401){said}; no login is begun for it");
        let fix = format!("look at {source}: is it complete, not expired, and meant for this server?");
        let fact = if shown.is_empty() { "the header is refused".to_owned() } else { format!("{shown} is refused") };
        return Err(steps.fail("login", fact, Cause::new(Code::StaticRefused, sentence, fix)));
    }
    let challenge = Challenge::read(&response.headers);
    steps.begin();
    let search = way.authorizer.survey(challenge.as_ref());
    let survey = match tokio::time::timeout(SEARCH.min(steps.time_left()), search).await {
        Ok(Ok(survey)) => survey,
        Ok(Err(error)) => return Err(metadata_failed(way, &error, &said, steps)),
        Err(_) => {
            let sentence =
                format!("the metadata of the login of {host} do not come within {} s", steps.elapsed().as_secs());
            let cause = Cause::new(Code::MetadataDown, sentence, "try again in a minute");
            return Err(steps.fail("metadata", "no answer", cause));
        }
    };
    let issuer = log::foreign_name(&survey.issuer);
    let from = if survey.has_metadata { "" } else { ", by the default addresses of 2025-03-26" };
    let resource = survey.resource.as_ref().map(|resource| format!(", for {}", log::foreign_name(resource)));
    let pkce = if survey.has_pkce { "yes" } else { "no" };
    steps.ok("metadata", format!("login at {issuer}{from}, PKCE {pkce}{}", resource.unwrap_or_default()));
    if !survey.has_pkce {
        let sentence =
            format!("the metadata of {issuer} do not list PKCE with S256, and a login without it is not safe");
        let cause = Cause::new(Code::NoPkce, sentence, way.login_command(" --assume-pkce"));
        return Err(steps.fail("pkce", "not listed", cause));
    }
    registration(way, &survey, steps)?;
    let login = login.unwrap_or_else(|| HeldLogin {
        held: Held::Nothing,
        shown: String::new(),
        expires_at: None,
        is_renewable: false,
        is_pending: false,
    });
    held_login(way, &login, &survey, &said, steps)
}

fn metadata_failed(way: &Way<'_>, error: &MetadataError, said: &str, steps: &mut Steps) -> Failed {
    let (host, cause) = (&way.host, &error.cause);
    let fail = |code, sentence: String, fix: &str| Cause::new(code, sentence, fix);
    let (fact, cause) = match error.problem {
        MetadataProblem::Off => (
            "logins are off",
            fail(Code::LoginsOff, format!("{host} wants a login (401){said}, and {cause}"), "leave out --auth off"),
        ),
        MetadataProblem::Missing => (
            "none",
            fail(
                Code::NoMetadata,
                format!("{host} wants a credential (401){said}, and names no place to log in: {cause}"),
                &format!("mcp-ferry doctor {} --bearer-token-env VARIABLE", way.url),
            ),
        ),
        MetadataProblem::Failed => (
            "not available",
            fail(
                Code::MetadataDown,
                format!("{host} wants a login (401), and its metadata cannot be fetched: {cause}"),
                "try again in a while; if it stays, tell the server's operator",
            ),
        ),
        MetadataProblem::Resource => ("for another server", fail(Code::OtherResource, cause.clone(), &error.hint)),
        MetadataProblem::Issuer => ("of another issuer", fail(Code::OtherIssuer, cause.clone(), &error.hint)),
        MetadataProblem::Bound => ("of another issuer", fail(Code::OtherThanBound, cause.clone(), &error.hint)),
        MetadataProblem::Address => ("not to be used", fail(Code::MetadataAddress, cause.clone(), &error.hint)),
    };
    steps.fail("metadata", fact, cause)
}

/// The way to a client id.
fn registration(way: &Way<'_>, survey: &Survey, steps: &mut Steps) -> Result<(), Failed> {
    let documents = if survey.takes_documents { ", or a client id metadata document" } else { "" };
    match survey.registration {
        Registration::Given => steps.note("register", "your client id"),
        Registration::Document => steps.note("register", "a client id metadata document"),
        Registration::Dynamic => steps.note("register", format!("programs register themselves{documents}")),
        Registration::Closed => {
            let issuer = log::foreign_name(&survey.issuer);
            let sentence = format!("the login server {issuer} does not let programs register themselves");
            let option = if survey.takes_documents { "--client-metadata-url URL" } else { "--client-id ID" };
            let fix = format!(
                "register an application there with the redirect URI {}, then: {}",
                survey.redirect_uri,
                way.login_command(&format!(" {option}"))
            );
            steps.begin();
            return Err(steps.fail("register", "not possible", Cause::new(Code::NoRegistration, sentence, fix)));
        }
    }
    Ok(())
}

/// The login that is kept, and what stands in the way of another.
fn held_login(way: &Way<'_>, login: &HeldLogin, survey: &Survey, said: &str, steps: &mut Steps) -> Result<(), Failed> {
    let host = &way.host;
    steps.begin();
    let again = way.login_command(" --force");
    let (fact, cause) = match &login.held {
        Held::Renewable => {
            steps.note("login", described(login));
            return Ok(());
        }
        Held::Unreadable(cause, hint) => {
            ("cannot be read", Cause::new(Code::LoginUnreadable, cause.clone(), hint.clone()))
        }
        Held::Expired => {
            let sentence = format!("the login at {host} has expired, and it has nothing to be renewed with");
            ("expired", Cause::new(Code::TokenExpired, sentence, again))
        }
        Held::RefreshDead => {
            let sentence = format!("the login at {host} has expired, and the login server refuses to renew it");
            ("expired", Cause::new(Code::RefreshDead, sentence, again))
        }
        Held::ClientGone => {
            let sentence =
                format!("{} has forgotten the registration of this program", log::foreign_name(&survey.issuer));
            ("not registered any more", Cause::new(Code::ClientGone, sentence, again))
        }
        Held::Good => {
            let sentence = format!("{host} refuses the token of the login (401){said}; it may have been revoked");
            ("refused", Cause::new(Code::TokenRefused, sentence, again))
        }
        Held::Nothing | Held::SignedOut | Held::Given => {
            let sentence = format!("{host} wants a login, and nobody on this machine is signed in");
            ("nobody is signed in", Cause::new(Code::LoginNeeded, sentence, way.login_command("")))
        }
    };
    obstacles(way, login, survey, steps);
    let fact = if login.shown.is_empty() { fact.to_owned() } else { format!("{} is {fact}", login.shown) };
    Err(steps.fail("login", fact, cause))
}

/// What will trouble the next login.
fn obstacles(way: &Way<'_>, login: &HeldLogin, survey: &Survey, steps: &mut Steps) {
    if let Some((why, hint)) = &survey.callback {
        steps.warn("callback", "the port is taken", Cause::new(Code::PortBusy, why.clone(), *hint));
    }
    if let Some(why) = &survey.no_browser {
        let sentence = format!("no browser can be opened here: {why}");
        let fix = way.login_command(" --no-browser");
        steps.warn("browser", "none", Cause::new(Code::NoBrowser, sentence, fix));
    }
    if login.is_pending {
        let sentence = format!("another program is logging in to {} at this moment", way.host);
        let fix = "finish that login in its browser tab, or end that program";
        steps.warn("others", "a login is under way", Cause::new(Code::LoginUnderWay, sentence, fix));
    }
}
