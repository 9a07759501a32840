//! The firewall of a cluster's hosts: what manages it, who is let in, and how a session's own rules are called.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::runbook::text::Text;

/// What stands before the name of everything that a session makes in a firewall.
pub const OWN_PREFIX: &str = "firstlight";
/// Longest id of a session that goes into a rule, in bytes: a comment of iptables has 255 at most.
const SESSION_BYTES_MAX: usize = 200;
/// Hex digits in the name of a chain, which may have 28 bytes at most in all releases of iptables.
const CHAIN_DIGITS: usize = 16;

/// The firewall of the schedulers' hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Firewall {
    /// What manages it.
    pub manager: FirewallManager,
    /// Addresses, networks or names that are let in beside the schedulers and the operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// A host, a group or `local`: a machine that is not let in, from which it is seen that the port is shut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<String>,
}

/// What manages a firewall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirewallManager {
    /// nftables, by a table of the session's own.
    Nftables,
    /// iptables and ip6tables, by a chain of the session's own.
    Iptables,
    /// firewalld, by a chain of the session's own that is passed through to iptables; nothing permanent.
    Firewalld,
    /// Commands.
    Custom(FirewallTemplates),
}

/// The commands of a firewall; texts may use `cluster.*` and `host.*`. The port, the session and who is let in are in
/// their environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirewallTemplates {
    /// Refuses traffic from outside.
    pub block: Vec<Text>,
    /// Lets it in again; succeeds if it was let in already.
    pub unblock: Vec<Text>,
    /// Exits 0 if it is refused, 3 if it is let in; anything else is unknown.
    pub status: Vec<Text>,
}

impl Firewall {
    /// The manager's word in an inventory.
    pub fn word(&self) -> &'static str {
        match self.manager {
            FirewallManager::Nftables => "nftables",
            FirewallManager::Iptables => "iptables",
            FirewallManager::Firewalld => "firewalld",
            FirewallManager::Custom(_) => "custom",
        }
    }

    /// As an author writes it.
    pub(super) fn to_value(&self) -> Value {
        let mut value = json!({ "manager": self.word() });
        let Some(map) = value.as_object_mut() else { return value };
        if let FirewallManager::Custom(templates) = &self.manager {
            map.insert("block".to_owned(), json!(templates.block));
            map.insert("unblock".to_owned(), json!(templates.unblock));
            map.insert("status".to_owned(), json!(templates.status));
        }
        if !self.allow.is_empty() {
            map.insert("allow".to_owned(), json!(self.allow));
        }
        if let Some(outside) = &self.outside {
            map.insert("outside".to_owned(), json!(outside));
        }
        value
    }
}

/// How one block is called: by session and port, because several schedulers may share a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockName {
    /// The session.
    pub session: String,
    /// The port.
    pub port: u16,
}

impl BlockName {
    /// The name for a port (`8081`, or an address that ends in `:8081`) and a session's id.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn new(port: &str, session: &str) -> Result<Self, String> {
        let digits = port.trim().rsplit(':').next().unwrap_or_default();
        let number = digits.parse::<u16>().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| format!("{port:?} is neither a port nor address:port"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if session.is_empty() || session.len() > SESSION_BYTES_MAX || !session.bytes().all(plain) {
            return Err(format!("{session:?} is no id that a rule may carry"));
        }
        Ok(Self { session: session.to_owned(), port: number })
    }

    /// The table of nftables, of family `inet`.
    pub fn table(&self) -> String {
        format!("{OWN_PREFIX}_{}_{}", self.session, self.port)
    }

    /// The chain of iptables. The comment on its rules says whose it is.
    pub fn chain(&self) -> String {
        let digest = Sha256::digest(format!("{}:{}", self.session, self.port));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{OWN_PREFIX}-{}", hex.chars().take(CHAIN_DIGITS).collect::<String>())
    }

    /// The comment on rules.
    pub fn comment(&self) -> String {
        format!("{OWN_PREFIX} {}", self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::BlockName;

    #[test]
    fn names_of_blocks() {
        let name = BlockName::new("10.0.0.1:8081", "20260301-040506-west-abcd").unwrap();
        assert_eq!(name.table(), "firstlight_20260301-040506-west-abcd_8081");
        assert!(name.chain().len() <= 28, "{}", name.chain());
        assert_ne!(name.chain(), BlockName::new("8082", "20260301-040506-west-abcd").unwrap().chain());
        assert_ne!(name.chain(), BlockName::new("8081", "20260301-040506-west-abce").unwrap().chain());
        for (port, session) in
            [("8081", "a b"), ("8081", ""), ("8081", "a;flush ruleset"), ("0", "a"), ("x:", "a"), ("a", "a")]
        {
            assert!(BlockName::new(port, session).is_err(), "{port} {session}");
        }
    }
}
