//! Which secret in a request could everybody read who has the bundle?

use serde_json::Value;
use url::Url;

use super::fields::replaced;
use super::{Request, sample};
use crate::install;
use crate::log;

/// What seems to be a secret in the addresses or among the options, for people.
pub(super) fn find(request: &Request) -> Option<String> {
    let urls = request.url.iter().chain(request.variants.iter().map(|(_, url)| url));
    let in_url = || urls.map(|url| install::secret_in(&sample(url), &[])).find_map(|found| found);
    request.options.windows(2).find_map(|pair| in_option(&pair[0], &pair[1])).or_else(in_url)
}

fn in_option(option: &str, value: &str) -> Option<String> {
    let rest = replaced(value, &mut |_| String::new());
    if rest == value {
        return install::secret_in("", &[option.to_owned(), value.to_owned()]);
    }
    // What stands beside the fields; they hold the secrets themselves.
    let is_secret = match option {
        "--header" => rest.split_once(':').is_some_and(|(_, rest)| log::is_secret("", rest.trim())),
        "--static-oauth-client-info" => serde_json::from_str::<Value>(&rest)
            .is_ok_and(|info| info["client_secret"].as_str().is_some_and(|secret| !secret.is_empty())),
        "--proxy" => Url::parse(&rest).is_ok_and(|url| url.password().is_some()),
        _ => false,
    };
    is_secret.then(|| format!("a part of the value of {option}"))
}
