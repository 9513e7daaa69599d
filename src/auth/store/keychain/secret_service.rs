//! How are entries of the Secret Service read and written? By calls over the session's bus, as version 0.2 of its API on
//! freedesktop.org describes them.
//!
//! Nothing is unlocked unless a person is there who asked for the login: a window that nobody expects is no cure, and a
//! bridge must not wait for it.

use std::time::Duration;

use super::dbus::{Bus, BusError, Method, Received, Writer};
use super::{SERVICE, StoreError, damaged};

const NAME: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
const SERVICE_API: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const ITEM: &str = "org.freedesktop.Secret.Item";
const PROMPT: &str = "org.freedesktop.Secret.Prompt";

/// A person needs time to type a password; without one the service answers at once, or not at all.
pub(super) fn limit(asks: bool) -> Duration {
    Duration::from_secs(if asks { 120 } else { 5 })
}

/// The user's secrets, as this process reaches them in one session with the service.
pub(super) struct Vault {
    bus: Bus,
    session: String,
    /// Whether a person may be asked to unlock something.
    asks: bool,
}

impl Vault {
    pub(super) fn open(asks: bool) -> Result<Self, StoreError> {
        let mut bus = Bus::connect(limit(asks)).map_err(|error| failure(&error))?;
        let mut body = Writer::default();
        // The bus is the user's own, so that nothing would be gained by encryption on it.
        body.text("plain");
        body.text_variant("");
        let opened =
            bus.call(method(ROOT, SERVICE_API, "OpenSession"), "sv", &body).map_err(|error| failure(&error))?;
        let mut answer = opened.body();
        let none = answer.signature().filter(|kind| *kind == "s").and_then(|_| answer.text());
        let session = none.and_then(|_| answer.text()).ok_or_else(damaged)?.to_owned();
        Ok(Self { bus, session, asks })
    }

    /// Whether entries can be written.
    pub(super) fn prepare(&mut self) -> Result<(), StoreError> {
        self.default_collection().map(drop)
    }

    /// What an entry holds, if there is one.
    pub(super) fn get(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(item) = self.find(name)? else { return Ok(None) };
        let mut body = Writer::default();
        body.text(&self.session);
        let answer = self.call(&item, ITEM, "GetSecret", "o", &body)?;
        let mut secret = answer.body();
        // The session, its parameters, the secret, its kind.
        let read = secret.structure().and_then(|()| secret.text()).and_then(|_| secret.blob());
        let value = read.and_then(|_| secret.blob()).ok_or_else(damaged)?;
        Ok(Some(value.to_vec()))
    }

    pub(super) fn set(&mut self, name: &str, secret: &[u8]) -> Result<(), StoreError> {
        let collection = self.default_collection()?;
        let mut body = Writer::default();
        body.array(8, |properties| {
            properties.structure();
            properties.text("org.freedesktop.Secret.Item.Label");
            properties.text_variant(&format!("{SERVICE} {name}"));
            properties.structure();
            properties.text("org.freedesktop.Secret.Item.Attributes");
            properties.texts_variant(&attributes(name));
        });
        body.structure();
        body.text(&self.session);
        body.blob(&[]);
        body.blob(secret);
        body.text("application/octet-stream");
        // In the place of an entry with these attributes.
        body.boolean(true);
        let answer = self.call(&collection, COLLECTION, "CreateItem", "a{sv}(oayays)b", &body)?;
        let mut answer = answer.body();
        let prompt = answer.text().and_then(|_| answer.text()).ok_or_else(damaged)?;
        self.finish(prompt)
    }

    /// False if there was no such entry.
    pub(super) fn delete(&mut self, name: &str) -> Result<bool, StoreError> {
        let Some(item) = self.find(name)? else { return Ok(false) };
        let answer = self.call(&item, ITEM, "Delete", "", &Writer::default())?;
        self.finish(answer.body().text().ok_or_else(damaged)?)?;
        Ok(true)
    }

    /// The entry with this name, unlocked.
    fn find(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let mut body = Writer::default();
        body.texts(&attributes(name));
        let answer = self.ask("SearchItems", "a{ss}", &body)?;
        let mut answer = answer.body();
        let unlocked = answer.list().ok_or_else(damaged)?;
        if let Some(item) = unlocked.first() {
            return Ok(Some((*item).to_owned()));
        }
        let locked = answer.list().ok_or_else(damaged)?;
        let Some(item) = locked.first() else { return Ok(None) };
        self.unlock(item)?;
        Ok(Some((*item).to_owned()))
    }

    /// Where new entries go, unlocked.
    fn default_collection(&mut self) -> Result<String, StoreError> {
        let mut body = Writer::default();
        body.text("default");
        let answer = self.ask("ReadAlias", "s", &body)?;
        let collection = answer.body().text().ok_or_else(damaged)?.to_owned();
        if is_none(&collection) {
            return Err(StoreError::Keychain("it has no default collection".to_owned()));
        }
        let mut body = Writer::default();
        body.text(COLLECTION);
        body.text("Locked");
        let answer = self.call(&collection, "org.freedesktop.DBus.Properties", "Get", "ss", &body)?;
        let mut answer = answer.body();
        let is_locked = answer.signature().filter(|kind| *kind == "b").and_then(|_| answer.boolean());
        if is_locked.ok_or_else(damaged)? {
            self.unlock(&collection)?;
        }
        Ok(collection)
    }

    fn unlock(&mut self, path: &str) -> Result<(), StoreError> {
        if !self.asks {
            return Err(StoreError::Keychain("it is locked".to_owned()));
        }
        let mut body = Writer::default();
        body.array(4, |paths| paths.text(path));
        let answer = self.ask("Unlock", "ao", &body)?;
        let mut answer = answer.body();
        let prompt = answer.list().and_then(|_| answer.text()).ok_or_else(damaged)?;
        self.finish(prompt)
    }

    /// Has the service ask the person, if it must.
    fn finish(&mut self, prompt: &str) -> Result<(), StoreError> {
        if is_none(prompt) {
            return Ok(());
        }
        if !self.asks {
            return Err(StoreError::Keychain("it wants to ask, and nobody has asked for a login".to_owned()));
        }
        let mut body = Writer::default();
        // No window that the question belongs to.
        body.text("");
        let completed = self.bus.call_for_signal(method(prompt, PROMPT, "Prompt"), "s", &body, "Completed");
        let completed = completed.map_err(|error| failure(&error))?;
        match completed.body().boolean() {
            Some(false) => Ok(()),
            _ => Err(StoreError::Keychain("it is locked, and was not unlocked".to_owned())),
        }
    }

    fn ask(&mut self, name: &str, signature: &str, body: &Writer) -> Result<Received, StoreError> {
        self.call(ROOT, SERVICE_API, name, signature, body)
    }

    fn call(
        &mut self,
        path: &str,
        interface: &str,
        name: &str,
        signature: &str,
        body: &Writer,
    ) -> Result<Received, StoreError> {
        self.bus.call(method(path, interface, name), signature, body).map_err(|error| failure(&error))
    }
}

fn method<'a>(path: &'a str, interface: &'a str, name: &'a str) -> Method<'a> {
    Method { destination: NAME, path, interface, name }
}

/// What entries are found by.
fn attributes(name: &str) -> [(&str, &str); 2] {
    [("service", SERVICE), ("username", name)]
}

/// The service's path for no object.
fn is_none(path: &str) -> bool {
    path == "/"
}

fn failure(error: &BusError) -> StoreError {
    StoreError::Keychain(match error {
        BusError::Refused { name, .. } if name.ends_with(".ServiceUnknown") || name.ends_with(".NameHasNoOwner") => {
            format!("no program on the session's bus keeps secrets ({NAME})")
        }
        BusError::Refused { name, .. } if name.ends_with(".IsLocked") => "it is locked".to_owned(),
        error => crate::log::foreign(&error.to_string()),
    })
}
