//! Why does a server not work here (`mcp-ferry doctor`)? Nothing is changed by finding out: no login, no registration,
//! no refresh, no file.
//!
//! A [`Report`] has sections of [`Step`]s: `way` walks from the name of a server to its tools, `machine` looks at this
//! machine and at the configuration files of clients. A step that fails names its [`Cause`]; `code` has them all.

mod code;
pub mod machine;
mod report;
mod text;
pub mod way;

pub use code::Code;
pub use report::{Cause, Mark, Report, Section, Step};
pub use text::Style;
