//! Who may reach a port of the row's host, by rules that are this session's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runbook::text::{Slot, Text};

/// Rules of the inventory's firewall, on the row's host. They carry the session's id and go as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Firewall {
    /// Refuse whoever is not the host itself, a host of the row's group, the operator, or allowed by the inventory.
    Block {
        /// The port, or an `address:port` that ends in it.
        port: Text,
        /// The variable that every host of the row's group has, with the address by which it calls the others.
        peers_var: String,
        /// More addresses, networks or names that are let in.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allow: Vec<Text>,
        /// Whose rules these are; this session's if left out.
        #[serde(default = "this_session")]
        session: Text,
    },
    /// Take these rules away, and no other. Rules that are gone already are said, and are no error.
    Unblock {
        /// The port, or an `address:port` that ends in it.
        port: Text,
        /// Whose rules; this session's if left out.
        #[serde(default = "this_session")]
        session: Text,
    },
    /// Look: the rules are there, and nothing stands before them.
    Blocked {
        /// The port, or an `address:port` that ends in it.
        port: Text,
        /// Whose rules; this session's if left out.
        #[serde(default = "this_session")]
        session: Text,
    },
    /// Look: nothing is left of the rules.
    Open {
        /// The port, or an `address:port` that ends in it.
        port: Text,
        /// Whose rules; this session's if left out.
        #[serde(default = "this_session")]
        session: Text,
    },
}

fn this_session() -> Text {
    Text::from("{{ session.id }}")
}

impl Firewall {
    /// The port, as it was written.
    pub fn port(&self) -> &Text {
        match self {
            Self::Block { port, .. }
            | Self::Unblock { port, .. }
            | Self::Blocked { port, .. }
            | Self::Open { port, .. } => port,
        }
    }

    /// Whose rules these are.
    pub fn session(&self) -> &Text {
        match self {
            Self::Block { session, .. }
            | Self::Unblock { session, .. }
            | Self::Blocked { session, .. }
            | Self::Open { session, .. } => session,
        }
    }

    pub(super) fn looks(&self) -> bool {
        matches!(self, Self::Blocked { .. } | Self::Open { .. })
    }

    pub(super) fn texts<'a>(&'a mut self, give: &mut dyn FnMut(Slot<'a>)) {
        match self {
            Self::Block { port, peers_var: _, allow, session } => {
                give(Slot::Plain(port));
                allow.iter_mut().for_each(|text| give(Slot::Plain(text)));
                give(Slot::Plain(session));
            }
            Self::Unblock { port, session } | Self::Blocked { port, session } | Self::Open { port, session } => {
                give(Slot::Plain(port));
                give(Slot::Plain(session));
            }
        }
    }

    pub(super) fn inverse(&self) -> Option<Self> {
        match self {
            Self::Block { port, session, .. } => Some(Self::Unblock { port: port.clone(), session: session.clone() }),
            Self::Unblock { .. } | Self::Blocked { .. } | Self::Open { .. } => None,
        }
    }

    pub(super) fn did_it_happen(&self) -> Option<Self> {
        match self {
            Self::Block { port, session, .. } => Some(Self::Blocked { port: port.clone(), session: session.clone() }),
            Self::Unblock { port, session } => Some(Self::Open { port: port.clone(), session: session.clone() }),
            Self::Blocked { .. } | Self::Open { .. } => None,
        }
    }
}
