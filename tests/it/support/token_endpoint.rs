//! The tests' authorization server where clients, not browsers, post forms: tokens and pushed requests.

use std::time::Instant;

use serde_json::{Value, json};

use super::Exchange;
use super::authorization_server::{Fault, Shared};
use super::records::Grant;
use super::web::{credentials, form, parameter, pkce_challenge};

impl Shared {
    /// The endpoint of RFC 9126.
    pub(super) fn push(&self, exchange: Exchange) {
        let request = form(&exchange.request.body);
        let mut records = self.records.lock().unwrap();
        if !records.knows_client(
            &parameter(&request, "client_id").unwrap_or_default(),
            &parameter(&request, "redirect_uri").unwrap_or_default(),
        ) {
            drop(records);
            exchange.json_with_status("401 Unauthorized", r#"{"error":"invalid_client"}"#);
            return;
        }
        let answer = json!({ "request_uri": records.push(request), "expires_in": 60 });
        drop(records);
        exchange.json_with_status("201 Created", &answer.to_string());
    }

    pub(super) fn token(&self, exchange: Exchange) {
        let fault = self.rules.lock().unwrap().token_faults.pop_front();
        match fault {
            Some(Fault::Cut) => exchange.cut(),
            Some(Fault::Answer(status, body)) => {
                exchange.json_with_status(status, body);
            }
            Some(Fault::Redirect(location)) => {
                exchange.respond("307 Temporary Redirect", &[("Location", &location)], "");
            }
            Some(Fault::LostResponse) => {
                drop(self.grant(&exchange));
                exchange.cut();
            }
            Some(Fault::Held) => {
                exchange.hold();
            }
            Some(Fault::Slow(time)) => {
                std::thread::sleep(time);
                self.respond_with_token(exchange);
            }
            None => self.respond_with_token(exchange),
        }
    }

    fn respond_with_token(&self, exchange: Exchange) {
        let (status, body) = match self.grant(&exchange) {
            Ok(mut answer) => {
                (self.rules.lock().unwrap().token_response)(&mut answer);
                ("200 OK", answer)
            }
            Err(error) => ("400 Bad Request", json!({ "error": error })),
        };
        let format = self.rules.lock().unwrap().odd.token_format;
        match format {
            Some(format) => {
                let (kind, text) = format(&body);
                exchange.respond(status, &[("Content-Type", kind)], &text);
            }
            None => exchange.json_with_status(status, &body.to_string()),
        }
    }

    /// The response of a correct authorization server.
    fn grant(&self, exchange: &Exchange) -> Result<Value, &'static str> {
        let mut parameters = form(&exchange.request.body);
        // RFC 6749 section 2.3.1: a client with a secret may authenticate with the header.
        if let Some(basic) = exchange.header("authorization").and_then(|value| value.strip_prefix("Basic ")) {
            let (id, secret) = credentials(basic);
            parameters.extend([("client_id".to_owned(), id), ("client_secret".to_owned(), secret)]);
        }
        let given = |name: &str| parameter(&parameters, name).unwrap_or_default();
        let mut records = self.records.lock().unwrap();
        records.token_requests.push(parameters.clone());
        let rules = self.rules.lock().unwrap();
        let login = match given("grant_type").as_str() {
            "authorization_code" => {
                let login = records.redeem_code(&given("code")).ok_or("invalid_grant")?;
                let verified = pkce_challenge(&given("code_verifier")) == login.parameter("code_challenge");
                let same = given("redirect_uri") == login.parameter("redirect_uri")
                    && given("client_id") == login.parameter("client_id");
                if !verified || !same {
                    return Err("invalid_grant");
                }
                login
            }
            "urn:ietf:params:oauth:grant-type:device_code" => records.redeem_device(&given("device_code"))?,
            "client_credentials" => records.grant_client_credentials(&parameters),
            "refresh_token" => {
                records.use_refresh_token(&given("refresh_token"), rules.grace).ok_or("invalid_grant")?
            }
            _ => return Err("unsupported_grant_type"),
        };
        let grant = Grant { lifetime: rules.lifetime.1, refreshable: rules.refreshable, since: Instant::now() };
        let (access, refresh) = records.issue(&login, &grant);
        let mut answer = json!({ "access_token": access, "token_type": "Bearer", "scope": login.parameter("scope") });
        if let Some(seconds) = rules.lifetime.0 {
            answer["expires_in"] = json!(seconds);
        }
        if let Some(refresh) = refresh {
            answer["refresh_token"] = json!(refresh);
        }
        Ok(answer)
    }
}
