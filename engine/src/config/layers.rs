//! Which place wins: default, then file, environment, arguments, code.
//!
//! Every layer is checked in full, even a value that a stronger place hides: a mistake that waits in a
//! file until an environment variable goes away is found now.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::ops::Deref;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{Key, Settings};
use crate::{Error, Result};

/// The configuration of one program: typed [`Settings`] and, for each, the place it came from.
///
/// Reads like its [`Settings`] (`config.batch_interval`); the methods of the same names set a value in
/// code, which wins over every other place. Ranges of values set in code are checked by
/// [`Config::validate`], those of all other places when they are read.
#[derive(Clone, Debug, Default)]
pub struct Config {
    settings: Settings,
    places: BTreeMap<&'static str, Place>,
}

/// Where a value came from, weakest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nobody set it.
    Default,
    /// A configuration file, with the line.
    File(String, usize),
    /// An environment variable, by name.
    Environment(String),
    /// An argument `key=value`.
    Argument(String),
    /// A setter that the program called.
    Code,
}

impl Config {
    /// What all environment variables of the configuration begin with.
    pub const ENV_PREFIX: &str = "MILLSTREAM_";
    /// The environment variable that names the file which [`Config::layered`] reads.
    pub const FILE_VARIABLE: &str = "MILLSTREAM_CONF";

    /// All defaults.
    pub fn new() -> Self {
        Config::default()
    }

    /// Adds what the process was given: the file that `MILLSTREAM_CONF` names, if it is set, and the
    /// other `MILLSTREAM_` variables.
    ///
    /// ```
    /// use millstream_engine::config::Config;
    /// let config = Config::new().app_name("clicks").layered()?;
    /// assert_eq!(config.app_name, "clicks");
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    pub fn layered(self) -> Result<Self> {
        self.with_process_env(std::env::vars_os())
    }

    /// [`Config::layered`] with the environment as an argument.
    pub(super) fn with_process_env(self, vars: impl Iterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut ours = Vec::new();
        for (name, value) in vars {
            let Some(name) = name.to_str().filter(|name| name.starts_with(Self::ENV_PREFIX)) else {
                continue;
            };
            let value = value.into_string().map_err(|_| {
                Error::Config(format!("environment variable {name} is not UTF-8; set it to plain text"))
            })?;
            ours.push((name.to_string(), value));
        }
        let file = ours.iter().find(|(name, _)| name == Self::FILE_VARIABLE);
        let config = match file {
            Some((_, path)) => self.with_file(path)?,
            None => self,
        };
        config.with_env(ours)
    }

    /// Adds a TOML file, with nested tables or dotted keys.
    pub fn with_file(self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|e| Error::io(format!("cannot read the configuration file {}", path.display()), e))?;
        self.with_toml(&text, &path.display().to_string())
    }

    /// Adds the text of a TOML file; `file` is the name by which errors speak of it.
    ///
    /// ```
    /// use millstream_engine::config::Config;
    /// let error = Config::new().with_toml("batch_interval = '1s'\n[receiver]\nblock = 5", "mill.toml").unwrap_err();
    /// assert!(error.to_string().contains("mill.toml:3"));
    /// assert!(error.to_string().contains("receiver.block_interval"));
    /// ```
    pub fn with_toml(mut self, text: &str, file: &str) -> Result<Self> {
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let table = DeTable::parse(text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start);
            Error::Config(format!("{file}:{}: not TOML: {}", line(at), e.message()))
        })?;
        let mut leaves = Vec::new();
        flatten("", table.get_ref(), &mut leaves);
        for (name, value, at) in leaves {
            let place = Place::File(file.to_string(), line(at));
            self.put(&name, &value, place)?;
        }
        Ok(self)
    }

    /// Adds environment variables; those without the prefix `MILLSTREAM_` are none of ours.
    pub fn with_env<N, V>(mut self, vars: impl IntoIterator<Item = (N, V)>) -> Result<Self>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        for (name, value) in vars {
            let name = name.as_ref();
            if !name.starts_with(Self::ENV_PREFIX) || name == Self::FILE_VARIABLE {
                continue;
            }
            let known = Config::keys().find(|key| key.env_name() == name);
            let key = known.ok_or_else(|| unknown_variable(name))?;
            self.put(key.name(), value.as_ref(), Place::Environment(name.to_string()))?;
        }
        Ok(self)
    }

    /// Adds arguments of the form `key=value`.
    pub fn with_args<A: AsRef<str>>(mut self, args: impl IntoIterator<Item = A>) -> Result<Self> {
        for arg in args {
            let arg = arg.as_ref();
            let (name, value) = arg.split_once('=').ok_or_else(|| {
                Error::Config(format!("argument \"{arg}\": expected key=value, such as batch_interval=1s"))
            })?;
            self.put(name.trim(), value, Place::Argument(arg.to_string()))?;
        }
        Ok(self)
    }

    /// The place that the value of the key `name` came from.
    pub fn place(&self, name: &str) -> &Place {
        self.places.get(name).unwrap_or(&Place::Default)
    }

    /// Checks one value and takes it, unless a stronger place has spoken.
    fn put(&mut self, name: &str, text: &str, place: Place) -> Result<()> {
        let key = Config::keys().find(|key| key.name() == name).ok_or_else(|| unknown_key(name, &place))?;
        let mut changed = self.settings.clone();
        key.read(&mut changed, text).map_err(|reason| refused(key, text, &place, &reason))?;
        if self.place(name).rank() <= place.rank() {
            self.settings = changed;
            self.places.insert(key.name(), place);
        }
        Ok(())
    }

    /// Takes a value that code has set.
    pub(super) fn set(mut self, name: &'static str, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self.places.insert(name, Place::Code);
        self
    }
}

/// A configuration reads like its settings.
impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Place {
    fn rank(&self) -> u8 {
        match self {
            Place::Default => 0,
            Place::File(..) => 1,
            Place::Environment(_) => 2,
            Place::Argument(_) => 3,
            Place::Code => 4,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::File(file, line) => write!(f, "{file}:{line}"),
            Place::Environment(name) => write!(f, "environment variable {name}"),
            Place::Argument(arg) => write!(f, "argument \"{arg}\""),
            Place::Code => f.write_str("set in code"),
        }
    }
}

/// Says of a value what is wrong, where it stands, what is allowed and how it could look.
pub(super) fn refused(key: &Key, text: &str, place: &Place, reason: &str) -> Error {
    let (name, allowed, example) = (key.name(), key.allowed(), key.example());
    Error::Config(format!(
        "{name} = \"{text}\" ({place}): {reason}; allowed: {allowed}; for example {name} = \"{example}\""
    ))
}

/// Collects `dotted.key`, value and position of every value in a table.
fn flatten(prefix: &str, table: &DeTable<'_>, leaves: &mut Vec<(String, String, usize)>) {
    for (name, value) in table {
        let path = format!("{prefix}{}", name.get_ref());
        let text = match value.get_ref() {
            DeValue::Table(inner) => {
                flatten(&format!("{path}."), inner, leaves);
                continue;
            }
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(moment) => moment.to_string(),
            DeValue::Array(_) => "[..]".to_string(),
        };
        leaves.push((path, text, name.span().start));
    }
}

fn unknown_key(name: &str, place: &Place) -> Error {
    let names = Config::keys().map(|key| key.name().to_string());
    Error::Config(format!("unknown key {name} ({place}){}", hint(name, names)))
}

fn unknown_variable(name: &str) -> Error {
    let hint = hint(name, Config::keys().map(Key::env_name));
    Error::Config(format!("unknown environment variable {name}{hint}"))
}

/// The end of a sentence about an unknown name: the nearest known one, and where all are listed.
fn hint(name: &str, known: impl Iterator<Item = String>) -> String {
    /// Below this likeness (1 is equal) a name is no help.
    const NEAR: f64 = 0.75;
    let likeness = |candidate: &str| {
        let last = candidate.rsplit('.').next().unwrap_or(candidate);
        strsim::jaro_winkler(candidate, name).max(strsim::jaro_winkler(last, name))
    };
    let nearest = known
        .map(|candidate| (likeness(&candidate), candidate))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let nearest = nearest.map_or(String::new(), |(_, near)| format!("; did you mean {near}?"));
    format!("{nearest}; all keys are listed by Config::keys()")
}
