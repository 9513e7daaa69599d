//! Logins without a browser on this machine.
