//! Hostile peers: an attack is a row of a table. Each file plays one kind of attacker: what it sends, and the one thing
//! that must follow from it.

mod authorization_server;
mod http2_server;
mod login;
mod network;
mod other_user;
mod server;
#[cfg(unix)]
mod terminal;
mod web_page;
