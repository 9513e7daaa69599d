//! An MCP server and an authorization server that want credentials which are not for them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::support::*;

/// What a credential is, and how the user gives it.
struct Credential {
    name: &'static str,
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
    /// Files that the arguments name.
    _files: Vec<NamedTempFile>,
    /// The identity provider of the user's company, for the credential that it issues.
    _provider: Option<Upstream>,
}

const SECRET: &str = "of-the-client-0123456789";

fn jwt(audience: &str) -> String {
    format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(json!({ "aud": audience }).to_string()))
}

/// Every credential that the user gives, all meant for this issuer.
fn credentials(issuer: &str) -> Vec<Credential> {
    let texts = |arguments: &[&str]| arguments.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let environment = vec![("SECRET", SECRET)];
    let secret = ["--client-id", "given-1", "--client-secret-env", "SECRET"];
    let code = Credential {
        name: "code and verifier",
        arguments: texts(&["--client-id", "given-0"]),
        environment: Vec::new(),
        _files: Vec::new(),
        _provider: None,
    };
    let by_secret = Credential {
        name: "client secret",
        arguments: texts(&[&secret[..], &["--client-credentials"]].concat()),
        environment: environment.clone(),
        _files: Vec::new(),
        _provider: None,
    };
    let key = file(include_str!("../../../src/auth/tests/keys/pkcs8.pem"));
    let by_key = Credential {
        name: "private_key_jwt",
        arguments: texts(&["--client-id", "given-2", "--client-credentials", "--private-key", path(&key)]),
        environment: Vec::new(),
        _files: vec![key],
        _provider: None,
    };
    // Without an audience: nothing but the issuer's name keeps it from strangers.
    let token = file("opaque-token-of-a-workload");
    let workload = Credential {
        name: "workload JWT",
        arguments: texts(&["--client-id", "given-3", "--workload-token-file", path(&token)]),
        environment: Vec::new(),
        _files: vec![token],
        _provider: None,
    };
    let answer = json!({ "access_token": jwt(issuer), "issued_token_type": "x", "token_type": "N_A" }).to_string();
    let provider = Upstream::start(move |exchange| exchange.json(&answer)).may_receive_no_request();
    let (token, endpoint) = (file("id-token-of-a-person"), provider.url("/token"));
    let idp = ["--idp-token-endpoint", &endpoint, "--idp-client-id", "c", "--idp-token-file", path(&token)];
    let enterprise = Credential {
        name: "ID-JAG",
        arguments: texts(&[&secret[..], &idp].concat()),
        environment,
        _files: vec![token],
        _provider: Some(provider),
    };
    vec![code, by_secret, by_key, workload, enterprise]
}

/// A stranger, whose metadata claim to be this issuer; `None`: they name the stranger itself.
fn stranger(claim: Option<String>) -> Upstream {
    Upstream::start(move |exchange| {
        let own = format!("http://{}", exchange.header("host").unwrap());
        let at = |path: &str| format!("{own}{path}");
        exchange.json(
            &json!({
                "issuer": claim.as_ref().unwrap_or(&own),
                "authorization_endpoint": at("/authorize"),
                "token_endpoint": at("/token"),
                "registration_endpoint": at("/register"),
                "revocation_endpoint": at("/revoke"),
                "code_challenge_methods_supported": ["S256"],
                "client_id": "registered",
                "access_token": "worthless",
            })
            .to_string(),
        );
    })
    .may_receive_no_request()
}

fn list(servers: &OauthServers, listed: Vec<String>) {
    servers.rules().resource_metadata = Box::new(move |metadata| metadata["authorization_servers"] = json!(listed));
}

/// Calls the tool, and ends the bridge.
#[track_caller]
fn call(machine: &Machine, servers: &OauthServers, credential: &Credential, more: &[&str]) -> String {
    let mut launch = machine.bridge(servers);
    for argument in credential.arguments.iter().map(String::as_str).chain(more.iter().copied()) {
        launch = launch.arg(argument);
    }
    for (name, value) in &credential.environment {
        launch = launch.env(name, value);
    }
    first_answer(launch)
}

/// The response to a tool call, or to `initialize` if that fails.
#[track_caller]
pub(super) fn first_answer(launch: Launch) -> String {
    let mut bridge = launch.start();
    bridge.send(&initialize("0", REVISION));
    let mut answer = bridge.response("0");
    if !answer.contains(r#""error""#) {
        bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        answer = bridge.request("1", "tools/call", r#"{"name":"look","arguments":{}}"#);
    }
    bridge.finish();
    answer
}

/// What the MCP server may list: of a stranger and the user's issuer.
fn lists(stranger: &str, issuer: &str) -> Vec<Vec<String>> {
    let (stranger, issuer) = (stranger.to_owned(), issuer.to_owned());
    vec![vec![stranger.clone()], vec![stranger.clone(), issuer.clone()], vec![issuer, stranger], Vec::new()]
}

#[test]
fn a_pinned_issuer_alone_gets_the_users_credentials() {
    for claims_to_be_pinned in [true, false] {
        let servers = OauthServers::well_behaved();
        let issuer = servers.issuer.url("");
        let stranger = stranger(claims_to_be_pinned.then(|| issuer.clone()));
        for listed in lists(&stranger.url(""), &issuer) {
            list(&servers, listed.clone());
            for credential in credentials(&issuer) {
                let machine = Machine::with_user();
                let before = servers.records().token_requests.len();
                call(&machine, &servers, &credential, &["--issuer", &issuer]);
                let what = format!("{} where the server lists {listed:?}", credential.name);
                assert_eq!(stranger.requests().len(), 0, "the stranger gets nothing: {what}");
                assert!(
                    servers.records().token_requests.len() > before,
                    "the pinned issuer gets the credential: {what}"
                );
            }
        }
    }
}

#[test]
fn credentials_belong_to_the_issuer_that_they_were_first_sent_to() {
    let servers = OauthServers::well_behaved();
    let issuer = servers.issuer.url("");
    for claims_to_be_issuer in [true, false] {
        let stranger = stranger(claims_to_be_issuer.then(|| issuer.clone()));
        for credential in credentials(&issuer) {
            list(&servers, vec![issuer.clone()]);
            let machine = Machine::with_user();
            call(&machine, &servers, &credential, &[]);
            for listed in [vec![stranger.url("")], Vec::new()] {
                list(&servers, listed.clone());
                servers.records().lose_database();
                let before = servers.records().token_requests.len();
                let answer = call(&machine, &servers, &credential, &[]);
                let what = format!("{} where the server then lists {listed:?}", credential.name);
                assert_eq!(stranger.requests().len(), 0, "the stranger gets nothing: {what}");
                let other = listed.first().cloned().unwrap_or_else(|| servers.resource.url(""));
                for word in [&issuer, &other, "--issuer", "logout"] {
                    assert!(answer.contains(word), "the error names {word}, {what}: {answer}");
                }
                assert!(servers.records().token_requests[before..].iter().all(is_refresh), "{what}");
            }
        }
    }
}

fn is_refresh(request: &Vec<(String, String)>) -> bool {
    parameter(request, "grant_type").as_deref() == Some("refresh_token")
}

#[test]
fn a_logout_releases_the_users_credentials() {
    let (servers, other) = (OauthServers::well_behaved(), OauthServers::well_behaved());
    let credential = &credentials(&servers.issuer.url(""))[1];
    let machine = Machine::without_user();
    assert!(call(&machine, &servers, credential, &[]).contains("looked"));
    list(&servers, vec![other.issuer.url("")]);
    servers.records().invalidate_access_tokens();
    assert!(call(&machine, &servers, credential, &[]).contains("logout"));
    call(&machine, &servers, credential, &["--issuer", &other.issuer.url("")]);
    let named = other.records().token_requests.len();
    assert!(named > 0, "the user may name another issuer");
    let options = credential
        .arguments
        .iter()
        .fold(machine.launch().args(["logout", &servers.url()]), |launch, one| launch.arg(one));
    let output = options.env("SECRET", SECRET).run("");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    call(&machine, &servers, credential, &[]);
    assert!(other.records().token_requests.len() > named, "then the user may use another issuer");
    get(&other.resource.url("/mcp"), &[]);
}

#[test]
fn a_jwt_goes_only_to_its_audience() {
    let servers = OauthServers::well_behaved();
    let issuer = servers.issuer.url("");
    for (audience, fits) in
        [(issuer.clone(), true), (format!("{issuer}/token"), true), ("https://as.example".into(), false)]
    {
        for pinned in [&[][..], &["--issuer", &issuer]] {
            let token = file(&jwt(&audience));
            let arguments = ["--workload-token-file", path(&token)].map(str::to_owned).to_vec();
            let credential =
                Credential { name: "", arguments, environment: Vec::new(), _files: vec![token], _provider: None };
            let before = servers.records().token_requests.len();
            let answer =
                call(&Machine::without_user(), &servers, &credential, &[&["--client-id", "given-1"], pinned].concat());
            let is_sent = servers.records().token_requests.len() > before;
            assert_eq!(is_sent, fits, "{audience} {pinned:?}");
            assert!(fits || answer.contains("as.example") && answer.contains(&issuer), "both are named: {answer}");
        }
    }
}

/// The files of a login that mcp-remote made at this issuer, or at one that it did not note.
fn import(servers: &OauthServers, machine: &Machine, issuer: Option<&str>) -> [String; 2] {
    let redirect = "http://localhost:3334/oauth/callback";
    let (id, access, refresh) = servers.records().issue_to_another_client(redirect);
    let folder = machine.home().join(".mcp-auth/mcp-remote-v1");
    std::fs::create_dir_all(&folder).unwrap();
    let name = |end: &str| folder.join(format!("{}_{end}.json", md5(&servers.url())));
    let mut tokens =
        json!({ "access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh });
    if let Some(issuer) = issuer {
        tokens["issuer"] = issuer.into();
    }
    let client = json!({ "client_id": id, "client_secret": SECRET, "redirect_uris": [redirect] });
    std::fs::write(name("tokens"), tokens.to_string()).unwrap();
    std::fs::write(name("client_info"), client.to_string()).unwrap();
    [access, refresh]
}

#[test]
fn a_stranger_gets_no_token_of_an_earlier_login() {
    for (imported, stamped) in [(false, false), (true, true), (true, false)] {
        for claims_to_be_issuer in [true, false] {
            let servers = OauthServers::well_behaved();
            let issuer = servers.issuer.url("");
            let stranger = stranger(claims_to_be_issuer.then(|| issuer.clone()));
            let machine = Machine::without_user();
            let mut secrets = vec![SECRET.to_owned()];
            if imported {
                secrets.extend(import(&servers, &machine, stamped.then_some(issuer.as_str())));
            } else {
                let started = machine.run(["login", &servers.url(), "--no-wait"], "");
                let shown = stdout_text(&started);
                let link = shown.split_whitespace().find(|word| word.contains("/authorize?")).unwrap().to_owned();
                let page = get(&link, &[]).unwrap();
                let back = page.header("location").unwrap().to_owned();
                machine.run(["login", &servers.url(), "--complete", &back], "");
                secrets.extend(servers.records().secrets.clone());
            }
            list(&servers, vec![stranger.url("")]);
            for (name, arguments) in [("call", None), ("logout", Some("logout"))] {
                match arguments {
                    Some(command) => drop(machine.run([command, &servers.url()], "")),
                    None => {
                        let mut bridge = machine.bridge(&servers).start();
                        bridge.initialize();
                        bridge.send(&request("1", "tools/list", "{}"));
                        bridge.response("1");
                        servers.records().invalidate_access_tokens();
                        bridge.send(&request("2", "tools/list", "{}"));
                        bridge.response("2");
                        bridge.finish();
                    }
                }
                for request in stranger.requests() {
                    let all = format!("{} {:?} {}", request.path, request.headers, request.text());
                    let leaked = secrets.iter().find(|secret| all.contains(*secret));
                    assert_eq!(leaked, None, "{name}, imported {imported}, issuer known {stamped}: {all}");
                }
            }
        }
    }
}

#[test]
fn a_typed_address_of_metadata_is_believed_and_no_other_is() {
    let servers = OauthServers::well_behaved();
    let issuer = servers.issuer.url("");
    let document = json!({
        "issuer": "https://as.example",
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
    });
    let place = Upstream::start(move |exchange| exchange.json(&document.to_string()));
    let stranger = stranger(Some("https://as.example".to_owned()));
    list(&servers, vec![stranger.url("")]);
    let credential = &credentials(&issuer)[1];
    for pinned in [&[][..], &["--issuer", "https://as.example"]] {
        let typed = place.url("/metadata.json");
        let answer =
            call(&Machine::without_user(), &servers, credential, &[&["--metadata-url", &typed], pinned].concat());
        assert!(answer.contains("looked"), "{answer}");
    }
    let typed = place.url("/metadata.json");
    let other = ["--metadata-url", &typed, "--issuer", "https://other.example"];
    assert!(!call(&Machine::without_user(), &servers, credential, &other).contains("looked"), "the pin holds");
    assert_eq!(stranger.requests().len(), 0);
}
