//! How does an entry get into a client's configuration file, and out of it again, without touching anything else?
#![allow(dead_code)]

mod edit;
