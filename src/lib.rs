//! Firstlight: a guided terminal runbook for the worst hour of the year.
//!
//! A **session** is a fold over a durable **journal** of **events**. A pure function **decides** which
//! events and effects a command leads to; the **engine** makes events durable first and runs effects
//! second. Whatever a person or a script sees only reads the folded state and sends commands.
//!
//! ```text
//!  keys ──▶ keymap ──▶ Command ─┐                              ┌─▶ wizard (draws State)
//!  answers file ─────▶ Command ─┤  decide(State, Stamp, Command)├─▶ headless driver
//!  results ──────────▶ Command ─┘        │                     ├─▶ observers (read-only)
//!                                        ├─ Refusal (a reason) │
//!                                        └─ events + effects   │
//!                          1 journal: append, sync             │
//!                          2 apply, publish ───────────────────┘
//!                          3 effects ─▶ actions on hosts ─▶ results
//! ```
//!
//! # What is absent, and where
//!
//! 1. [`session`] has no clock, no randomness, no async, no I/O, no path, no environment. Time comes in
//!    with each command; ids are counted.
//! 2. There is one transition function, `State::apply`. Live, resume, replay and tests go through it; a
//!    resume adds `Command::Resume` and nothing else.
//! 3. No effect starts before its `AttemptStarted` is durable; no later step opens before its
//!    `AttemptFinished` is. A journal that cannot be written stops the session. A failed sync is not
//!    tried again.
//! 4. An attempt without a result is *in doubt*: neither failed nor done. It is settled by looking, else
//!    by the engineer, and repeated unasked only where the runbook declares it idempotent.
//! 5. A gate opens on evidence that has an age. What an action relies on is looked at again as its guard,
//!    in the same breath, by the one who then acts.
//! 6. Unknown is a value: it is never rounded to good or bad.
//! 7. Views ([`tui`], [`headless`]) never write session state, and session state knows no view. The
//!    reason for a block is computed where the blocking is decided, and shown verbatim.
//! 8. Output lines are lossy, are never events and never open a gate; each attempt's full output is in
//!    its own file.
//! 9. What comes from a host is hostile: sanitised before it reaches a terminal, limited before it
//!    reaches memory.
//! 10. Secrets are a type without a way to show them. Texts carry a mark in their place; whoever runs an
//!     action puts them in, in environment, header or body only.
//! 11. The engine knows kinds of actions and probes, not a procedure. Procedures are YAML.
//! 12. Decoders are pure functions over bytes with limits: they return errors, never panic, never
//!     allocate on a length that they have not checked.
//!
//! # Where things are
//!
//! | module | what belongs in it | does I/O |
//! |---|---|---|
//! | [`runbook`] | YAML to a checked model; texts, kinds, lint, schema, plan | no |
//! | [`inventory`] | hosts, groups, services, variables | no |
//! | [`session`] | command, event, effect, state, decide, apply, gates | no |
//! | [`journal`] | the record on disk: framing, chain, lock, torn ends | disk |
//! | [`engine`] | the loop, clocks, live output, observers | through others |
//! | [`actions`] | one file for each kind: what it does, what it predicts | yes |
//! | [`hosts`] | how a machine is reached: programs, files, processes | yes |
//! | [`aurora`] | Thrift codecs, backups, log entries, flags, leader; the API client | client only |
//! | [`backups`] | what is said of backup files: reports, lists, differences | no |
//! | [`mesos`] | what the Mesos master knows | no |
//! | [`impact`] | what restoring a backup would do to what runs | no |
//! | [`replog`] | LevelDB and Mesos's log records, read-only; the verdict | no |
//! | [`forensics`] | a replica's directory for that reader, opened for reading only, and what stands around it | disk |
//! | [`logscan`] | scheduler and Mesos log lines: counts, elections | no |
//! | [`practice`] | the practice cluster: schedulers, master, damage | yes |
//! | [`table`] | rows that are looked through: filter, sort, groups, marks; their form on disk | no |
//! | [`tui`] | the wizard: terminal, keymap, views | terminal |
//! | [`headless`] | an answers file in a person's stead | no |
//! | [`report`] | the record of a session in Markdown and JSON | no |
//! | [`cli`] | arguments in, exit code out | yes |
//!
//! `tests/it/tidy.rs` reads the imports and holds these walls.
//!
//! # Where this departs from the usual, and why
//!
//! - *A kind is one value in three roles.* What the author wrote, the same with its texts rendered, and
//!   the inverse that undoes it have one type, so the journal holds exactly what ran, and an undo is
//!   known, fully rendered, before the action begins.
//! - *Freshness is not durable.* A look that finds what the last one found refreshes the evidence's age
//!   in memory and is not written. After a crash evidence is older than it was, which is the safe side.
//! - *The last phase serves three ends.* A phase marked `always` is walked after success, after an early
//!   end and after an abandon; what it puts back is the list of what this session really changed.
//! - *Gates of a row open together.* All of them have to hold at one moment, each fresh enough; there is
//!   no gate that opened a while ago and is relied on since.

pub mod actions;
pub mod aurora;
pub mod backups;
pub mod cli;
pub mod engine;
pub mod exit;
pub mod forensics;
pub mod headless;
pub mod hosts;
pub mod impact;
pub mod inventory;
pub mod journal;
pub mod logscan;
pub mod mesos;
pub mod practice;
pub mod replog;
pub mod report;
pub mod runbook;
pub mod session;
pub mod table;
pub mod tui;
