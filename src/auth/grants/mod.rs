//! How are tokens obtained without a browser on this machine? With a code that a person types in on another device, or
//! without a person: as the client itself, as a workload, or for an employee of a company.

pub(super) mod device;
mod non_interactive;

pub(super) use non_interactive::obtain_tokens;

#[cfg(test)]
mod tests;
