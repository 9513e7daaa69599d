//! What did a person mean who typed this? `places` fills in what stands for something else, such as `${VAR}`; `path`
//! knows `~`; `text_file` reads what editors and shells of all systems write; `quotes` removes quotes that a shell or a
//! host left around a text.

mod path;
mod places;
mod quotes;
mod text_file;

pub(crate) use path::expand_path;
pub(crate) use places::{fill_in, has_place, is_unset, is_variable_name, needed, respell, variables};
pub(crate) use quotes::{pem, unquoted};
pub(crate) use text_file::{decode, read_text};
