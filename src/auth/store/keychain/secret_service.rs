//! How are entries of the Secret Service read and written? By calls over the session's bus, as version 0.2 of its API on
//! freedesktop.org describes them.
//!
//! Nothing is unlocked unless a person is there who asked for the login: a window that nobody expects is no cure, and a
//! bridge must not wait for it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Runtime;
use zbus::message::Type;
use zbus::{
    Connection, DynamicType, MatchRule, Message, MessageStream, ObjectPath, OwnedObjectPath, OwnedVariant, Variant,
};

use super::{SERVICE, StoreError, damaged};

const NAME: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const ITEM: &str = "org.freedesktop.Secret.Item";
const PROMPT: &str = "org.freedesktop.Secret.Prompt";

/// A secret on the bus: the session, its parameters, the secret, its kind.
type Secret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

/// A person needs time to type a password; without one the service answers at once, or not at all.
pub(super) fn limit(asks: bool) -> Duration {
    Duration::from_secs(if asks { 120 } else { 5 })
}

/// The user's secrets, as this process reaches them.
pub(super) struct Vault {
    runtime: Runtime,
    bus: Bus,
}

/// The calls of one session with the service.
struct Bus {
    connection: Connection,
    session: OwnedObjectPath,
    /// Whether a person may be asked to unlock something.
    asks: bool,
}

impl Vault {
    pub(super) fn open(asks: bool) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Keychain(error.to_string()))?;
        let bus = runtime.block_on(Bus::open(asks))?;
        Ok(Self { runtime, bus })
    }

    /// Whether entries can be written.
    pub(super) fn prepare(&mut self) -> Result<(), StoreError> {
        self.runtime.block_on(self.bus.default_collection()).map(drop)
    }

    /// What an entry holds, if there is one.
    pub(super) fn get(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.runtime.block_on(self.bus.get(name))
    }

    pub(super) fn set(&mut self, name: &str, secret: &[u8]) -> Result<(), StoreError> {
        self.runtime.block_on(self.bus.set(name, secret))
    }

    /// False if there was no such entry.
    pub(super) fn delete(&mut self, name: &str) -> Result<bool, StoreError> {
        self.runtime.block_on(self.bus.delete(name))
    }
}

impl Bus {
    async fn open(asks: bool) -> Result<Self, StoreError> {
        let connection = Connection::session().await;
        let connection = connection
            .map_err(|error| StoreError::Keychain(format!("there is no session bus to reach it by ({error})")))?;
        // The bus is the user's own, so that nothing would be gained by encryption on it.
        let none = Variant::from("");
        let opened = call(&connection, ROOT, "org.freedesktop.Secret.Service", "OpenSession", &("plain", none)).await?;
        let (_, session): (OwnedVariant, OwnedObjectPath) = opened.body().deserialize().map_err(failure)?;
        Ok(Self { connection, session, asks })
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(item) = self.find(name).await? else { return Ok(None) };
        let answer = self.call(&item, ITEM, "GetSecret", &(&self.session,)).await?;
        let (_, _, secret, _): Secret = answer.body().deserialize().map_err(|_| damaged())?;
        Ok(Some(secret))
    }

    async fn set(&self, name: &str, secret: &[u8]) -> Result<(), StoreError> {
        let collection = self.default_collection().await?;
        let label = format!("{SERVICE} {name}");
        let properties = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Variant::from(label.as_str())),
            ("org.freedesktop.Secret.Item.Attributes", Variant::from(attributes(name))),
        ]);
        let secret = (&self.session, &[][..] as &[u8], secret, "application/octet-stream");
        let answer = self.call(&collection, COLLECTION, "CreateItem", &(properties, secret, true)).await?;
        let (_, prompt): (OwnedObjectPath, OwnedObjectPath) = answer.body().deserialize().map_err(failure)?;
        self.finish(&prompt).await
    }

    async fn delete(&self, name: &str) -> Result<bool, StoreError> {
        let Some(item) = self.find(name).await? else { return Ok(false) };
        let answer = self.call(&item, ITEM, "Delete", &()).await?;
        let prompt: OwnedObjectPath = answer.body().deserialize().map_err(failure)?;
        self.finish(&prompt).await?;
        Ok(true)
    }

    /// The entry with this name, unlocked.
    async fn find(&self, name: &str) -> Result<Option<OwnedObjectPath>, StoreError> {
        let answer = self.ask("SearchItems", &(attributes(name),)).await?;
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            answer.body().deserialize().map_err(failure)?;
        if let Some(item) = unlocked.into_iter().next() {
            return Ok(Some(item));
        }
        let Some(item) = locked.into_iter().next() else { return Ok(None) };
        self.unlock(&item).await?;
        Ok(Some(item))
    }

    /// Where new entries go, unlocked.
    async fn default_collection(&self) -> Result<OwnedObjectPath, StoreError> {
        let answer = self.ask("ReadAlias", &("default",)).await?;
        let collection: OwnedObjectPath = answer.body().deserialize().map_err(failure)?;
        if is_none(&collection) {
            return Err(StoreError::Keychain("it has no default collection".to_owned()));
        }
        let properties = "org.freedesktop.DBus.Properties";
        let answer = self.call(&collection, properties, "Get", &(COLLECTION, "Locked")).await?;
        let locked: OwnedVariant = answer.body().deserialize().map_err(failure)?;
        if bool::try_from(locked).unwrap_or_default() {
            self.unlock(&collection).await?;
        }
        Ok(collection)
    }

    async fn unlock(&self, what: &OwnedObjectPath) -> Result<(), StoreError> {
        if !self.asks {
            return Err(StoreError::Keychain("it is locked".to_owned()));
        }
        let answer = self.ask("Unlock", &(vec![what],)).await?;
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = answer.body().deserialize().map_err(failure)?;
        self.finish(&prompt).await
    }

    /// Has the service ask the person, if it must.
    async fn finish(&self, prompt: &OwnedObjectPath) -> Result<(), StoreError> {
        if is_none(prompt) {
            return Ok(());
        }
        if !self.asks {
            return Err(StoreError::Keychain("it wants to ask, and nobody has asked for a login".to_owned()));
        }
        let path: &ObjectPath<'_> = prompt;
        let rule = MatchRule::builder().msg_type(Type::Signal).interface(PROMPT).member("Completed").path(path).build();
        // Before the question, whose answer may come at once.
        let completed = MessageStream::for_match_rule(rule.map_err(failure)?, &self.connection, None).await;
        let mut completed = completed.map_err(failure)?;
        self.call(prompt, PROMPT, "Prompt", &("",)).await?;
        let answer = completed.next().await.and_then(Result::ok);
        let answer = answer.and_then(|answer| answer.body().deserialize::<(bool, OwnedVariant)>().ok());
        match answer {
            Some((false, _)) => Ok(()),
            _ => Err(StoreError::Keychain("it is locked, and was not unlocked".to_owned())),
        }
    }

    async fn ask<B: serde::Serialize + DynamicType>(&self, method: &str, body: &B) -> Result<Message, StoreError> {
        call(&self.connection, ROOT, "org.freedesktop.Secret.Service", method, body).await
    }

    async fn call<B: serde::Serialize + DynamicType>(
        &self,
        path: &OwnedObjectPath,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<Message, StoreError> {
        call(&self.connection, path.as_str(), interface, method, body).await
    }
}

async fn call<B: serde::Serialize + DynamicType>(
    connection: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    body: &B,
) -> Result<Message, StoreError> {
    connection.call_method(Some(NAME), path, Some(interface), method, body).await.map_err(failure)
}

/// What entries are found by.
fn attributes(name: &str) -> HashMap<&str, &str> {
    HashMap::from([("service", SERVICE), ("username", name)])
}

/// The service's path for no object.
fn is_none(path: &OwnedObjectPath) -> bool {
    path.as_str() == "/"
}

fn failure(error: impl Into<zbus::Error>) -> StoreError {
    let error: zbus::Error = error.into();
    StoreError::Keychain(match &error {
        zbus::Error::FDO(fdo) if matches!(**fdo, zbus::fdo::Error::ServiceUnknown(_)) => {
            format!("no program on the session's bus keeps secrets ({NAME})")
        }
        zbus::Error::MethodError(name, _, _) if name.as_str().ends_with(".IsLocked") => "it is locked".to_owned(),
        _ => crate::log::foreign(&error.to_string()),
    })
}
