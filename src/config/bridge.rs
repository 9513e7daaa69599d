//! What did the user mean for the client's requests?

use super::text::each_given;
use super::upstream::time_limit;
use crate::bridge::Options;
use crate::cli;
use crate::error::Error;
use crate::tools::Rules;

/// The options of the bridge.
pub(super) fn options(typed: &cli::Options) -> Result<Options, Error> {
    let globs = |typed: &[String]| each_given(typed).map(str::to_owned).collect::<Vec<_>>();
    let tools = &typed.tools;
    let rules = Rules::parse(&globs(&tools.allow_tool), &globs(&tools.ignore_tool), tools.read_only);
    Ok(Options { limit: time_limit(typed.connection.request_timeout), tools: rules.map_err(Error::Usage)? })
}
