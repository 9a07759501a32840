//! `~/.netrc`: who one is on which machine.
//!
//! Pure. Read as Aurora's own client reads it (through Python's `netrc`): words `machine NAME`, `default`, `login`, `password`, `account`,
//! `macdef` up to an empty line, comments from `#` at the start of a word to the end of the line. The first entry of a machine that
//! is no later repeated counts; a later one of the same name wins, as there.

use super::options::Login;
use crate::aurora::secret::Secret;
use std::collections::BTreeMap;
use thiserror::Error;

/// Longest file that is read.
pub const NETRC_BYTES_MAX: u64 = 1 << 20;

/// Why a text is not a `.netrc`. Never quotes it: it holds passwords.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetrcError {
    /// A word where an entry had to begin.
    #[error("line {line}: neither machine, default nor macdef")]
    Word {
        /// Counted from 1.
        line: usize,
    },
    /// A keyword without its value.
    #[error("line {line}: {keyword} has no value")]
    NoValue {
        /// Counted from 1.
        line: usize,
        /// The keyword.
        keyword: &'static str,
    },
}

/// Entries of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Netrc {
    machines: BTreeMap<String, Entry>,
    default: Option<Entry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    user: Option<String>,
    password: Option<Secret>,
}

/// Where the words go.
enum Into {
    Nothing,
    Machine(String),
    Default,
}

impl Netrc {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, NetrcError> {
        let mut found = Self::default();
        let (mut into, mut entry) = (Into::Nothing, Entry::default());
        let mut words = words(text).into_iter();
        while let Some((line, word)) = words.next() {
            let mut value = |keyword| words.next().map(|(_, value)| value).ok_or(NetrcError::NoValue { line, keyword });
            match word.as_str() {
                "machine" => {
                    let name = value("machine")?;
                    found.put(std::mem::replace(&mut into, Into::Machine(name)), std::mem::take(&mut entry));
                }
                "default" => found.put(std::mem::replace(&mut into, Into::Default), std::mem::take(&mut entry)),
                _ if matches!(into, Into::Nothing) => return Err(NetrcError::Word { line }),
                "login" | "user" => entry.user = Some(value("login")?),
                "password" => entry.password = Some(Secret::new(value("password")?)),
                "account" => drop(value("account")?),
                _ => return Err(NetrcError::Word { line }),
            }
        }
        found.put(into, entry);
        Ok(found)
    }

    fn put(&mut self, into: Into, entry: Entry) {
        match into {
            Into::Nothing => {}
            Into::Machine(name) => drop(self.machines.insert(name, entry)),
            Into::Default => self.default = Some(entry),
        }
    }

    /// User and password for a host: of its own entry, else of `default`.
    pub fn login(&self, host: &str) -> Option<Login> {
        let entry = self.machines.get(host).or(self.default.as_ref())?;
        let password = entry.password.clone().unwrap_or_else(|| Secret::new(String::new()));
        Some(Login { user: entry.user.clone()?, password })
    }
}

/// Words with their lines. Quotes hold spaces, a backslash takes the next character as it is; macros and comments are left out.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_macro = false;
    for (at, line) in text.lines().enumerate() {
        if in_macro {
            in_macro = !line.trim().is_empty();
            continue;
        }
        let mut chars = line.chars().peekable();
        while let Some(&next) = chars.peek() {
            if next.is_whitespace() {
                chars.next();
                continue;
            }
            let password_next = found.last().is_some_and(|(_, word): &(usize, String)| word == "password");
            if next == '#' && !password_next {
                break;
            }
            let word = word(&mut chars);
            if word == "macdef" {
                in_macro = true;
                break;
            }
            found.push((at + 1, word));
        }
    }
    found
}

fn word(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut word = String::new();
    let quoted = chars.next_if_eq(&'"').is_some();
    while let Some(&next) = chars.peek() {
        if !quoted && next.is_whitespace() {
            break;
        }
        chars.next();
        match next {
            '"' if quoted => break,
            '\\' => word.extend(chars.next()),
            other => word.push(other),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str, host: &str) -> Option<(String, String)> {
        let found = Netrc::parse(text).unwrap().login(host)?;
        Some((found.user, found.password.expose().to_owned()))
    }

    #[test]
    fn a_host_has_its_entry_or_the_default() {
        let text = "# ours\nmachine a login me password \"with space\"\nmacdef init\n cd /x\n machine b login no password no\n\n\
                    machine b\n\tlogin you\n\tpassword #hash\\\\x\ndefault login any password all # who else\n";
        let is = |host: &str, user: &str, password: &str| {
            assert_eq!(login(text, host), Some((user.to_owned(), password.to_owned())), "{host}");
        };
        is("a", "me", "with space");
        is("b", "you", "#hash\\x");
        is("c", "any", "all");
        assert_eq!(login("machine a login me password x", "c"), None);
        assert_eq!(login("machine a password x", "a"), None);
    }

    #[test]
    fn damage_is_said_without_what_it_holds() {
        for (text, line) in [("login me", 1), ("machine a\nsecret", 2), ("machine a login", 1), ("\nmachine", 2)] {
            let error = Netrc::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line}:")) && !error.contains("secret"), "{error}");
        }
    }
}
