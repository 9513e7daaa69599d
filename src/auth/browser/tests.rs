use proptest::prelude::*;

use super::*;

const HTTP: &str = "it is not https";
const SCHEME: &str = "it is neither https nor http";
const USER: &str = "user name or password";
const MALFORMED: &str = "relative URL without a base";

#[test]
fn only_https_and_loopback_urls_are_opened() {
    for good in ["https://as.example/authorize?a=b%20c", "http://127.0.0.1:4/x", "http://localhost/", "http://[::1]:4/"]
    {
        assert_eq!(BrowserUrl::parse(good).unwrap().as_str(), good);
    }
    for (why, urls) in [
        (SCHEME, &["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "vbscript:x", "ms-settings:"][..]),
        (SCHEME, &["calculator:", "ms-settings://x"]),
        (HTTP, &["http://as.example/", "http://localhost.example/", "http://127.0.0.1.evil.example/"]),
        (USER, &["https://user@as.example/", "https://u:p@as.example/"]),
        (MALFORMED, &["$(calc)", "--help", ""]),
    ] {
        for bad in urls {
            let error = BrowserUrl::parse(bad).unwrap_err();
            assert!(error.why.contains(why), "{bad}: {error}");
        }
    }
    let long = BrowserUrl::parse(&format!("https://a/{}", "x".repeat(20_000)));
    assert_eq!(long.unwrap_err().why, "it is too long");
}

#[test]
fn a_browser_url_has_no_shell_syntax() {
    let url = BrowserUrl::parse("https://as.example/$(touch x)/`id`/;x|y>z?q='\"&a=${HOME}\\!*^").unwrap();
    assert!(!url.as_str().contains(['$', '(', '`', '|', '>', '\'', '"', '\\', ' ', '{', '^', '!']), "{}", url.as_str());
    assert!(url.as_str().contains("&a=%24%7BHOME%7D"), "it means the same: {}", url.as_str());
    let encoded = "https://as.example/realms/my%20realm/auth?redirect_uri=http%3A%2F%2Flocalhost%3A4%2Fcb";
    assert_eq!(BrowserUrl::parse(encoded).unwrap().as_str(), encoded, "nothing is encoded twice");
}

proptest! {
    #[test]
    fn every_browser_url_is_https_or_http(text in ".*", path in "[ -~]*") {
        for text in [text.clone(), format!("https://{text}"), format!("https://h/{path}")] {
            if let Ok(url) = BrowserUrl::parse(&text) {
                prop_assert!(url.as_str().starts_with("https://") || url.as_str().starts_with("http://"));
                prop_assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(&BrowserUrl::parse(url.as_str()), &Ok(url.clone()), "encoding it again changes nothing");
            }
        }
    }
}

#[cfg(unix)]
mod programs {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Opens a URL with a script as the browser. Returns the result and the arguments of the script.
    async fn open_with_script(script: &str, arguments: &str) -> (Result<(), OpenError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let (program, seen) = (folder.path().join("browser"), folder.path().join("seen"));
        std::fs::write(&program, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >{}\n{script}\n", seen.display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let browser = format!("/bin/sh {} {arguments}", program.display());
        let desktop = Desktop::linux(Some(&browser));
        let url = BrowserUrl::parse("https://as.example/a?b=c&d=$(id)").unwrap();
        let openers = desktop.openers().unwrap();
        (open_with(&openers[0], &url).await, std::fs::read_to_string(seen).unwrap_or_default())
    }

    #[tokio::test]
    async fn the_opener_s_exit_status_decides() {
        let url = "https://as.example/a?b=c&d=%24%28id%29\n";
        let (result, seen) = open_with_script("exit 0", "--new").await;
        assert!(result.is_ok());
        assert_eq!(seen, format!("--new\n{url}"), "the URL is the last argument");
        let (result, seen) = open_with_script("exit 0", "%s --after").await;
        assert!(result.is_ok());
        assert_eq!(seen, format!("{url}--after\n"));
        let (result, _) = open_with_script("exit 3", "").await;
        assert!(matches!(result, Err(OpenError::Failed(why)) if why.contains('3')));
    }

    #[tokio::test]
    async fn an_opener_inherits_no_files() {
        // Neither locks nor the protocol's stdin and stdout.
        let folder = tempfile::tempdir().unwrap();
        let lock = crate::auth::store::Lock::try_acquire(&folder.path().join("a.lock")).unwrap();
        let check = format!("! ls -l /proc/self/fd 2>/dev/null | grep -q {}", folder.path().display());
        let (result, _) = open_with_script(&format!("{check} && [ ! -s /dev/stdin ]"), "").await;
        assert!(result.is_ok(), "{result:?}");
        drop(lock);
    }

    #[tokio::test]
    async fn the_error_names_a_program_that_is_missing() {
        let opener = Opener::Program { argv: vec!["/nowhere/browser".to_owned()], environment: Vec::new() };
        let url = BrowserUrl::parse("https://as.example/").unwrap();
        let result = open_with(&opener, &url).await;
        assert!(matches!(result, Err(OpenError::Failed(why)) if why.contains("/nowhere/browser")));
    }
}
