//! How does a person end a login, here and at the authorization server (`mcp-ferry logout`)?

use serde_json::json;

use super::output::{oauth, say_event};
use crate::auth::{self, Account, LoginError, LoginLock, Snapshot};
use crate::cli::LogoutCommand;
use crate::config::Settings;
use crate::error::Error;
use crate::log;

pub(super) async fn run(settings: &Settings, typed: &LogoutCommand) -> Result<(), Error> {
    let named = oauth(settings)?;
    let accounts = if typed.all {
        let store = named.context.account.store();
        store.keys().into_iter().map(|key| Account::new(store.clone(), key)).collect()
    } else {
        vec![named.context.account.clone()]
    };
    let mut count = 0;
    for account in accounts {
        let held = account.snapshot().await;
        let bound = held.as_ref().and_then(|held| held.record.bound_issuer.clone());
        let signed_in = held.filter(Snapshot::has_tokens);
        let pending = LoginLock::new(account.clone()).pending().await;
        if signed_in.is_none() && pending.is_none() && bound.is_none() {
            continue;
        }
        let revoked = auth::log_out(&named.context, &account).await.map_err(LoginError::from)?;
        count += 1;
        if let (None, None, Some(issuer)) = (&signed_in, &pending, &bound) {
            let event = json!({ "event": "credentials_released", "issuer": issuer });
            say_event(typed.json, &format!("your credentials do not belong to the issuer {issuer} any more"), &event);
            continue;
        }
        let Some(held) = signed_in else {
            say_event(typed.json, "the login that was under way is given up", &json!({ "event": "login_given_up" }));
            continue;
        };
        let server = held.record.server.clone();
        let there = if revoked { ", and its tokens are revoked" } else { "" };
        let event = json!({ "event": "signed_out", "server": server, "revoked": revoked });
        say_event(typed.json, &format!("signed out of {}{there}", log::foreign(&server)), &event);
    }
    if count == 0 {
        say_event(typed.json, "nobody was signed in", &json!({ "event": "not_signed_in" }));
    }
    Ok(())
}
