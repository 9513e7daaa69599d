#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn values_are_taken_or_refused() {
    assert_eq!(ResourceChoice::parse(""), Ok(ResourceChoice::Off));
    assert_eq!(ResourceChoice::parse("https://h"), Ok(ResourceChoice::Given("https://h".to_owned())), "byte for byte");
    assert!(ResourceChoice::parse("h").is_err() && ResourceChoice::parse("https://h/#f").is_err());
    assert_eq!(Login::parse_authorize_param("audience=a=b"), Ok(("audience".to_owned(), "a=b".to_owned())));
    for text in ["audience", "=x", "state=x", "code_challenge_method=plain", "request_uri=x"] {
        assert!(Login::parse_authorize_param(text).is_err(), "{text}");
    }
    assert!(Login::parse_client_metadata_url("https://h/client.json").is_ok());
    for text in ["http://h/c.json", "https://h", "https://u@h/c.json", "https://h/c.json#x"] {
        assert!(Login::parse_client_metadata_url(text).is_err(), "{text}");
    }
    assert!(Login::parse_issuer("http://localhost:1/x").is_ok() && Login::parse_issuer("http://h").is_err());
}

#[test]
fn client_information_comes_as_json() {
    let mut login = Login::default();
    login.set_client_info(r#"{"client_id":"i","client_secret":"the-static-secret","more":1}"#).unwrap();
    assert_eq!(
        (login.client_id.as_deref(), login.client_secret.as_ref().unwrap().expose()),
        (Some("i"), "the-static-secret")
    );
    assert!(login.set_client_info("{}").unwrap_err().contains("client_id"));
    let error = login.set_client_info("{\"client_secret\": \"hidden\", oops").unwrap_err();
    assert!(error.contains("line 1") && !error.contains("hidden"), "{error}");
    login.set_client_metadata(r#"{"client_name":"n","scope":"a b"}"#).unwrap();
    assert_eq!(login.scope.as_deref(), Some("a b"), "a scope there is the scope to ask for");
}

#[test]
fn settings_that_do_not_fit_are_told() {
    let check = |change: &dyn Fn(&mut Login)| {
        let mut login = Login::default();
        change(&mut login);
        login.check()
    };
    assert_eq!(check(&|_| ()), Ok(()));
    assert!(check(&|login| login.client_secret = Some(Secret::new("some-secret"))).is_err());
    assert!(check(&|login| login.token_endpoint = Some("https://h/t".to_owned())).is_err());
    assert!(check(&|login| login.grant = Grant::ClientCredentials).is_err());
    let credentials = |login: &mut Login| {
        login.grant = Grant::ClientCredentials;
        login.client_id = Some("i".to_owned());
        login.client_secret = Some(Secret::new("some-secret"));
        login.token_endpoint = Some("https://h/t".to_owned());
    };
    assert_eq!(check(&credentials), Ok(()));
}
