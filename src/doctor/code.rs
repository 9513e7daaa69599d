//! Which causes does doctor know? Their codes are stable: scripts and other pages refer to them.

/// The codes: the variant, the code that is shown, what it means in a few words.
macro_rules! codes {
    ($($variant:ident $code:literal $meaning:literal)*) => {
        /// What is wrong, as scripts read it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as it is shown.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What it means, in a few words.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    LoginNeeded "auth.login-needed" "the server wants a login, and there is none"
    NameUnknown "net.dns" "the name of the server is not known"
    BinaryGone "client.binary-gone" "an entry starts a program that is not there"
}
