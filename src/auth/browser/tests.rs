#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn only_what_a_browser_should_open_is_opened() {
    for good in ["https://as.example/authorize?a=b%20c", "http://127.0.0.1:4/x", "http://localhost/", "http://[::1]:4/"]
    {
        assert_eq!(BrowserUrl::parse(good).unwrap().as_str(), good);
    }
    for (bad, why) in [
        ("javascript:alert(1)", UrlError::Scheme),
        ("file:///etc/passwd", UrlError::Scheme),
        ("data:text/html,x", UrlError::Scheme),
        ("vbscript:x", UrlError::Scheme),
        ("calculator:", UrlError::Scheme),
        ("ms-settings://x", UrlError::Scheme),
        ("http://as.example/", UrlError::Scheme),
        ("http://localhost.example/", UrlError::Scheme),
        ("https://user@as.example/", UrlError::Userinfo),
        ("https://u:p@as.example/", UrlError::Userinfo),
        ("--help", UrlError::Malformed),
        ("", UrlError::Malformed),
    ] {
        assert_eq!(BrowserUrl::parse(bad), Err(why), "{bad}");
    }
    assert_eq!(BrowserUrl::parse(&format!("https://a/{}", "x".repeat(20_000))), Err(UrlError::TooLong));
}

#[test]
fn nothing_in_it_is_anything_to_a_shell() {
    let url = BrowserUrl::parse("https://as.example/$(touch x)/`id`/;x|y>z?q='\"&a=${HOME}\\!*^").unwrap();
    assert!(!url.as_str().contains(['$', '(', '`', '|', '>', '\'', '"', '\\', ' ', '{', '^', '!']), "{}", url.as_str());
    assert!(url.as_str().contains("&a=%24%7BHOME%7D"), "its meaning is kept: {}", url.as_str());
    let encoded = "https://as.example/realms/my%20realm/auth?redirect_uri=http%3A%2F%2Flocalhost%3A4%2Fcb";
    assert_eq!(BrowserUrl::parse(encoded).unwrap().as_str(), encoded, "nothing is encoded twice");
}

proptest! {
    #[test]
    fn whatever_passes_is_https_or_loopback(text in ".*", path in "[ -~]*") {
        for text in [text.clone(), format!("https://{text}"), format!("https://h/{path}")] {
            if let Ok(url) = BrowserUrl::parse(&text) {
                prop_assert!(url.as_str().starts_with("https://") || url.as_str().starts_with("http://"));
                prop_assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(&BrowserUrl::parse(url.as_str()), &Ok(url.clone()), "spelled once, it stays");
            }
        }
    }
}

#[cfg(unix)]
mod programs {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A browser that writes down what it was given.
    async fn open_with(script: &str, arguments: &str) -> (Opening, String) {
        let folder = tempfile::tempdir().unwrap();
        let (program, seen) = (folder.path().join("browser"), folder.path().join("seen"));
        // Written under another name and linked: a file that is open for writing anywhere cannot be run.
        std::fs::write(&program, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >{}\n{script}\n", seen.display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let browser = format!("/bin/sh {} {arguments}", program.display());
        let surroundings = Surroundings::desktop(Some(&browser));
        let url = BrowserUrl::parse("https://as.example/a?b=c&d=$(id)").unwrap();
        let ways = surroundings.ways().unwrap();
        let opening = match attempt(&ways[0], &url).await {
            Attempt::Opened => Opening::Opened,
            Attempt::Failed(why) | Attempt::Silent(why) => Opening::NotOpened(why),
        };
        (opening, std::fs::read_to_string(seen).unwrap_or_default())
    }

    #[tokio::test]
    async fn opened_is_what_the_opener_says() {
        let url = "https://as.example/a?b=c&d=%24%28id%29\n";
        let (opening, seen) = open_with("exit 0", "--new").await;
        assert_eq!((opening, seen), (Opening::Opened, format!("--new\n{url}")), "the URL is one argument, the last");
        let (opening, seen) = open_with("exit 0", "%s --after").await;
        assert_eq!((opening, seen), (Opening::Opened, format!("{url}--after\n")));
        let (opening, _) = open_with("exit 3", "").await;
        assert!(matches!(opening, Opening::NotOpened(why) if why.contains('3')));
    }

    #[tokio::test]
    async fn an_opener_gets_none_of_our_files() {
        // Locks and the protocol's own stdin and stdout.
        let folder = tempfile::tempdir().unwrap();
        let lock = crate::auth::store::Lock::try_acquire(&folder.path().join("a.lock")).unwrap();
        let check = format!("! ls -l /proc/self/fd 2>/dev/null | grep -q {}", folder.path().display());
        let (opening, _) = open_with(&format!("{check} && [ ! -s /dev/stdin ]"), "").await;
        assert_eq!(opening, Opening::Opened);
        drop(lock);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let way = Way::Program { argv: vec!["/nowhere/browser".to_owned()], environment: Vec::new() };
        let url = BrowserUrl::parse("https://as.example/").unwrap();
        assert!(matches!(attempt(&way, &url).await, Attempt::Failed(why) if why.contains("/nowhere/browser")));
    }
}
